/** Limits of what a device and an enclave say to each other: the most is read, one more is not looked at. */
import { expect, test } from 'vitest'

import {
  CHALLENGE_BYTES_MAX,
  DESCRIPTOR_BYTES_MAX,
  ORDER_BYTES_MAX,
  PRESENTATION_MESSAGE_BYTES_MAX,
  PRESENTED_EVIDENCE_BYTES_MAX,
} from './limits.ts'
import {
  CHALLENGE_NONCE_BYTES,
  decodeChallenge,
  decodeDescriptor,
  decodePresentation,
  decodeSealedOrder,
  encodePresentation,
  encodeSealed,
} from './provisioning.ts'

const bytes = (length: number): Uint8Array => new Uint8Array(length)
const refused = (why: string) =>
  expect.objectContaining({ code: 'provision-invalid', message: expect.stringContaining(why) })

test.each([
  ['challenge', CHALLENGE_BYTES_MAX, decodeChallenge],
  ['descriptor', DESCRIPTOR_BYTES_MAX, decodeDescriptor],
  ['presentation', PRESENTATION_MESSAGE_BYTES_MAX, decodePresentation],
])('a %s has at most %i bytes', (what, most, decode: (bytes: Uint8Array) => unknown) => {
  expect(() => decode(bytes(most + 1))).toThrow(refused(`${what}: cbor: ${most + 1} bytes, at most ${most}`))
  expect(() => decode(bytes(most))).toThrow(refused(`${what}: cbor: bytes after`))
})

test.each([
  ['descriptor', { descriptor: bytes(DESCRIPTOR_BYTES_MAX) }, { descriptor: bytes(DESCRIPTOR_BYTES_MAX + 1) }],
  [
    'evidence',
    { evidence: bytes(PRESENTED_EVIDENCE_BYTES_MAX) },
    { evidence: bytes(PRESENTED_EVIDENCE_BYTES_MAX + 1) },
  ],
])('the %s of a presentation has a limit', (what, most, more) => {
  const least = { nonce: bytes(CHALLENGE_NONCE_BYTES), descriptor: bytes(1), evidence: bytes(1) }
  const whole = { ...least, ...most }
  expect(decodePresentation(encodePresentation(whole))).toEqual(whole)
  expect(() => decodePresentation(encodePresentation({ ...least, ...more }))).toThrow(refused(`presentation: ${what}`))
})

const order = (length: number) => encodeSealed({ evidence: bytes(48), sealed: bytes(length) })

test('an order is sealed in so many bytes', () => {
  expect(decodeSealedOrder(order(ORDER_BYTES_MAX)).sealed).toHaveLength(ORDER_BYTES_MAX)
  expect(() => decodeSealedOrder(order(ORDER_BYTES_MAX + 1))).toThrow(refused('order: sealed'))
  expect(() => decodeSealedOrder(order(2 * ORDER_BYTES_MAX))).toThrow(refused('order: cbor'))
})
