import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { MESSAGE_CHARS_MAX } from '#host/limits.ts'

import { type Cbor, encodeCbor } from './cbor.ts'
import { refusalOf } from './refusal.fixture.ts'
import { decodeReply, encodeReply, type Reply } from './reply.ts'

const reply: fc.Arbitrary<Reply> = fc.oneof(
  fc.record({ status: fc.constant('replied' as const), body: fc.uint8Array({ maxLength: 500 }) }),
  fc.record({ status: fc.constantFrom('accepted' as const, 'pending' as const) }),
  fc.record({
    status: fc.constant('refused' as const),
    code: fc.stringMatching(/^[a-z][a-z0-9-]{0,63}$/),
    message: fc.string({ unit: 'grapheme', maxLength: 100 }),
    retry: fc.boolean(),
  }),
)

describe('decodeReply', () => {
  test('is the inverse of encodeReply', () => {
    fc.assert(
      fc.property(reply, (given) => {
        expect(decodeReply(encodeReply(given))).toEqual(given)
      }),
    )
  })

  test.each<[string, Cbor]>([
    ['no map', [1]],
    ['null', null],
    ['an empty map', {}],
    ['an unknown status', { status: 'maybe' }],
    ['a number for status', { status: 1 }],
    ['accepted with more', { status: 'accepted', body: new Uint8Array(1) }],
    ['replied without a body', { status: 'replied' }],
    ['a body of text', { status: 'replied', body: 'x' }],
    ['refused without retry', { status: 'refused', code: 'a', message: 'b' }],
    ['refused with more', { status: 'refused', code: 'a', message: 'b', retry: false, more: 1 }],
    ['a code in capitals', { status: 'refused', code: 'A', message: 'b', retry: false }],
    ['a number for retry', { status: 'refused', code: 'a', message: 'b', retry: 0 }],
    ['a long message', { status: 'refused', code: 'a', message: 'b'.repeat(MESSAGE_CHARS_MAX + 1), retry: true }],
    ['integer keys', new Map([[0, 'accepted']])],
    [
      'an integer key beside',
      new Map<string | number, Cbor>([
        ['status', 'accepted'],
        [0, 1],
      ]),
    ],
    ['keys that read like two', { 'body status': 1 }],
  ])('refuses %s', (_, value) => {
    expect(refusalOf(() => decodeReply(encodeCbor(value)))).toBe('malformed')
  })

  test('reads nothing but what encodeReply writes', () => {
    fc.assert(
      fc.property(reply.map(encodeReply), fc.nat(), fc.nat(255), (bytes, at, byte) => {
        bytes[at % bytes.length] = byte
        try {
          expect(encodeReply(decodeReply(bytes))).toEqual(bytes)
        } catch (error) {
          expect(
            refusalOf(() => {
              throw error
            }),
          ).toMatch(/malformed|too-large/)
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

test('encodeReply refuses a code or message that could not be read', () => {
  const refused = { status: 'refused', code: 'a', message: 'b', retry: true } as const
  expect(refusalOf(() => encodeReply({ ...refused, code: 'not a code' }))).toBe('malformed')
  expect(refusalOf(() => encodeReply({ ...refused, message: 'x'.repeat(MESSAGE_CHARS_MAX + 1) }))).toBe('malformed')
})
