/** The kits hold what the world holds: one program per language that calls all of it, and one file of cases. */
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { missingToolchain } from '../../../scripts/build-handler.ts'
import { worldImports } from '#host/plugin/world.ts'
import { buildFolder } from './build.ts'
import { readCases } from './cases.ts'
import { findHandler, readManifest } from './folder.ts'
import { type Language, languages } from './languages.ts'
import { createHandler } from './new.ts'
import { loadHandler, runCases } from './run-cases.ts'

const fixtures = join(import.meta.dirname, 'fixtures')
const BUILD_MS_MAX = 120_000
/** Of the cases, in order. */
const OUTCOMES = ['reply', 'accepted', 'no: not-now', 'reply', 'suspended', 'reply', 'reply', 'suspended']
/** Not called by the program: the templates call it, and whoever writes a handler knows its manifest's aliases. */
const others = new Set(['trellis:handler/fields@0.1.0'])
const elsewhere = new Set(['trellis:handler/keys@0.1.0#list'])

for (const language of languages.filter(({ id }) => id !== 'ts')) {
  test(`the kit for ${language.title}`, { timeout: BUILD_MS_MAX }, async ({ skip }) => {
    const folder = await mkdtemp(join(tmpdir(), 'trellis-kit-'))
    try {
      const missing = await missingToolchain(language.id, folder)
      if (missing === undefined) return await passesItsCases(join(folder, 'every'), language)
      console.warn(`not run: the kit for ${language.title}. ${missing}`)
      return skip(missing)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
}

async function passesItsCases(folder: string, language: Language): Promise<void> {
  await createHandler(folder, language)
  await copyFile(join(fixtures, language.source.replace('handler', 'every')), join(folder, language.source))
  await copyFile(join(fixtures, 'every.manifest.json'), join(folder, 'manifest.json'))
  await copyFile(join(fixtures, 'every.cases.json'), join(folder, 'handler.cases.json'))
  const handler = findHandler(folder)
  const manifest = await readManifest(handler)
  const { bytes } = await buildFolder(handler, manifest)
  const { plan } = loadHandler(bytes, manifest)
  const imported = plan.imports.map((item) => `${item.interface}#${item.name}`)
  const interfaces = new Set(imported.map(interfaceOf))
  const known = worldImports.filter((name) => interfaces.has(interfaceOf(name)) && !elsewhere.has(name))
  expect(imported.toSorted()).toEqual(known.toSorted())
  const unknown = worldImports.map(interfaceOf).filter((name) => !interfaces.has(name) && !others.has(name))
  expect([...new Set(unknown)], 'interfaces the kit has not').toEqual([])

  const results = await runCases({ manifest, component: bytes, cases: await readCases(handler.cases) })
  for (const { name, mistakes } of results) expect(mistakes, name).toEqual([])
  expect(results.map(({ outcome }) => outcome)).toEqual(OUTCOMES)
}

function interfaceOf(name: string): string {
  return name.split('#')[0] ?? ''
}
