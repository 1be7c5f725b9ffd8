/**
 * One handler in every language and for every runtime, and handlers we ship in other languages, as bytes that are
 * checked in: they pass the same cases without any compiler. Where a compiler is here, what it builds now must do the
 * same.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'

import { afterAll, describe, expect, test } from 'vitest'

import { missingToolchain } from '../../../scripts/build-handler.ts'
import {
  buildTwin,
  readTwins,
  sourcesDigest,
  TWINS_FOLDER,
  type TwinSource,
  twinSources,
  withHandler,
} from '../../../scripts/build-twins.ts'
import { readCoreModule } from '#host/plugin/component/core-module.ts'
import { openQuota } from '#host/plugin/component/cursor.ts'
import { wasiModule, wasiSignatures } from '#host/plugin/extism/wasi.ts'
import { manifestOf } from '#host/plugin/fixtures/stage.ts'
import type { Manifest } from '#host/plugin/manifest.ts'
import { readCases } from './cases.ts'
import { sha384 } from './digest.ts'
import { runCases } from './run-cases.ts'

const root = join(import.meta.dirname, '../../..')
const BUILD_MS_MAX = 120_000
/** What the templates' five cases come to, whatever the language. */
const OUTCOMES = ['reply', 'reply', 'reply', 'no: name-unavailable', 'no: store-unavailable']
/** A QuickJS component holds a heap that was made at build time: its bytes never repeat. */
const repeats = ({ kit }: TwinSource): boolean => kit.language.id !== 'ts'

const twins = await readTwins()

async function bytesOf(name: string): Promise<Uint8Array> {
  return new Uint8Array(brotliDecompressSync(await readFile(join(TWINS_FOLDER, `${name}.wasm.br`))))
}

async function passesTheCases(source: TwinSource, component: Uint8Array): Promise<void> {
  const { manifest, cases } = await withHandler(source, async (handler, declared: Manifest) => ({
    manifest: declared,
    cases: await readCases(handler.cases),
  }))
  const results = await runCases({ manifest, component, cases })
  for (const { name, mistakes } of results) expect(mistakes, name).toEqual([])
  if (source.of === undefined) expect(results.map(({ outcome }) => outcome)).toEqual(OUTCOMES)
  else expect(results.length).toBe(cases.length)
}

test('there is a twin of whatever `new` makes and of what else we ship, and of nothing else', async () => {
  const files = [...twinSources.map(({ name }) => `${name}.wasm.br`), 'digests.json']
  expect((await readdir(TWINS_FOLDER)).sort()).toEqual(files.sort())
  expect([...twins.keys()].sort()).toEqual(twinSources.map(({ name }) => name).sort())
})

const eachTwin = test.each(twinSources)
eachTwin('the bytes of $name have its digest, and pass the cases', { timeout: BUILD_MS_MAX }, async (source) => {
  const { name } = source
  const bytes = await bytesOf(name)
  expect(twins.get(name)).toMatchObject({ sha384: sha384(bytes), bytes: bytes.length })
  await passesTheCases(source, bytes)
})

test('the twin of auth-challenge as an Extism plug-in passes the very same cases', async () => {
  const manifest = manifestOf('challenge-extism')
  const component = new Uint8Array(await readFile(join(root, '.cache/fixtures/challenge-extism.wasm')))
  const cases = await readCases(join(root, 'plugins/auth-challenge/handler.cases.json'))
  for (const { name, mistakes } of await runCases({ manifest, component, cases })) expect(mistakes, name).toEqual([])
})

test('the twin in Go starts as a reactor, and asks WASI for what the fixed table has', async () => {
  const { imports, exports } = readCoreModule(await bytesOf('go-extism'), openQuota())
  expect(exports.get('_initialize')?.signature).toBe(':')
  const asked = imports.filter(({ module }) => module === wasiModule)
  expect(asked.length).toBeGreaterThan(0)
  for (const { name, signature } of asked) expect(wasiSignatures.get(name), name).toBe(signature)
})

describe('built again', () => {
  const told: string[] = []
  afterAll(() => console.log(`twins\n${told.map((line) => `  ${line}`).join('\n')}`))

  for (const source of twinSources) {
    const { kit, name } = source
    test(name, { timeout: BUILD_MS_MAX }, async ({ skip }) => {
      const known = twins.get(name)
      const isCurrent = known?.sources === (await withHandler(source, sourcesDigest))
      const missing = await missingToolchain(kit.language.id, TWINS_FOLDER)
      if (missing !== undefined) {
        told.push(`${name}: not built, and ${isCurrent ? 'up to date' : 'OUT OF DATE'}. ${missing}`)
        return skip(missing)
      }
      expect(isCurrent, 'its sources changed: node scripts/build-twins.ts').toBe(true)
      const again = await buildTwin(source)
      await passesTheCases(source, again.built)
      if (repeats(source) && again.toolchain === known?.toolchain) expect(again.sha384).toBe(known.sha384)
      const what = again.sha384 === known?.sha384 ? 'the same bytes' : 'other bytes, which do the same'
      told.push(`${name}: ${what}, from ${again.toolchain}; kept are those from ${known?.toolchain}`)
    })
  }
})
