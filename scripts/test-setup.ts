/** Runs once before the tests: builds the threads, and the handlers and fixtures that are missing or out of date. */
import { buildFixtures, buildPlugins } from './build-plugins.ts'
import { compileThreads } from './test-threads.ts'

export async function setup(): Promise<void> {
  await buildPlugins()
  await buildFixtures()
  await compileThreads()
}
