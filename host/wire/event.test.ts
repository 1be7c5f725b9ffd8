import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { EVENT_LIFE_MS_MAX } from '#host/limits.ts'

import { type Cbor, encodeCbor } from './cbor.ts'
import { decodeEvent, encodeEvent, type VineEvent } from './event.ts'
import { eventIdOf, parseEventType } from './id.ts'
import { refusalOf } from './refusal.fixture.ts'

const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(eventIdOf)
const event: fc.Arbitrary<VineEvent> = fc
  .record({
    id,
    type: fc.constantFrom('data.request', 'auth.challenge', 'a.b').map(parseEventType),
    ts: fc.integer({ min: 0, max: 2 ** 50 }),
    life: fc.integer({ min: 1, max: EVENT_LIFE_MS_MAX }),
    contractVersion: fc.nat(),
    causation: fc.option(id),
    body: fc.uint8Array({ maxLength: 2_000 }),
  })
  .map(({ life, id, type, ts, contractVersion, causation, body }) => {
    return { id, type, ts, exp: ts + life, contractVersion, causation, body }
  })

const wire: Readonly<Record<string, Cbor>> = {
  id: new Uint8Array(16),
  ts: 1_000,
  exp: 2_000,
  body: new Uint8Array(3),
  cver: 1,
  type: 'data.request',
  causation: null,
}

describe('decodeEvent', () => {
  test('is the inverse of encodeEvent', () => {
    fc.assert(
      fc.property(event, (given) => {
        expect(decodeEvent(encodeEvent(given))).toEqual(given)
      }),
    )
    expect(decodeEvent(encodeCbor(wire)).contractVersion).toBe(1)
  })

  test.each<[string, Readonly<Record<string, Cbor>>]>([
    ['a short id', { id: new Uint8Array(15) }],
    ['an id of text', { id: '00'.repeat(16) }],
    ['a type with a wildcard', { type: 'data.*' }],
    ['a type of bytes', { type: new Uint8Array(3) }],
    ['a negative time', { ts: -1 }],
    ['a time of text', { ts: '1000' }],
    ['a time past 2^53', { exp: 2n ** 60n }],
    ['no life', { exp: 1_000 }],
    ['a past end', { exp: 999 }],
    ['too long a life', { exp: 1_001 + EVENT_LIFE_MS_MAX }],
    ['a negative version', { cver: -1 }],
    ['no version', { cver: null }],
    ['a body of text', { body: '{}' }],
    ['a short causation', { causation: new Uint8Array(1) }],
    ['a false causation', { causation: false }],
    ['another key', { more: 1 }],
  ])('refuses %s', (_, change) => {
    expect(refusalOf(() => decodeEvent(encodeCbor({ ...wire, ...change })))).toBe('malformed')
  })

  test('refuses a missing key, another key in its place, and what is no map', () => {
    for (const name of Object.keys(wire)) {
      const { [name]: value, ...rest } = wire
      expect(refusalOf(() => decodeEvent(encodeCbor(rest)))).toBe('malformed')
      expect(refusalOf(() => decodeEvent(encodeCbor({ ...rest, other: value ?? null })))).toBe('malformed')
    }
    const numbered = new Map(Object.entries(wire).map(([, value], index) => [index, value]))
    for (const value of [null, 7, 'x', new Uint8Array(2), [1], numbered]) {
      expect(refusalOf(() => decodeEvent(encodeCbor(value)))).toBe('malformed')
    }
    expect(refusalOf(() => decodeEvent(encodeCbor({ ...wire, body: [[1]] })))).toBe('too-large')
  })

  test('reads nothing but what encodeEvent writes', () => {
    const edit = fc.tuple(event.map(encodeEvent), fc.nat(), fc.nat(255))
    fc.assert(
      fc.property(edit, ([bytes, at, byte]) => {
        bytes[at % bytes.length] = byte
        try {
          expect(encodeEvent(decodeEvent(bytes))).toEqual(bytes)
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

test('encodeEvent refuses what decodeEvent would', () => {
  const good = decodeEvent(encodeCbor(wire))
  const bad: Partial<VineEvent>[] = [
    { exp: good.ts },
    { exp: good.ts + EVENT_LIFE_MS_MAX + 1 },
    { ts: 0.5 },
    { contractVersion: -1 },
  ]
  for (const change of bad) expect(refusalOf(() => encodeEvent({ ...good, ...change }))).toBe('malformed')
})
