/** Runs once before the tests: builds the handlers and the fixtures that are missing or out of date. */
import { buildFixtures, buildPlugins } from './build-plugins.ts'

export async function setup(): Promise<void> {
  await buildPlugins()
  await buildFixtures()
}
