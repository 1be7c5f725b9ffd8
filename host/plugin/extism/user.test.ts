import { expect, test } from 'vitest'

import type { Signer } from '#host/crypto/signer.ts'
import { KEY_BYTES_MAX, OUTBOX_ITEMS_MAX, SIGN_BYTES_MAX, VALUE_BYTES_MAX } from '#host/limits.ts'

import { granting, memoryNamespace } from '../fixtures/stage.ts'
import { guestImports } from '../guest-imports.ts'
import { cellSeat } from '../visit.ts'
import { now } from '../fixtures/seat.ts'
import { openSeat } from './fixtures/seat.ts'
import { userFunctions } from './user.ts'

const bytes = (text: string): string => Buffer.from(text).toString('base64url')
const key: Signer = {
  algorithm: 'ed25519',
  publicKey: new Uint8Array(32).fill(1),
  sign: (message) => new Uint8Array([...message, 9]),
}
const lied = expect.objectContaining({ name: 'Trap', reason: 'lied' })

test('there is a function for every one of the world, except those that open a namespace', () => {
  const world = Object.keys(guestImports(cellSeat({ hostCallsMax: 0 } as never, () => ({ kind: 'over' }))))
  expect(new Set(userFunctions.values())).toEqual(
    new Set(world.map((name) => /\/(.*)@/u.exec(name)?.[1]).filter((name) => name !== 'log')),
  )
})

test('session and clock: in snake case, from the host', () => {
  const { user } = openSeat()
  expect(user.answer('trellis_clock_now', {})).toEqual({ ok: now })
  expect(user.answer('trellis_session', {})).toEqual({
    ok: {
      connection: 'acme',
      kind: 'service',
      connection_id: 'acme-1',
      contract_version: 2,
      event_id: 'e',
      event_type: 'a.b',
      deadline_ms: 5,
      approved: true,
    },
  })
})

test('approval: nobody was asked, a yes, or a choice', () => {
  expect(openSeat().user.answer('trellis_approval', {})).toEqual({ ok: 'none' })
  const { user, begin } = openSeat({}, { choice: null })
  expect(user.answer('trellis_approval', {})).toEqual({ ok: 'yes' })
  begin({ choice: 'only today' })
  expect(user.answer('trellis_approval', {})).toEqual({ ok: { chosen: 'only today' } })
})

test('fields: the admitted ones; absent and forbidden look alike', () => {
  const { user, seat } = openSeat({ fields: new Map([['email', 'ü@b.c']]) })
  expect(user.answer('trellis_fields_get', { name: 'email' })).toEqual({ ok: 'ü@b.c' })
  for (const name of ['name', '', 'toString', '__proto__']) {
    expect(user.answer('trellis_fields_get', { name })).toEqual({ err: 'unavailable' })
  }
  expect(seat.failure()).toBeUndefined()
})

test('keys: the granted one signs; another alias is refused and ends the event', () => {
  const { user, seat } = openSeat({ keys: new Map([['connection', key]]) })
  expect(user.answer('trellis_keys_list', {})).toEqual({ ok: ['connection'] })
  const alias = 'connection'
  expect(user.answer('trellis_keys_algorithm', { alias })).toEqual({ ok: 'ed25519' })
  expect(user.answer('trellis_keys_public', { alias })).toEqual({ ok: Buffer.alloc(32, 1).toString('base64url') })
  expect(user.answer('trellis_keys_sign', { alias, message: bytes('m') })).toEqual({ ok: bytes('m\t') })
  const long = Buffer.alloc(SIGN_BYTES_MAX + 1).toString('base64url')
  expect(user.answer('trellis_keys_sign', { alias, message: long })).toEqual({ err: 'message-size' })
  expect(seat.failure()).toBeUndefined()
  expect(user.answer('trellis_keys_sign', { alias: 'vault', message: '' })).toEqual({ err: 'unavailable' })
  expect(seat.failure()).toMatchObject({ reason: 'not-granted' })
})

test('credentials: the granted one is listed and proven; another is unavailable', () => {
  const metadata = { alias: 'car', kind: 'k', issuer: 'i', label: 'l', claims: ['over_21'], expires: null }
  const { user, seat } = openSeat({ credentials: new Map([['car', { metadata, prove: () => undefined }]]) })
  expect(user.answer('trellis_credentials_list', {})).toEqual({ ok: [metadata] })
  const nonce = bytes('0123456789abcdef')
  const prove = (alias: string, disclose: unknown): unknown =>
    user.answer('trellis_credentials_prove', { alias, disclose, nonce })
  expect(prove('car', ['over_21'])).toEqual({ ok: nonce })
  expect(prove('boat', ['over_21'])).toEqual({ err: 'unavailable' })
  expect(user.answer('trellis_credentials_prove', { alias: 'car', disclose: [], nonce: '' })).toEqual({ err: 'nonce' })
  for (const disclose of ['over_21', [1], ['\ud800'], null]) expect(() => prove('car', disclose)).toThrow('disclose')
  expect(seat.failure()).toBeUndefined()
})
const plain = { visibility: 'transparent', category: null }

test('store: reads through, keeps writes back, compares revisions', () => {
  const namespace = memoryNamespace()
  namespace.set('a', 'old', 7)
  const { user, seat } = openSeat(granting(namespace))
  const label = 'connection'
  const get = (key: string): unknown => user.answer('trellis_store_get', { label, key })
  expect(get('a')).toEqual({ ok: { key: 'a', value: bytes('old'), revision: 7, ...plain } })
  expect(get('b')).toEqual({ ok: null })
  const put = (expected?: number | null): unknown =>
    user.answer('trellis_store_put', { label, key: 'a', value: bytes('new'), expected })
  expect(put(6)).toEqual({ err: 'conflict' })
  expect(put(7)).toEqual({ ok: null })
  expect(put(null)).toEqual({ ok: null })
  const opaque = { visibility: 'opaque', category: 'notes' }
  const written = { label, key: 'a', value: bytes('new') }
  expect(user.answer('trellis_store_put', { ...written, attributes: opaque })).toEqual({ ok: null })
  expect(user.answer('trellis_store_put', { ...written, attributes: { ...opaque, category: 'No' } })).toEqual({
    err: 'wrong-category',
  })
  expect(user.answer('trellis_store_delete', { label, key: 'c' })).toEqual({ ok: null })
  const page = {
    ok: {
      items: [{ key: 'a', value: bytes('new'), revision: 8, visibility: 'opaque', category: 'notes' }],
      next: null,
    },
  }
  expect(user.answer('trellis_store_scan', { label, prefix: '', limit: 10 })).toEqual(page)
  expect(namespace.get('a')?.revision).toBe(7)
  const { writes } = seat.end()
  expect(writes.map((write) => write.key)).toEqual(['a', 'c'])
})

test('store: what is not granted, not writable or too large', () => {
  const { user } = openSeat(granting(memoryNamespace(), false))
  const label = 'connection'
  const put = { label, key: 'k', value: '' }
  expect(user.answer('trellis_store_put', put)).toEqual({ err: 'unavailable' })
  expect(user.answer('trellis_store_get', { label, key: 'k'.repeat(KEY_BYTES_MAX + 1) })).toEqual({
    err: { 'too-large': KEY_BYTES_MAX },
  })
  const writable = openSeat(granting(memoryNamespace()))
  const value = Buffer.alloc(VALUE_BYTES_MAX + 1).toString('base64url')
  expect(writable.user.answer('trellis_store_put', { ...put, value })).toEqual({
    err: { 'too-large': VALUE_BYTES_MAX },
  })
  expect(openSeat().user.answer('trellis_store_get', { label, key: 'k' })).toEqual({ err: 'unavailable' })
})

test('store: a namespace opened in one event is not there in the next', () => {
  const { user, seat, begin } = openSeat(granting(memoryNamespace()))
  const ask = (): unknown => user.answer('trellis_store_get', { label: 'connection', key: 'k' })
  expect(ask()).toEqual({ ok: null })
  seat.end()
  begin()
  expect(ask).toThrow('used a namespace of another event')
  seat.end()
  begin()
  user.reset()
  expect(ask()).toEqual({ ok: null })
})

test('outbox: granted targets, up to the limit', () => {
  const { user, seat } = openSeat({ outbox: new Set(['owner'] as const) })
  const event = { type: 'note.sent', body: bytes('{}') }
  expect(user.answer('trellis_outbox_emit', event)).toEqual({ err: 'unavailable' })
  for (let at = 0; at < OUTBOX_ITEMS_MAX; at += 1) {
    expect(user.answer('trellis_outbox_notify_owner', event)).toEqual({ ok: null })
  }
  expect(user.answer('trellis_outbox_notify_owner', event)).toEqual({ err: 'limit' })
  expect(seat.end().outgoing).toHaveLength(OUTBOX_ITEMS_MAX)
})

test('random: as many bytes as asked for, never the same', () => {
  const { user } = openSeat()
  const draw = (): unknown => user.answer('trellis_random_bytes', { length: 16 })
  expect(draw()).toEqual({ ok: expect.stringMatching(/^[\w-]{22}$/u) })
  expect(draw()).not.toEqual(draw())
})

test.each([
  ['no object', [1]],
  ['null', null],
  ['a member too few', { label: 'connection' }],
  ['a member too many', { label: 'connection', key: 'k', extra: 1 }],
  ['an inherited member', { label: 'connection', key: 'k', toString: 1 }],
  ['a number as text', { label: 'connection', key: 1 }],
  ['a lone surrogate', { label: 'connection', key: '\ud800' }],
])('a request with %s ends the event', (_, request) => {
  const { user } = openSeat(granting(memoryNamespace()))
  expect(() => user.answer('trellis_store_get', request)).toThrow(lied)
})

test.each([
  ['padding', { value: 'AA==' }],
  ['another alphabet', { value: '+/+/' }],
  ['bits left over', { value: 'AB' }],
  ['a space', { value: 'AA ' }],
  ['attributes of no kind', { value: '', attributes: { visibility: 'hidden' } }],
  ['attributes of too many kinds', { value: '', attributes: { visibility: 'opaque', other: 1 } }],
  ['a sensitivity of no kind', { value: '', attributes: { visibility: 'opaque', sensitivity: 'top' } }],
  ['a category that is no text', { value: '', attributes: { visibility: 'opaque', category: 1 } }],
  ['a negative revision', { value: '', expected: -1 }],
  ['a broken revision', { value: '', expected: 0.5 }],
])('a value with %s ends the event', (_, change) => {
  const { user } = openSeat(granting(memoryNamespace()))
  const request = { label: 'connection', key: 'k', ...change }
  expect(() => user.answer('trellis_store_put', request)).toThrow(lied)
})
