import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { compareBytes } from '#host/wire/bytes.ts'
import { refusalOf } from '#host/wire/refusal.fixture.ts'

import { createUlids, parseUlid, ulidText, ulidTime } from './ulid.ts'

const id = fc.uint8Array({ minLength: 16, maxLength: 16 })

test('text and bytes give each other back, and keep their order', () => {
  fc.assert(
    fc.property(id, id, (a, b) => {
      expect(parseUlid(ulidText(a))).toEqual(a)
      expect(Math.sign(compareBytes(a, b))).toBe(
        Math.sign(ulidText(a) < ulidText(b) ? -1 : ulidText(a) > ulidText(b) ? 1 : 0),
      )
    }),
  )
  // github.com/ulid/spec: the time of its example, and the largest one.
  expect(ulidTime(parseUlid('01ARZ3NDEKTSV4RRFFQ69G5FAV'))).toBe(1_469_922_850_259)
  expect(parseUlid('7ZZZZZZZZZZZZZZZZZZZZZZZZZ')).toEqual(new Uint8Array(16).fill(255))
})

test('there is one text for each', () => {
  const text = '01ARZ3NDEKTSV4RRFFQ69G5FAV'
  const bad = [
    text.toLowerCase(),
    text.replace('V', 'I'),
    `8${text.slice(1)}`,
    text.slice(1),
    `${text}0`,
    '',
    `${text}\n`,
  ]
  for (const other of [...bad, text.replace('4', 'O'), text.replace('4', 'U'), text.replace('4', 'L')]) {
    expect(
      refusalOf(() => parseUlid(other)),
      other,
    ).toBe('malformed')
  }
  fc.assert(
    fc.property(fc.string(), (other) => {
      expect(refusalOf(() => parseUlid(other))).toBe('malformed')
    }),
  )
})

test('ids ascend strictly, whatever the clock does', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 5 }), { minLength: 2 }), id, (times, seed) => {
      const next = createUlids()
      const random = (count: number) => seed.slice(0, count)
      const ids = times.map((time) => next({ now: 1_000 + time, random }))
      for (const [index, one] of ids.entries()) {
        expect(index === 0 || compareBytes(ids[index - 1] as Uint8Array, one) < 0).toBe(true)
      }
    }),
  )
})

const random = (count: number) => new Uint8Array(count).fill(255)

test.each([
  ['least', 0, 1],
  ['most', 255, 2 ** 24],
])('the next of a millisecond is higher by a random step, and by 1 at the %s', (_name, byte, step) => {
  const next = createUlids()
  const first = next({ now: 5, random: (count) => new Uint8Array(count) })
  const second = next({ now: 5, random: (count) => new Uint8Array(count).fill(byte) })
  const [from, to] = [first, second].map((one) => BigInt(`0x${one.toHex()}`))
  expect([ulidTime(second), Number((to ?? 0n) - (from ?? 0n))]).toEqual([5, step])
})

test('a full random part carries over into the time', () => {
  const next = createUlids()
  next({ now: 5, random })
  const carried = next({ now: 5, random })
  expect(ulidTime(carried)).toBe(6)
  expect(() => createUlids()({ now: -1, random })).toThrow('no time')
  expect(() => createUlids()({ now: 2 ** 48, random })).toThrow('no time')
})
