/** The kits hold what the world holds: one program per kit that calls all of it, and one file of cases. */
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { missingToolchain } from '../../../scripts/build-handler.ts'
import { readCoreModule } from '#host/plugin/component/core-module.ts'
import { openQuota } from '#host/plugin/component/cursor.ts'
import { userFunctions } from '#host/plugin/extism/user.ts'
import type { Manifest } from '#host/plugin/manifest.ts'
import { isExtism, loadProgram } from '#host/plugin/program.ts'
import { worldImports } from '#host/plugin/world.ts'
import { buildFolder } from './build.ts'
import { readCases } from './cases.ts'
import { findHandler, readManifest } from './folder.ts'
import { type Kit, kits } from './languages.ts'
import { createHandler } from './new.ts'
import { runCases } from './run-cases.ts'

const fixtures = join(import.meta.dirname, 'fixtures')
const BUILD_MS_MAX = 120_000
/** Of the cases, in order. */
const OUTCOMES = ['reply', 'suspended', 'reply', 'reply', 'suspended', 'accepted', 'no: not-now', 'reply']
/** Not called by the program: the templates call it, and whoever writes a handler knows its manifest's aliases. */
const others = new Set(['trellis:handler/fields@0.1.0'])
const elsewhere = new Set(['trellis:handler/keys@0.1.0#list'])
const userElsewhere = new Set(['trellis_fields_get', 'trellis_keys_list'])

for (const kit of kits.filter(({ language }) => language.id !== 'ts')) {
  const title = `the kit for ${kit.language.title}, ${kit.runtime}`
  test(title, { timeout: BUILD_MS_MAX }, async ({ skip }) => {
    const folder = await mkdtemp(join(tmpdir(), 'trellis-kit-'))
    try {
      const missing = await missingToolchain(kit.language.id, folder)
      if (missing === undefined) return await passesItsCases(join(folder, 'every'), kit)
      console.warn(`not run: ${title}. ${missing}`)
      return skip(missing)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
}

async function passesItsCases(folder: string, kit: Kit): Promise<void> {
  const { language, runtime } = kit
  await createHandler(folder, language, runtime)
  const program = language.id === 'as' && runtime === 'extism' ? 'every-extism' : 'every'
  await copyFile(join(fixtures, language.source.replace('handler', program)), join(folder, language.source))
  const declared = await readFile(join(fixtures, 'every.manifest.json'), 'utf8')
  await writeFile(join(folder, 'manifest.json'), declared.replace('"component"', `"${runtime}"`))
  await copyFile(join(fixtures, 'every.cases.json'), join(folder, 'handler.cases.json'))
  const handler = findHandler(folder)
  const manifest = await readManifest(handler)
  const { bytes } = await buildFolder(handler, manifest)
  callsAll(bytes, manifest)
  const results = await runCases({ manifest, component: bytes, cases: await readCases(handler.cases) })
  for (const { name, mistakes } of results) expect(mistakes, name).toEqual([])
  expect(results.map(({ outcome }) => outcome)).toEqual(OUTCOMES)
}

function callsAll(bytes: Uint8Array, manifest: Manifest): void {
  const program = loadProgram(bytes, manifest)
  if (isExtism(program)) {
    const { imports } = readCoreModule(bytes, openQuota())
    const called = new Set(imports.flatMap(({ module, name }) => (module === 'extism:host/user' ? [name] : [])))
    const lacking = [...userFunctions.keys()].filter((name) => !userElsewhere.has(name) && !called.has(name))
    return expect(lacking, 'functions the kit has not').toEqual([])
  }
  const imported = program.plan.imports.map((item) => `${item.interface}#${item.name}`)
  const interfaces = new Set(imported.map(interfaceOf))
  const known = worldImports.filter((name) => interfaces.has(interfaceOf(name)) && !elsewhere.has(name))
  expect(imported.toSorted()).toEqual(known.toSorted())
  const unknown = worldImports.map(interfaceOf).filter((name) => !interfaces.has(name) && !others.has(name))
  expect([...new Set(unknown)], 'interfaces the kit has not').toEqual([])
}

function interfaceOf(name: string): string {
  return name.split('#')[0] ?? ''
}
