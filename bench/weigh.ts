/** What of a process each of many instances takes: in one of its own, where nothing was freed that they could take. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { TABLE_ELEMENTS_MAX } from '#host/limits.ts'
import { fixtureBytes, type FixtureName } from '#host/plugin/component/fixtures/build.ts'
import { openHost } from '#host/plugin/component/fixtures/host.ts'
import { type Instance, instantiate } from '#host/plugin/component/instantiate.ts'
import { loadComponent } from '#host/plugin/component/load.ts'

export const LIMITS = { memoryBytesMax: 32 * 2 ** 20, tableElementsMax: TABLE_ELEMENTS_MAX }
export const BODY = new TextEncoder().encode('{"note":"thirty-two bytes of it"}')
export const wasi = { nowMs: () => 0, write: () => undefined }

const SELF = fileURLToPath(import.meta.url)

/** Bytes of RSS, the instance's snapshot included, after one call and its reset. */
export async function weigh(name: FixtureName, instances: number): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', SELF, name, `${instances}`])
  return Number(stdout)
}

async function weighHere(name: FixtureName, instances: number): Promise<number> {
  const component = loadComponent(await fixtureBytes(name), LIMITS)
  const host = openHost()
  const make = () => {
    const instance = instantiate(component, { imports: host.imports, liftBytesMax: 2 ** 20, wasi })
    instance.call('handle', [BODY])
    instance.reset()
    return instance
  }
  make()
  globalThis.gc?.()
  const before = process.memoryUsage.rss()
  const kept: Instance[] = Array.from({ length: instances }, make)
  globalThis.gc?.()
  return (process.memoryUsage.rss() - before) / kept.length
}

if (process.argv[1] === SELF) {
  const [name, instances] = process.argv.slice(2)
  console.log(await weighHere(name as FixtureName, Number(instances)))
}
