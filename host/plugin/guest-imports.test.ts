import { readdirSync, readFileSync } from 'node:fs'

import { expect, test } from 'vitest'

import type { Signer } from '#host/crypto/signer.ts'
import {
  CREDENTIAL_CLAIMS_MAX,
  EFFECT_BYTES_MAX,
  KEY_BYTES_MAX,
  NONCE_BYTES_MAX,
  NONCE_BYTES_MIN,
  OUTBOX_ITEMS_MAX,
  RANDOM_BYTES_MAX,
  SIGN_BYTES_MAX,
  VALUE_BYTES_MAX,
} from '#host/limits.ts'

import { HostError } from './component/trap.ts'
import { seatWith } from './fixtures/seat.ts'
import { granting, memoryNamespace } from './fixtures/stage.ts'
import type { Sources } from './port.ts'

const limits = { hostCallsMax: 50, outputBytesMax: 1_000, logBytesMax: 200 }
const key: Signer = {
  algorithm: 'ed25519',
  publicKey: new Uint8Array(32).fill(1),
  sign: (message) => new Uint8Array([...message, 9]),
}

/** The world as one event sees it, with the host's desk on the other side of a plain call. */
function world(granted: Partial<Sources> = {}, asksMax = 100) {
  const { seat, job, imports, desk } = seatWith(limits, { granted, asksMax })
  const call = (name: string, func: string, ...args: unknown[]): unknown =>
    Reflect.apply(imports[`trellis:handler/${name}@0.1.0`]?.[func] ?? missing, undefined, args)
  return { seat, job, desk: desk(), imports, call, open: () => call('store', 'open', 'connection') }
}

function missing(): never {
  throw new Error('the world has no such function')
}

const err = (payload: unknown): unknown => expect.objectContaining({ name: 'HostError', payload })

test('offers every function of wit/, and no other', () => {
  const folder = new URL('../../wit/', import.meta.url)
  const declared = readdirSync(folder)
    .filter((file) => file !== 'world.wit' && file !== 'types.wit')
    .flatMap((file) => {
      const text = readFileSync(new URL(file, folder), 'utf8')
      const [, name] = /interface ([a-z]+)/u.exec(text) ?? []
      const resource = /resource (\w+) \{([^}]*)\}/u.exec(text)
      const methods = functionsOf(resource?.[2] ?? '').map((method) => `[method]${resource?.[1] ?? ''}.${method}`)
      const plain = functionsOf(text.replace(resource?.[0] ?? '', ''))
      return [...plain, ...methods].map((func) => `trellis:handler/${name ?? ''}@0.1.0 ${func}`)
    })
  const offered = Object.entries(world().imports).flatMap(([name, functions]) =>
    Object.keys(functions).map((func) => `${name} ${func}`),
  )
  expect(offered.sort()).toEqual(declared.sort())
  expect(declared.length).toBeGreaterThan(14)
})

test('session and clock come from the host and stand still', () => {
  const { call, job } = world()
  expect(call('session', 'current')).toEqual(job.session)
  expect(call('clock', 'now')).toBe(1_800_000_000_000n)
})

test('random: bytes up to the limit, then the event ends', () => {
  const { call, seat } = world()
  expect(call('random', 'bytes', RANDOM_BYTES_MAX)).toHaveLength(RANDOM_BYTES_MAX)
  expect(call('random', 'bytes', 16)).not.toEqual(call('random', 'bytes', 16))
  expect(() => call('random', 'bytes', RANDOM_BYTES_MAX + 1)).toThrow()
  expect(seat.failure()).toMatchObject({ reason: 'trap' })
})

test('fields: the admitted ones, and no others', () => {
  const { call, seat } = world({ fields: new Map([['email', 'a@b.c']]) })
  expect(call('fields', 'get', 'email')).toBe('a@b.c')
  for (const name of ['name', '', 'toString']) expect(() => call('fields', 'get', name)).toThrow(err('unavailable'))
  expect(seat.failure()).toBeUndefined()
})

test('keys: the granted ones sign; another alias is refused and ends the event', () => {
  const { call, seat, desk } = world({ keys: new Map([['connection', key]]) })
  expect(call('keys', 'list')).toEqual(['connection'])
  expect(call('keys', 'algorithm-of', 'connection')).toBe('ed25519')
  expect(call('keys', 'public-key', 'connection')).toEqual(key.publicKey)
  expect(call('keys', 'sign', 'connection', new Uint8Array([5]))).toEqual(new Uint8Array([5, 9]))
  const asked = desk.calls()
  const long = new Uint8Array(SIGN_BYTES_MAX + 1)
  expect(() => call('keys', 'sign', 'connection', long)).toThrow(err('message-size'))
  expect(desk.calls()).toBe(asked)
  expect(seat.failure()).toBeUndefined()
  expect(() => call('keys', 'sign', 'vault', new Uint8Array([5]))).toThrow(err('unavailable'))
  expect(seat.failure()).toMatchObject({ reason: 'not-granted' })
})

test('a key the manifest needs but the contract withholds is unavailable, and no offence', () => {
  const { call, seat } = world()
  expect(call('keys', 'list')).toEqual([])
  expect(() => call('keys', 'public-key', 'connection')).toThrow(err('unavailable'))
  expect(seat.failure()).toBeUndefined()
})

test('store: a granted namespace opens; any other label is refused alike and ends the event', () => {
  const { call, seat, open } = world(granting(memoryNamespace()))
  expect(open()).toBeDefined()
  expect(seat.failure()).toBeUndefined()
  for (const label of ['personal', 'connection/other', 'nowhere']) {
    expect(() => call('store', 'open', label)).toThrow(err({ tag: 'unavailable' }))
  }
  expect(seat.failure()).toEqual({
    reason: 'not-granted',
    message: 'namespace "personal" is not among its manifest\'s needs',
  })
})

test('store: writes are kept back and read back', () => {
  const namespace = memoryNamespace()
  namespace.set('a', 'old', 3)
  const { call, seat, open } = world(granting(namespace))
  const space = open()
  const value = new TextEncoder().encode('new')
  expect(call('store', '[method]namespace.get', space, 'a')).toMatchObject({ revision: 3n })
  call('store', '[method]namespace.put', space, 'a', value, 3n)
  expect(() => call('store', '[method]namespace.put', space, 'a', value, 3n)).toThrow(err({ tag: 'conflict' }))
  const item = { key: 'a', value, revision: 4n, visibility: 'transparent', category: undefined }
  expect(call('store', '[method]namespace.get', space, 'a')).toEqual(item)
  call('store', '[method]namespace.delete', space, 'b')
  expect(call('store', '[method]namespace.scan', space, '', undefined, 10)).toEqual({
    items: [item],
    next: undefined,
  })
  expect(namespace.get('a')?.revision).toBe(3)
  expect(seat.end().writes).toEqual([
    { label: 'connection', key: 'a', value },
    { label: 'connection', key: 'b', value: null },
  ])
})

test('store: what the contract lets a namespace hold', () => {
  const { call, open, seat } = world(granting(memoryNamespace(), true, { categories: ['notes'], bytesMax: 10 }))
  const space = open()
  const put = (size: number, category: string) =>
    call('store', '[method]namespace.put', space, 'a', new Uint8Array(size), undefined, {
      visibility: 'opaque',
      category,
    })
  expect(() => put(1, 'cards')).toThrow(err({ tag: 'wrong-category' }))
  expect(() => put(10, 'notes')).toThrow(err({ tag: 'full', val: 10 }))
  put(9, 'notes')
  expect(call('store', '[method]namespace.get', space, 'a')).toMatchObject({ visibility: 'opaque', category: 'notes' })
  const attributes = { visibility: 'opaque', category: 'notes' }
  expect(seat.end().writes).toEqual([{ label: 'connection', key: 'a', value: new Uint8Array(9), attributes }])
})

test('store: reading does not give the right to write', () => {
  const { call, open } = world(granting(memoryNamespace(), false))
  const space = open()
  expect(call('store', '[method]namespace.get', space, 'a')).toBeUndefined()
  for (const func of ['put', 'delete']) {
    expect(() => call('store', `[method]namespace.${func}`, space, 'a', new Uint8Array())).toThrow(
      err({ tag: 'unavailable' }),
    )
  }
})

const metadata = { alias: 'car', kind: 'k', issuer: 'i', label: 'l', claims: ['over_21'], expires: 5 }
const credentials: Sources['credentials'] = new Map([['car', { metadata, prove: () => undefined }]])

test('credentials: the granted ones are listed and proven', () => {
  const { call } = world({ credentials })
  expect(call('credentials', 'list')).toEqual([{ ...metadata, expires: 5n }])
  const nonce = new Uint8Array(NONCE_BYTES_MIN)
  expect(call('credentials', 'prove', 'car', ['over_21'], nonce)).toEqual(nonce)
})

test('credentials: one that is not granted, a claim that is not, and a nonce out of bounds', () => {
  const { call, seat } = world({ credentials })
  const prove = (alias: string, claims: string[], length: number) => () =>
    call('credentials', 'prove', alias, claims, new Uint8Array(length))
  for (const length of [NONCE_BYTES_MIN - 1, NONCE_BYTES_MAX + 1]) {
    expect(prove('car', ['over_21'], length)).toThrow(err('nonce'))
    expect(prove('boat', ['over_21'], length)).toThrow(err('nonce'))
  }
  expect(prove('boat', ['over_21'], NONCE_BYTES_MAX)).toThrow(err('unavailable'))
  expect(prove('car', ['hidden'], NONCE_BYTES_MAX)).toThrow(err('unavailable'))
  expect(prove('car', Array(CREDENTIAL_CLAIMS_MAX + 1).fill('over_21'), NONCE_BYTES_MAX)).toThrow(err('unavailable'))
  expect(seat.failure()).toBeUndefined()
  expect(world().call('credentials', 'list')).toEqual([])
})

test('store: keys and values over the limit are told so', () => {
  const { call, open } = world(granting(memoryNamespace()))
  const space = open()
  const long = 'é'.repeat(KEY_BYTES_MAX / 2 + 1)
  for (const [func, ...args] of [
    ['get', long],
    ['put', long, new Uint8Array()],
    ['delete', long],
    ['scan', long, undefined, 1],
    ['scan', '', long, 1],
  ] as const) {
    expect(() => call('store', `[method]namespace.${func}`, space, ...args)).toThrow(
      err({ tag: 'too-large', val: KEY_BYTES_MAX }),
    )
  }
  expect(() => call('store', '[method]namespace.put', space, 'a', new Uint8Array(VALUE_BYTES_MAX + 1))).toThrow(
    err({ tag: 'too-large', val: VALUE_BYTES_MAX }),
  )
})

test('store: a namespace dies with its event', () => {
  const { call, seat, open, job } = world(granting(memoryNamespace()))
  const space = open()
  seat.end()
  expect(() => call('store', '[method]namespace.get', space, 'a')).toThrow('no event is being handled')
  seat.begin(job)
  expect(() => call('store', '[method]namespace.get', space, 'a')).toThrow()
  expect(seat.failure()).toMatchObject({ reason: 'lied' })
})

test('effects are bounded together', () => {
  const { call, seat, open } = world(granting(memoryNamespace()))
  const space = open()
  const value = new Uint8Array(VALUE_BYTES_MAX)
  const put = (key: string): unknown => call('store', '[method]namespace.put', space, key, value)
  for (let at = 0; at < EFFECT_BYTES_MAX / VALUE_BYTES_MAX - 1; at++) put(`${at}`)
  expect(seat.failure()).toBeUndefined()
  expect(() => put('last')).toThrow()
  expect(seat.failure()).toMatchObject({ reason: 'output' })
})

const reaches = (to: string, type: string): boolean => to === 'bob' && type === 'a.b'

test('outbox: another connection by its alias, when it takes the event', () => {
  const body = new Uint8Array(2)
  const { call, seat } = world({ outbox: new Set(['connections']), reaches })
  for (const [to, type] of [
    ['eve', 'a.b'],
    ['bob', 'a.c'],
    ['bob', 'A b'],
    ['b'.repeat(100_000), 'a.b'],
  ]) {
    expect(() => call('outbox', 'send', to, type, body)).toThrow(err('unavailable'))
  }
  expect(() => call('outbox', 'send', 'bob', 'a.b', new Uint8Array(1_001))).toThrow(err('limit'))
  call('outbox', 'send', 'bob', 'a.b', body)
  expect(seat.end().outgoing).toEqual([{ to: 'connections', alias: 'bob', type: 'a.b', body }])
  const without = world({ outbox: new Set(['connection']), reaches })
  expect(() => without.call('outbox', 'send', 'bob', 'a.b', body)).toThrow(err('unavailable'))
})

test('outbox: the granted targets, so many and so large', () => {
  const { call, seat } = world({ outbox: new Set(['owner']) })
  const body = new Uint8Array(1_000)
  expect(() => call('outbox', 'emit', 'a.b', body)).toThrow(err('unavailable'))
  expect(() => call('outbox', 'notify-owner', 'a.b', new Uint8Array(1_001))).toThrow(err('limit'))
  expect(() => call('outbox', 'notify-owner', 'A b', body)).toThrow(err('limit'))
  for (let at = 0; at < OUTBOX_ITEMS_MAX; at++) call('outbox', 'notify-owner', 'a.b', body)
  expect(() => call('outbox', 'notify-owner', 'a.b', body)).toThrow(err('limit'))
  expect(seat.end().outgoing).toHaveLength(OUTBOX_ITEMS_MAX)
})

test('log: lines until the log is full, empty ones too', () => {
  const { call, seat } = world()
  for (let at = 0; at < 40; at++) call('log', 'write', 'info', '')
  expect(seat.end()).toMatchObject({ logCut: true, log: { length: 12 } })
})

test('host calls are counted, and the one too many stays on record though the guest swallow it', () => {
  const { call, seat } = world()
  for (let at = 0; at < 50; at++) call('clock', 'now')
  expect(seat.failure()).toBeUndefined()
  expect(() => call('clock', 'now')).toThrow()
  expect(seat.failure()).toMatchObject({ reason: 'calls' })
  expect(seat.end().hostCalls).toBe(51)
})

test('when the host answers no more, the event ends', () => {
  const { call, seat, open } = world(granting(memoryNamespace()), 1)
  const space = open()
  call('store', '[method]namespace.get', space, 'a')
  expect(() => call('store', '[method]namespace.get', space, 'b')).toThrow('read or proved more than one event may')
  expect(seat.failure()).toMatchObject({ reason: 'calls' })
})

test('a HostError is what the component loader knows', () => {
  expect(new HostError('unavailable')).toMatchObject({ name: 'HostError', payload: 'unavailable' })
})

/** Names of the functions a piece of WIT declares. */
function functionsOf(wit: string): string[] {
  return [...wit.matchAll(/^ +%?([a-z-]+): func\(/gmu)].map(([, func]) => func ?? '')
}
