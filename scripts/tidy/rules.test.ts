/** Every rule is shown a tree that breaks it, so that none passes because it sees nothing. */
import { expect, test } from 'vitest'

import { cycleViolations, deadFiles, layerViolations, packageViolations, pathViolations } from './layers.ts'
import {
  barrelViolations,
  languageViolations,
  medianLines,
  nameViolations,
  refusalViolations,
  sizeViolations,
  witViolations,
} from './style.ts'
import { plantTree, type Tree } from './tree.ts'

function plant(texts: Readonly<Record<string, string>>): Tree {
  return plantTree(new Map(Object.entries(texts)))
}

/** A house with one file that names one other. */
function naming(from: string, text: string, to: string): Tree {
  return plant({ [from]: text, [to]: 'export const a = 1' })
}

const ways = ["import '@'", "import { a } from '@'", "import type { A } from '@'", "export * from '@'"].concat([
  "export { a } from '@'",
  "await import('@')",
  "type A = import('@').A",
  "import.meta.resolve('@')",
])

test.each(ways)('a layer is not left by %s', (way) => {
  const text = way.replace('@', '#host/vault/vault.ts')
  expect(layerViolations(naming('host/wire/cbor.ts', text, 'host/vault/vault.ts'))).toEqual([
    'host/wire/cbor.ts:1: host/vault/vault.ts is not for host/wire to import',
  ])
})

test.each([
  ['host/crypto/kem.ts', 'host/contracts/admit.ts'],
  ['host/contracts/admit.ts', 'host/storage/state.ts'],
  ['host/plugin/cell.ts', 'host/messaging/nats.ts'],
  ['host/crypto/kem.ts', 'host/storage/port.ts'],
  ['host/vault/vault.ts', 'host/deliver.ts'],
  ['host/deliver.ts', 'host/host.ts'],
  ['host/errors.ts', 'host/wire/cbor.ts'],
  ['host/host.ts', 'plugins/a/handler.ts'],
  ['host/host.ts', 'enclave/image.ts'],
  ['host/host.ts', 'client/owner.ts'],
  ['host/host.ts', 'scripts/build.ts'],
  ['enclave/verify.ts', 'host/storage/state.ts'],
  ['client/owner.ts', 'host/vault/vault.ts'],
  ['client/owner.ts', 'enclave/image.ts'],
  ['plugins/a/handler.ts', 'host/errors.ts'],
  ['host/main.ts', 'bench/read.ts'],
  ['host/wire/cbor.test.ts', 'bench/read.ts'],
  ['host/wire/cbor.ts', 'host/wire/cbor.fixture.ts'],
])('%s does not import %s', (from, to) => {
  expect(layerViolations(naming(from, `import '#${to}'`, to))).toHaveLength(1)
})

test.each([
  ['host/crypto/kem.ts', 'host/wire/cbor.ts'],
  ['host/plugin/cell.ts', 'host/storage/port.ts'],
  ['host/wire/cbor.ts', 'host/limits.ts'],
  ['host/main.ts', 'enclave/image.ts'],
  ['host/commands/demo.ts', 'client/owner.ts'],
  ['client/owner.ts', 'enclave/policy.ts'],
  ['client/owner.ts', 'host/contracts/diff.ts'],
  ['host/wire/cbor.test.ts', 'host/wire/cbor.fixture.ts'],
  ['bench/read.ts', 'host/vault/vault.ts'],
])('%s may import %s', (from, to) => {
  expect(layerViolations(naming(from, `import '#${to}'`, to))).toEqual([])
})

test('a room without a place in the table, and a file that is not there', () => {
  const tree = plant({ 'host/attic/old.ts': '', 'host/wire/cbor.ts': "import './gone.ts'" })
  expect(layerViolations(tree)).toEqual([
    'host/attic/old.ts: has no place in the layer table',
    'host/wire/cbor.ts:1: host/wire/gone.ts is not there',
  ])
})

test('relative paths stay in their room', () => {
  const leaving = naming('host/crypto/kem.ts', "import '../wire/cbor.ts'", 'host/wire/cbor.ts')
  expect(pathViolations(leaving)).toHaveLength(1)
  const within = naming('host/plugin/component/load.ts', "import '../manifest.ts'", 'host/plugin/manifest.ts')
  expect(pathViolations(within)).toEqual([])
})

test('a package is known in one folder', () => {
  const text = "import type { A } from '@scope/name/part'\nimport 'node:fs'"
  const other = "await import('@scope/name')"
  expect(packageViolations(plant({ 'host/wire/a.ts': text, 'host/crypto/b.ts': other }))).toEqual([
    '@scope/name is imported in 2 folders: host/wire/a.ts:1, host/crypto/b.ts:1',
  ])
  expect(packageViolations(plant({ 'host/wire/a.ts': text, 'host/crypto/b.test.ts': other }))).toEqual([])
})

test('circles are found, of types too', () => {
  const tree = plant({
    'host/wire/a.ts': "import './b.ts'",
    'host/wire/b.ts': "import type { C } from './c.ts'",
    'host/wire/c.ts': "export { a } from './a.ts'\nexport { b } from './b.ts'",
    'host/wire/d.ts': "import './a.ts'",
    'host/wire/e.test.ts': "new URL('./e.test.ts', import.meta.url)",
  })
  expect(cycleViolations(tree)).toEqual([
    'host/wire/a.ts → host/wire/b.ts → host/wire/c.ts → host/wire/a.ts',
    'host/wire/b.ts → host/wire/c.ts → host/wire/b.ts',
  ])
})

test('what only tests reach is dead; what a worker or a script starts is not', () => {
  const tree = plant({
    'host/main.ts': "import './host.ts'\nawait import('./commands/demo.ts')",
    'host/host.ts': "import type { A } from './wire/a.ts'\nnew URL('./plugin/worker.ts', import.meta.url)",
    'host/commands/demo.ts': 'new URL(`./plugin/spare.${suffix}`, import.meta.url)',
    'host/commands/plugin/spare.ts': '',
    'host/wire/a.ts': '',
    'host/plugin/worker.ts': '',
    'host/wire/unused.ts': '',
    'host/wire/tested.ts': '',
    'host/wire/tested.test.ts': "import './tested.ts'",
    'host/wire/tested.fixture.ts': '',
    'client/scripted.ts': '',
    'scripts/run.ts': "import '#client/scripted.ts'",
  })
  expect(deadFiles(tree)).toEqual(['host/wire/unused.ts', 'host/wire/tested.ts'])
})

test('sizes', () => {
  const long = `const a = '${'x'.repeat(120)}'\n`
  const body = `function f() {\n${'a()\n'.repeat(69)}}\n`
  const tree = plant({ 'host/a.ts': long + body, 'host/b.test.ts': 'a()\n'.repeat(401), 'host/c.ts': 'a()\n' })
  expect(sizeViolations(tree)).toEqual([
    'host/b.test.ts: lines: 401, at most 400',
    'host/a.ts:2: lines of the function: 71, at most 70',
    'host/a.ts:1: characters: 132, at most 120',
  ])
  expect(medianLines(tree, () => true)).toEqual({ median: 72, over: ['host/b.test.ts: 401 lines'] })
})

test('barrels', () => {
  expect(barrelViolations(plant({ 'host/index.ts': "export * from './a.ts'" }))).toEqual([
    'host/index.ts: only re-exports',
  ])
})

test.each([
  ['host/KeyStore.ts', ''],
  ['host/key_store.ts', ''],
  ['host/Vault/key.ts', ''],
  ['host/vault-manager.ts', ''],
  ['host/utils.ts', ''],
  ['host/a.ts', 'export class VaultManager {}'],
  ['host/a.ts', 'export function parseHelper() {}'],
  ['host/a.ts', 'const a = 1\nexport { a as CryptoUtils }'],
  ['host/a.ts', 'export interface EventProcessor {}'],
  ['host/a.ts', 'export interface VaultService {}'],
])('a bad name: %s %s', (path, text) => {
  expect(nameViolations(plant({ [path]: text }))).toHaveLength(1)
})

test('good names, and the vine has a service', () => {
  const tree = plant({
    'client/service.ts': 'export interface Service {}\nexport function fromService() {}\nexport const serviceKey = 1',
    'host/wire/cbor-read.test.ts': '',
  })
  expect(nameViolations({ ...tree, files: [...tree.files, 'plugins/a/README.md', 'wit/world.wit'] })).toEqual([])
})

test.each([
  'const a = process.env.HOME',
  'const a = Date.now()',
  'f(Date.now)',
  'const a = new Date()',
  'const a = Math.random()',
  'const a = await import(path)',
])('only in a composition root: %s', (text) => {
  expect(languageViolations(plant({ 'host/vault/a.ts': text }))).toHaveLength(1)
  for (const path of ['host/main.ts', 'host/commands/a.ts', 'scripts/a.ts', 'bench/a.ts', 'host/wire/a.test.ts']) {
    expect(languageViolations(plant({ [path]: text }))).toEqual([])
  }
})

test.each([
  'let a: any',
  'let a: any[]',
  'const a = b as any',
  'let a: Map<string, any>',
  'let a: (b: string) => any',
  'type A = string | any',
  'enum A { B }',
  "test.only('a', b)",
  "describe.skip.only('a', b)",
  '// @ts-ignore',
  '/* @ts-nocheck */',
])('nowhere: %s', (text) => {
  expect(languageViolations(plant({ 'host/wire/a.test.ts': text }))).toHaveLength(1)
})

test.each([
  'const a = await Promise.any(b)',
  'const a = { any: 1 }',
  "const a = 'let b: any'",
  'const a = new Date(now)',
  '// Date.now() is for the roots',
  '/** Never use @ts-ignore. */',
  'const enumerable = only(a)',
])('nothing wrong with: %s', (text) => {
  expect(languageViolations(plant({ 'host/wire/a.ts': text }))).toEqual([])
})

test('WIT files', () => {
  const tree = plant({
    'wit/clock.wit': 'package a:b@0.1.0;\n\n/// No world { here.\ninterface clock {\n}\n',
    'wit/two.wit': 'package a:b@0.1.0;\ninterface two {\n}\ninterface three {\n}\n',
    'wit/misnamed.wit': 'package a:b@0.2.0;\ninterface other {\n}\n',
    'wit/world.wit': 'package a:b@0.1.0;\nworld handler {\n  import clock;\n}\n',
  })
  expect(witViolations(tree)).toEqual([
    'wit/two.wit: holds interface two, interface three',
    'wit/misnamed.wit: holds interface other',
    'several packages: a:b@0.1.0, a:b@0.2.0',
  ])
  const early = plant({ 'wit/world.wit': 'package a:b@0.1.0;\nworld w {\n}\ninterface clock {\n}\n' })
  expect(witViolations(early)).toHaveLength(1)
})

test('refusal codes', () => {
  const tree = plant({
    'host/errors.ts': "export const refusalCodes = ['malformed', 'too-large']",
    'host/wire/a.ts': "throw new Refusal('malformed')\n// 'too-large'",
    'host/wire/a.test.ts': "expect(code).toBe('too-large')",
  })
  const violations = refusalViolations(tree)
  expect(violations).toContain('too-large: nothing throws it')
  expect(violations).toContain('malformed: no test names it')
  expect(violations).not.toContain('malformed: nothing throws it')
  expect(violations).not.toContain('too-large: no test names it')
})
