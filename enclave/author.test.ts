import { expect, test } from 'vitest'

import { generateEd25519 } from '#host/crypto/ed25519.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { authorOf, signHandler } from './author.ts'
import { rejectionOf } from './rejection.fixture.ts'

const key = generateEd25519(new Uint8Array(32).fill(1))
const handler = { id: 'payment', manifest: Uint8Array.of(1, 2), component: Uint8Array.of(3) }
const file = signHandler(handler, key)

test('says who signed a handler', () => {
  expect(authorOf(handler, file)).toEqual(key.publicKey)
})

test.each([
  ['another id', { ...handler, id: 'signing' }, file],
  ['another manifest', { ...handler, manifest: Uint8Array.of(1) }, file],
  ['another component', { ...handler, component: Uint8Array.of(2, 3) }, file],
  ['a byte changed', handler, file.with(file.length - 1, (file.at(-1) ?? 0) ^ 1)],
  ['no list', handler, encodeCbor({})],
  ['a key too short', handler, encodeCbor([new Uint8Array(31), new Uint8Array(64)])],
  ['more than two parts', handler, encodeCbor([new Uint8Array(32), new Uint8Array(64), 1])],
  ['bytes that are no cbor', handler, Uint8Array.of(255)],
  ['no bytes', handler, new Uint8Array()],
])('is no signature with %s', (_, claimed, bytes) => {
  expect(rejectionOf(() => authorOf(claimed, bytes))).toBe('author-mismatch')
})

test('a file of another size is not read', () => {
  expect(() => authorOf(handler, new Uint8Array(257))).toThrow('has 257 bytes')
})
