import { expect, test } from 'vitest'

import type { Signer } from '#host/crypto/signer.ts'
import {
  CATEGORY_CHARS_MAX,
  CHANNEL_BYTES,
  KEY_BYTES_MAX,
  READ_KEYS_MAX,
  SIGN_BYTES_MAX,
  VALUE_BYTES_MAX,
} from '#host/limits.ts'

import { type Answer, encodeAnswer } from './calls.ts'
import { frameWriter } from './frame.ts'
import { granting, memoryNamespace } from './fixtures/stage.ts'
import { openDesk } from './imports.ts'
import type { Sources } from './port.ts'

const nothing: Sources = {
  fields: new Map(),
  namespaces: new Map(),
  keys: new Map(),
  credentials: new Map(),
  outbox: new Set(),
}
const unavailable = { kind: 'unavailable' }
const desk = (sources: Partial<Sources>, hostCallsMax = 100) => openDesk({ ...nothing, ...sources }, { hostCallsMax })
const scan = { op: 'scan', label: 'connection', prefix: '', after: undefined, limit: 1_000 } as const

test('a granted namespace is read', () => {
  const namespace = memoryNamespace()
  namespace.set('a', 'x', 3)
  const granted = desk(granting(namespace))
  const item = {
    key: 'a',
    value: new TextEncoder().encode('x'),
    revision: 3,
    visibility: 'transparent',
    category: undefined,
  }
  expect(granted.answer({ op: 'get', label: 'connection', key: 'a' })).toEqual({ kind: 'item', item })
  expect(granted.answer({ op: 'get', label: 'connection', key: 'b' })).toEqual({ kind: 'item', item: undefined })
  expect(granted.answer(scan)).toEqual({ kind: 'page', items: [item], next: undefined })
})

test('what was not granted and what does not exist look alike', () => {
  const granted = desk(granting(memoryNamespace()))
  for (const label of ['personal', 'system', 'connection/acme', 'nowhere', '', '__proto__']) {
    expect(granted.answer({ op: 'get', label, key: 'a' })).toEqual(unavailable)
    expect(granted.answer({ ...scan, label })).toEqual(unavailable)
    expect(granted.answer({ op: 'sign', alias: label, message: new Uint8Array(1) })).toEqual(unavailable)
  }
})

const proveOne = (): Promise<Uint8Array> => Promise.resolve(new Uint8Array([1]))

test('what was taken along counts as read when the event began, whatever was told of it since', () => {
  const namespace = memoryNamespace()
  namespace.set('a', 'x', 6)
  const granted = desk(granting(namespace))
  granted.answer(scan)
  granted.carried({ label: 'connection', key: 'a', item: undefined })
  granted.carried({ label: 'connection', key: 'b', item: undefined })
  expect(granted.expected()).toEqual([
    { namespace: 'connection/acme', key: 'a', revision: 0 },
    { namespace: 'connection/acme', key: 'b', revision: 0 },
  ])
  expect([granted.calls(), granted.over()]).toEqual([1, false])
})

test('a proof counts as a host call', async () => {
  const metadata = { alias: 'car', kind: 'k', issuer: 'i', label: 'l', claims: ['a'], expires: null }
  const granted = desk({ credentials: new Map([['car', { metadata, prove: proveOne }]]) }, 2)
  const call = { op: 'prove', alias: 'car', disclose: ['a'], nonce: new Uint8Array(16) } as const
  expect(await granted.prove(call)).toEqual({ kind: 'bytes', bytes: new Uint8Array([1]) })
  expect(await granted.prove({ ...call, alias: 'boat' })).toEqual(unavailable)
  expect(granted.over()).toBe(false)
  expect(await granted.prove(call)).toEqual({ kind: 'over' })
  expect([granted.over(), granted.calls()]).toEqual([true, 3])
})

test('a key that no namespace can hold is not looked up', () => {
  const granted = desk(granting(memoryNamespace()))
  const key = 'é'.repeat(KEY_BYTES_MAX / 2 + 1)
  expect(granted.answer({ op: 'get', label: 'connection', key })).toEqual(unavailable)
  expect(granted.expected()).toEqual([])
})

test('a granted key signs; the answer holds the signature and nothing else', () => {
  const signed: Uint8Array[] = []
  const key: Signer = {
    algorithm: 'ed25519',
    publicKey: new Uint8Array(32),
    sign: (message) => (signed.push(message), new Uint8Array(64).fill(9)),
  }
  const granted = desk({ keys: new Map([['connection', key]]) })
  const call = { op: 'sign', alias: 'connection', message: new Uint8Array([1]) } as const
  expect(granted.answer(call)).toEqual({ kind: 'bytes', bytes: new Uint8Array(64).fill(9) })
  expect(granted.answer({ ...call, message: new Uint8Array(SIGN_BYTES_MAX + 1) })).toEqual({ kind: 'message-size' })
  expect(signed).toEqual([call.message])
})

test.each(['ecdsa-secp256k1', 'bip340'] as const)(
  'an %s key signs 32 bytes, and is not asked for others',
  (algorithm) => {
    const key: Signer = { algorithm, publicKey: new Uint8Array(33), sign: (message) => message }
    const granted = desk({ keys: new Map([['coins', key]]) })
    const sign = (bytes: number): Answer =>
      granted.answer({ op: 'sign', alias: 'coins', message: new Uint8Array(bytes).fill(1) })
    expect(sign(32)).toEqual({ kind: 'bytes', bytes: new Uint8Array(32).fill(1) })
    for (const bytes of [0, 31, 33, 64]) expect(sign(bytes)).toEqual({ kind: 'message-size' })
  },
)

test('every revision told is an expectation, the first one told; absence is 0', () => {
  const namespace = memoryNamespace('connection/acme')
  namespace.set('a', 'x', 3)
  namespace.set('b', 'x', 1)
  const granted = desk(granting(namespace))
  granted.answer({ op: 'get', label: 'connection', key: 'a' })
  granted.answer({ op: 'get', label: 'connection', key: 'none' })
  namespace.set('a', 'y', 4)
  granted.answer(scan)
  expect(granted.expected()).toEqual([
    { namespace: 'connection/acme', key: 'a', revision: 3 },
    { namespace: 'connection/acme', key: 'none', revision: 0 },
    { namespace: 'connection/acme', key: 'b', revision: 1 },
  ])
})

test('calls past the limit are not answered', () => {
  const granted = desk(granting(memoryNamespace()), 2)
  const call = { op: 'get', label: 'connection', key: 'a' } as const
  expect([1, 2, 3].map(() => granted.answer(call).kind)).toEqual(['item', 'item', 'over'])
  expect(granted.over()).toBe(true)
})

test('keys past the limit are not told', () => {
  const namespace = memoryNamespace()
  for (let at = 0; at <= READ_KEYS_MAX; at++) namespace.set(`key-${at}`, '')
  const granted = desk(granting(namespace), 10_000)
  for (let at = 0; at < READ_KEYS_MAX; at++) granted.answer({ op: 'get', label: 'connection', key: `key-${at}` })
  expect(granted.over()).toBe(false)
  expect(granted.answer({ op: 'get', label: 'connection', key: 'key-0' }).kind).toBe('item')
  expect(granted.answer({ op: 'get', label: 'connection', key: `key-${READ_KEYS_MAX}` }).kind).toBe('over')
})

test('a page fits the channel, makes progress, and loses nothing', () => {
  const namespace = memoryNamespace()
  const big = new Uint8Array(VALUE_BYTES_MAX)
  const keys = ['a', 'b', 'c', 'd'.repeat(KEY_BYTES_MAX)]
  for (const key of keys) namespace.set(key, big)
  for (let at = 0; at < 300; at++) namespace.set(`z${String(at).padStart(3, '0')}`, 'x'.repeat(5_000))
  // A category takes its place, too.
  const category = 'c'.repeat(CATEGORY_CHARS_MAX)
  for (const [key, item] of namespace.items) namespace.items.set(key, { ...item, category })
  const granted = desk(granting(namespace))
  const writer = frameWriter(new SharedArrayBuffer(CHANNEL_BYTES), 0)
  const seen: string[] = []
  let after: string | undefined
  for (let pages = 0; pages < 100; pages++) {
    const page = granted.answer({ ...scan, after })
    if (page.kind !== 'page') throw new Error(page.kind)
    writer.reset()
    encodeAnswer(page, writer)
    seen.push(...page.items.map(({ key }) => key))
    if (page.next === undefined) break
    expect(page.items.length).toBeGreaterThan(0)
    after = page.next
  }
  expect(seen).toEqual([...namespace.items.keys()])
})
