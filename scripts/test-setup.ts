/** Runs once before the tests: builds the handlers and the fixtures that are missing or out of date, and the threads. */
import { buildFixtures, buildPlugins } from './build-plugins.ts'
import { compileThreads } from './test-threads.ts'

export async function setup(): Promise<void> {
  await buildPlugins()
  await buildFixtures()
  await compileThreads()
}
