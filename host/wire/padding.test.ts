import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { MESSAGE_BYTES_MAX, PADDED_BYTES_MIN } from '#host/limits.ts'

import { pad, paddedLength, unpad } from './padding.ts'
import { refusalOf } from './refusal.fixture.ts'

test('unpad is the inverse of pad, whatever the bytes end with', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3_000 }), fc.constantFrom([], [0], [0x80], [0x80, 0, 0]), (start, end) => {
      const bytes = Uint8Array.from([...start, ...end])
      expect(unpad(pad(bytes))).toEqual(bytes)
    }),
  )
})

test('size classes: at least 64, at most 12 % more, few', () => {
  expect([0, 1, 63, 64, 65, 199, 1_000, 1_024, 100_000].map(paddedLength)).toEqual([
    64, 64, 64, 72, 72, 208, 1_024, 1_088, 100_352,
  ])
  const classes = new Set<number>()
  for (let length = 0; length < MESSAGE_BYTES_MAX; length = Math.ceil(length * 1.001) + 1) {
    const padded = paddedLength(length)
    classes.add(padded)
    expect(padded).toBeGreaterThan(length)
    expect(padded).toBeLessThanOrEqual(Math.max(PADDED_BYTES_MIN, (length + 1) * 1.12))
  }
  expect(classes.size).toBeLessThan(300)
})

test('refuses what pad does not make', () => {
  const good = pad(new Uint8Array(100).fill(7))
  for (const bad of [
    new Uint8Array(0),
    new Uint8Array(64),
    Uint8Array.of(0x80),
    good.subarray(0, good.length - 1),
    Uint8Array.from([...good, 0]),
    Uint8Array.from([...good, ...new Uint8Array(64)]),
    new Uint8Array(64).fill(7),
  ]) {
    expect(refusalOf(() => unpad(bad))).toBe('malformed')
  }
})
