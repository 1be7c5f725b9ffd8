import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { sha384 } from '#host/crypto/p384.ts'
import { buildPlugin, buildPlugins } from './build-plugins.ts'
import { checkPins, readPins } from './pins.ts'
import { stillClock } from './still.ts'
import { buildAssemblyScript, buildTypeScript } from './toolchain.ts'

const SLOW_MS = 600_000
/** How many handlers are built again: all of them in a soak. */
const REBUILDS = Number(process.env['SOAK_REBUILDS'] ?? 1)
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trellis-pins-'))
})
afterAll(() => rm(folder, { recursive: true }))

const bytesOf = async (path: string) => new Uint8Array(await readFile(path))
const isTypeScript = (component: string) => existsSync(join(component, '../../handler.ts'))
const plugin = (component: string) => ({ name: 'echo', manifest: '', component, isNew: false })

test('the same AssemblyScript gives the same component in two folders', async () => {
  const built = await Promise.all(
    ['one', 'two'].map(async (name) => {
      await mkdir(join(folder, name))
      const source = join(folder, name, 'handler.as.ts')
      await writeFile(source, 'export function run(a: i32): i32 { return a + 1 }\n')
      const wit = 'package trellis:fixtures@0.1.0;\nworld handler { export run: func(a: s32) -> s32; }\n'
      await writeFile(join(folder, name, 'world.wit'), wit)
      const out = join(folder, name, 'handler.wasm')
      await buildAssemblyScript({ source, witDir: join(folder, name), world: 'handler', out })
      return new Uint8Array(await readFile(out))
    }),
  )
  expect(built[0]?.length).toBeGreaterThan(100)
  expect(built[1]).toEqual(built[0])
})

test('the same TypeScript gives the same component in two folders', { timeout: SLOW_MS }, async () => {
  if ((await stillClock()) === undefined) {
    return console.warn('reproducible QuickJS builds not run: no C compiler, or no Linux; its components are pinned')
  }
  const digests: string[] = []
  await mkdir(join(folder, 'node_modules/one'), { recursive: true })
  await writeFile(join(folder, 'node_modules/one/package.json'), '{"name":"one","type":"module","main":"one.js"}')
  await writeFile(join(folder, 'node_modules/one/one.js'), 'export const one = (a) => a + Math.floor(1.5)\n')
  // Another way to the package from each.
  for (const name of ['three', 'fo/u/r']) {
    const place = join(folder, name)
    await mkdir(place, { recursive: true })
    const source = `import { one } from 'one'\nexport function run(a: number): number { return one(a) }\n`
    await writeFile(join(place, 'handler.ts'), source)
    const wit = 'package trellis:fixtures@0.1.0;\nworld handler { export run: func(a: s32) -> s32; }\n'
    await writeFile(join(place, 'world.wit'), wit)
    const out = join(place, 'handler.wasm')
    await buildTypeScript({ source: join(place, 'handler.ts'), witDir: place, world: 'handler', out })
    digests.push(sha384(new Uint8Array(await readFile(out))).toHex())
  }
  expect(digests[1]).toBe(digests[0])
})

test('a handler that is shipped, built again elsewhere, is the same bytes', { timeout: SLOW_MS }, async () => {
  const isStill = (await stillClock()) !== undefined
  const quickJs = (await buildPlugins()).filter(({ component }) => isTypeScript(component))
  if (!isStill) return console.warn('a shipped handler was not built again: no C compiler, or no Linux')
  for (const { name, component } of quickJs.slice(0, REBUILDS)) {
    const again = join(folder, 'again', `${name}.wasm`)
    expect(await buildPlugin(name, again)).toBe(true)
    expect(sha384(await bytesOf(again)).toHex(), name).toBe(sha384(await bytesOf(component)).toHex())
  }
})

test('without a C compiler there is nothing to hold the clock with', async () => {
  expect(await stillClock({ folder: join(folder, 'cache'), compiler: 'no-such-compiler' })).toBeUndefined()
  await writeFile(join(folder, 'broken'), '#!/bin/sh\nexit 1\n', { mode: 0o755 })
  expect(await stillClock({ folder: join(folder, 'cache'), compiler: join(folder, 'broken') })).toBeUndefined()
})

test('what QuickJS makes is told apart by its pin: one byte is another component', async () => {
  const twin = new URL('../host/commands/handler/fixtures/twins/ts-component.wasm.br', import.meta.url)
  const bytes = new Uint8Array(brotliDecompressSync(await readFile(twin)))
  const [same, other] = [join(folder, 'same.wasm'), join(folder, 'other.wasm')]
  await writeFile(same, bytes)
  await writeFile(other, bytes.with(1, (bytes[1] ?? 0) ^ 1))
  const pins = { echo: sha384(bytes).toHex() }
  await checkPins([plugin(same)], pins)
  await checkPins([plugin(other)], undefined)
  await expect(checkPins([plugin(other)], pins)).rejects.toMatchObject({
    code: 'image-changed',
    message: expect.stringMatching(/^image: the component of echo is \w+…, pinned is \w+…: take the one that was/),
  })
  await expect(checkPins([plugin(same)], {})).rejects.toThrow('the component of echo is not pinned')
})

test('pins are digests by handler', async () => {
  const file = join(folder, 'pins.json')
  const pins = { echo: 'a'.repeat(96) }
  await writeFile(file, JSON.stringify(pins))
  expect(await readPins(file)).toEqual(pins)
  for (const text of ['', '[]x', 'null', '{"echo":1}', '{"echo":"aa"}']) {
    await writeFile(file, text)
    await expect(readPins(file), text).rejects.toMatchObject({ code: 'input-invalid' })
  }
})
