import { parse } from '@bytecodealliance/jco-transpile/wasm-tools'
import { expect, test } from 'vitest'

import { COMPONENT_BYTES_MAX } from '#host/limits.ts'
import { EXTISM_BLOCK_BYTES_MAX } from '#host/plugin/limits.ts'

import { buildRegistry } from '../registry.ts'
import { entryOf, extismManifest, pluginBytes } from './fixtures/wat.ts'
import { loadExtism } from './load.ts'
import { userFunctions } from './user.ts'
import { wasiSignatures } from './wasi.ts'

const limits = { memoryBytesMax: 32 * 65_536, tableElementsMax: 10, random: false }
const load = async (wat: string) => loadExtism(new Uint8Array(await parse(`(module ${wat})`)), limits)
const handle = '(func (export "handle") (result i32) (i32.const 0))'
const invalid = (message: string): unknown =>
  expect.objectContaining({ code: 'component-invalid', message: expect.stringContaining(message) })

test.each([
  ['a network', 'extism:host/env', 'http_request', '(param i64 i64) (result i64)'],
  ['the status of a request', 'extism:host/env', 'http_status_code', '(result i32)'],
  ['an inherited name', 'extism:host/env', 'toString', ''],
  ['a user function nobody has', 'extism:host/user', 'trellis_keys_secret', '(param i64) (result i64)'],
  ['a socket', 'wasi_snapshot_preview1', 'sock_send', '(param i32 i32 i32 i32 i32) (result i32)'],
  ['a name that WASI has not', 'wasi_snapshot_preview1', 'fd_open', '(param i32) (result i32)'],
  ['another module', 'env', 'abort', '(param i32 i32 i32 i32)'],
  ['a component’s interface', 'trellis:handler/clock@0.1.0', 'now', '(result i64)'],
])('refuses a plug-in that imports %s', async (_, module, name, type) => {
  const loading = load(`(import "${module}" "${name}" (func ${type})) ${handle}`)
  await expect(loading).rejects.toThrow(invalid(`imports "${module} ${name}", which there is not`))
})

test.each([
  ['extism:host/env', 'alloc', '(param i32) (result i32)'],
  ['extism:host/env', 'log_info', '(param i64) (result i64)'],
  ['extism:host/user', 'trellis_clock_now', '(result i64)'],
  ['wasi_snapshot_preview1', 'fd_write', '(param i64 i32 i32 i32) (result i32)'],
])('refuses %s %s under another type', async (module, name, type) => {
  const loading = load(`(import "${module}" "${name}" (func ${type})) ${handle}`)
  await expect(loading).rejects.toThrow(invalid('with another type'))
})

test.each([
  ['a memory', '(memory 1)'],
  ['a table', '(table 1 funcref)'],
  ['a global', '(global (mut i32))'],
])('refuses %s of another', async (_, what) => {
  await expect(load(`(import "extism:host/env" "alloc" ${what}) ${handle}`)).rejects.toThrow(
    invalid('which there is not'),
  )
})

test.each([
  ['no handle', '(func (export "run") (result i32) (i32.const 0))'],
  ['a handle with an argument', '(func (export "handle") (param i32) (result i32) (i32.const 0))'],
  ['a handle without a result', '(func (export "handle"))'],
  ['a memory as handle', '(memory (export "handle") 1)'],
])('refuses %s', async (_, code) => {
  await expect(load(code)).rejects.toThrow(invalid('exports no handle'))
})

test('refuses a command, and a start with arguments', async () => {
  await expect(load(`(func (export "_start")) ${handle}`)).rejects.toThrow(invalid('build it as a reactor'))
  const start = '(func (export "_initialize") (param i32))'
  await expect(load(`${start} ${handle}`)).rejects.toThrow(invalid('_initialize with another type'))
})

test('names every mistake at once', async () => {
  const loading = load('(import "a" "b" (func)) (import "c" "d" (func)) (func (export "_start"))')
  await expect(loading).rejects.toThrow(/"a b".*"c d".*no handle.*_start/u)
})

test('a component is no plug-in', async () => {
  const component = new Uint8Array(await parse('(component)'))
  expect(() => loadExtism(component, limits)).toThrow(invalid('not a core module'))
})

test('sizes: the file, the memory it starts with, its tables', async () => {
  const tooLarge = expect.objectContaining({ code: 'too-large' })
  expect(() => loadExtism(new Uint8Array(COMPONENT_BYTES_MAX + 1), limits)).toThrow(tooLarge)
  await expect(load(`(memory 17) ${handle}`)).rejects.toThrow(tooLarge)
  await expect(load(`(table 11 funcref) ${handle}`)).rejects.toThrow(tooLarge)
  await expect(load('(table 1 funcref) '.repeat(9) + handle)).rejects.toThrow(tooLarge)
  expect(await load(`(memory 16) (table 10 funcref) ${handle}`)).toMatchObject({ memoryPagesMax: 16 })
})

test('linear memory and blocks share the limit of the manifest', () => {
  expect(sharesOf(4 * 65_536)).toEqual([2, 2 * 65_536])
  const large = EXTISM_BLOCK_BYTES_MAX * 8
  expect(sharesOf(large)).toEqual([(large - EXTISM_BLOCK_BYTES_MAX) / 65_536, EXTISM_BLOCK_BYTES_MAX])
})

const minimal = new Uint8Array(await parse(`(module ${handle})`))

function sharesOf(memoryBytesMax: number): [number, number] {
  const { memoryPagesMax, blockBytesMax } = loadExtism(minimal, { ...limits, memoryBytesMax })
  return [memoryPagesMax, blockBytesMax]
}

test('a plug-in that imports what its manifest does not need is refused', async () => {
  const needs = {
    credentials: 'prove',
    fields: true,
    namespaces: { connection: 'rw' },
    keys: [{ alias: 'connection', uses: ['sign'] }],
    outbox: ['owner'],
    session: true,
    approval: true,
    audit: true,
    clock: true,
    random: true,
  }
  const user = [...userFunctions.keys()]
  const bytes = await pluginBytes('(drop (call $alloc (i64.const 1))) (i32.const 0)', { user })
  expect(buildRegistry([entryOf(extismManifest('all', { needs }), bytes)]).handlers).toHaveLength(1)
  for (const name of Object.keys(needs)) {
    const fewer = Object.fromEntries(Object.entries(needs).filter(([need]) => need !== name))
    const owner = name === 'namespaces' ? 'store' : name
    expect(() => buildRegistry([entryOf(extismManifest('all', { needs: fewer }), bytes)])).toThrow(
      invalid(`imports functions of ${owner}, which its manifest does not need`),
    )
  }
})

test('a plug-in that logs needs the log', async () => {
  const bytes = await pluginBytes('(call $log_info (call $alloc (i64.const 1))) (i32.const 0)')
  expect(() => buildRegistry([entryOf(extismManifest('logs'), bytes)])).toThrow(invalid('functions of log'))
})

test('WASI: every file function takes what preview 1 says, and none of the machine is on the list', () => {
  expect([...wasiSignatures.keys()].filter((name) => /^sock_|^proc_raise|_rights$/u.test(name))).toEqual([])
  expect(wasiSignatures.get('path_open')).toBe('iiiiillii:i')
})
