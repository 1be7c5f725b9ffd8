import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { granting, jobFor, memoryNamespace, registryOf } from '../fixtures/stage.ts'
import { createPool, type Pool } from '../pool.ts'
import type { Effects, Sources } from '../port.ts'
import { HandlerFailure } from '../refusal.ts'
import { buildRegistry, type Registry } from '../registry.ts'
import { dataAt, entryOf, extismManifest, outputOf, pluginBytes } from './fixtures/wat.ts'

const done = (name: string) => `${dataAt(0, '{"reply":1}')} ${dataAt(64, name)}`
const ok = `${outputOf(0, '{"reply":1}')} (i32.const 0)`
const forever = (code: string): string => `(loop $again ${code} (br $again)) (unreachable)`
const store = { needs: { namespaces: { connection: 'rw' } } }

interface Hostile {
  readonly code: string
  readonly handle: string
  readonly extra?: string
  readonly user?: readonly string[]
  readonly manifest?: Parameters<typeof extismManifest>[1]
}

const hostile: Readonly<Record<string, Hostile>> = {
  loops: { code: 'handler-deadline', handle: forever(''), manifest: { limits: { deadline_ms: 100 } } },
  'allocs-huge': { code: 'handler-memory', handle: forever('(drop (call $alloc (i64.const 0x7fffffff)))') },
  'allocs-minus': { code: 'handler-memory', handle: '(drop (call $alloc (i64.const -1))) (i32.const 0)' },
  'allocs-many': { code: 'handler-memory', handle: forever('(drop (call $alloc (i64.const 65536)))') },
  'allocs-tiny': { code: 'handler-memory', handle: forever('(drop (call $alloc (i64.const 0)))') },
  'keeps-vars': {
    code: 'handler-memory',
    extra: dataAt(64, 'name'),
    handle: `(local.set $a (call $text (i32.const 64) (i32.const 4)))
      (local.set $b (call $alloc (i64.const 40000)))
      ${forever(`(call $store_u64 (local.get $a) (i64.add (call $load_u64 (local.get $a)) (i64.const 1)))
      (call $var_set (local.get $a) (local.get $b))`)}`,
  },
  grows: {
    code: 'handler-memory',
    handle: '(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (unreachable)',
  },
  recurses: {
    code: 'handler-stack',
    extra: '(func $deep (param i32) (result i32) (i32.add (call $deep (local.get 0)) (i32.const 1)))',
    handle: '(call $deep (i32.const 1))',
  },
  traps: { code: 'handler-trapped', handle: '(unreachable)' },
  floods: {
    code: 'handler-calls',
    user: ['trellis_clock_now'],
    handle: forever('(call $free (call $trellis_clock_now (i64.const 0)))'),
    manifest: { needs: { clock: true } },
  },
  'floods-store': {
    code: 'handler-calls',
    user: ['trellis_store_get'],
    extra: dataAt(64, '{"label":"connection","key":"k"}'),
    handle: `(local.set $a (call $text (i32.const 64) (i32.const 32)))
      ${forever('(call $free (call $trellis_store_get (local.get $a)))')}`,
    manifest: store,
  },
  'logs-forever': {
    code: 'handler-calls',
    handle: `(local.set $a (call $alloc (i64.const 8))) ${forever('(call $log_info (local.get $a))')}`,
    manifest: { needs: { log: true } },
  },
  'logs-huge': {
    code: 'handler-output',
    extra: done(''),
    handle: `(call $log_info (call $alloc (i64.const 2200000))) ${ok}`,
    manifest: { needs: { log: true } },
  },
  'errors-forever': {
    code: 'handler-deadline',
    handle: `(local.set $a (call $alloc (i64.const 1000000))) ${forever('(call $error_set (local.get $a))')}`,
    manifest: { limits: { deadline_ms: 100 } },
  },
  spills: {
    code: 'handler-output',
    handle: `(local.set $a (call $alloc (i64.const 700000)))
      (call $output_set (local.get $a) (i64.const 700000)) (i32.const 0)`,
  },
  'says-nothing': { code: 'handler-output', handle: '(i32.const 0)' },
  'says-no-json': {
    code: 'handler-output',
    extra: dataAt(0, '{reply}'),
    handle: `${outputOf(0, '{reply}')} (i32.const 0)`,
  },
  'says-both': {
    code: 'handler-output',
    extra: dataAt(0, '{"reply":1,"accepted":true}'),
    handle: `${outputOf(0, '{"reply":1,"accepted":true}')} (i32.const 0)`,
  },
  'reads-past': { code: 'handler-lied', handle: '(call $load_u8 (i64.const 0x7fffffffffffffff))' },
  'reads-null': { code: 'handler-lied', handle: '(call $load_u8 (i64.const 0))' },
  'reads-across': {
    code: 'handler-lied',
    handle: '(drop (call $load_u64 (i64.add (call $alloc (i64.const 1)) (i64.const 9)))) (i32.const 0)',
  },
  'writes-minus': { code: 'handler-lied', handle: '(call $store_u64 (i64.const -8) (i64.const 1)) (i32.const 0)' },
  'input-past': { code: 'handler-lied', handle: '(drop (call $input_load_u64 (call $input_length))) (i32.const 0)' },
  'input-minus': { code: 'handler-lied', handle: '(call $input_load_u8 (i64.const -1))' },
  'output-of-none': { code: 'handler-lied', handle: '(call $output_set (i64.const 99) (i64.const 1)) (i32.const 0)' },
  'output-longer': {
    code: 'handler-lied',
    handle: '(call $output_set (call $alloc (i64.const 8)) (i64.const 9)) (i32.const 0)',
  },
  'output-freed': {
    code: 'handler-lied',
    handle: `(local.set $a (call $alloc (i64.const 8))) (call $free (local.get $a))
      (call $output_set (local.get $a) (i64.const 8)) (i32.const 0)`,
  },
  'asks-garbage': {
    code: 'handler-lied',
    user: ['trellis_store_get'],
    handle: '(drop (call $trellis_store_get (call $alloc (i64.const 9)))) (i32.const 0)',
    manifest: store,
  },
  'asks-too-much': {
    code: 'handler-output',
    user: ['trellis_store_get'],
    handle: '(drop (call $trellis_store_get (call $alloc (i64.const 2200000)))) (i32.const 0)',
    manifest: store,
  },
  peeks: {
    code: 'not-granted',
    user: ['trellis_store_get'],
    extra: `${done('')} ${dataAt(64, '{"label":"personal","key":"k"}')}`,
    handle: `(drop (call $trellis_store_get (call $text (i32.const 64) (i32.const 30)))) ${ok}`,
    manifest: store,
  },
}

let registry: Registry
let pool: Pool
beforeAll(async () => {
  const notes = registryOf('notes').handlers
  const plugins = Object.entries(hostile).map(async ([name, { handle, extra = '', user = [], manifest = {} }]) =>
    entryOf(extismManifest(name, manifest), await pluginBytes(handle, { extra, user })),
  )
  registry = buildRegistry([...notes, ...(await Promise.all(plugins))])
  pool = await createPool({ registry, cells: 2, spares: 1 })
})
afterAll(() => pool[Symbol.asyncDispose]())

const run = (name: string, sources: Partial<Sources> = {}): Promise<Effects> =>
  pool.run(jobFor(registry, name, { sources }))
const code = (code: string): unknown => expect.objectContaining({ code })

describe('a hostile plug-in costs its own event only', () => {
  test.each(Object.entries(hostile).map(([name, { code }]) => [name, code] as const))(
    '%s ends as %s',
    async (name, expected) => {
      const namespace = memoryNamespace()
      namespace.set('note', '"kept"')
      const neighbours = Array.from({ length: 5 }, () => run('notes', granting(namespace)))
      const bad = run(name, granting(namespace))
      await expect(bad).rejects.toThrow(code(expected))
      await expect(bad).rejects.toBeInstanceOf(HandlerFailure)
      for (const { reply } of await Promise.all(neighbours)) expect(new TextDecoder().decode(reply)).toBe('"kept"')
    },
  )
})

test('the host stays as large as it was while plug-ins allocate', async () => {
  const bombs = ['allocs-huge', 'allocs-many', 'allocs-tiny', 'grows', 'keeps-vars']
  const round = () => Promise.allSettled(Array.from({ length: 20 }, (_, at) => run(bombs[at % bombs.length] ?? '')))
  await round()
  const before = process.memoryUsage.rss()
  for (let at = 0; at < 5; at += 1) await round()
  // Each bomb is allowed 32 MiB at most; without the limits any of them takes gigabytes.
  expect(process.memoryUsage.rss() - before).toBeLessThan(256 * 1_024 * 1_024)
})
