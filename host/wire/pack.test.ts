import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { pack, unpack } from './pack.ts'

const plain = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.double({ noNaN: true }).filter((value) => !Object.is(value, -0)),
    fc.maxSafeInteger(),
    fc.bigInt({ min: -(2n ** 90n), max: 2n ** 90n }),
    fc.string({ unit: 'grapheme' }),
    fc.uint8Array(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value')),
    fc.dictionary(fc.string({ unit: 'grapheme' }), tie('value'), { noNullPrototype: true }),
  ),
})).value

test('unpack is the inverse of pack', () => {
  fc.assert(
    fc.property(plain, (value) => {
      fc.pre(
        !JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner)).includes(
          '__proto__',
        ),
      )
      expect(unpack(pack(value))).toEqual(value)
    }),
    { numRuns: 500 },
  )
})

test('a bigint stays a bigint and bytes stay bytes of their own, never Buffers', () => {
  const bytes = Uint8Array.of(1, 2, 3)
  const packed = pack({ small: 5n, large: 2n ** 63n, bytes })
  expect(packed.constructor).toBe(Uint8Array)
  const value = unpack(Buffer.from(packed)) as { small: bigint; large: bigint; bytes: Uint8Array }
  expect(value).toEqual({ small: 5n, large: 2n ** 63n, bytes })
  expect(value.bytes.constructor).toBe(Uint8Array)
  packed.fill(0)
  expect(value.bytes).toEqual(bytes)
})

test('a result stays as it was when more is packed', () => {
  const first = pack({ name: 'first', bytes: new Uint8Array(100).fill(1) })
  const copy = Uint8Array.from(first)
  for (let index = 0; index < 200; index++) pack({ name: 'next', bytes: new Uint8Array(500).fill(2) })
  expect(first).toEqual(copy)
})

test('no records, no references: equal objects pack alike each time, shared ones are written out', () => {
  const shared = { a: 1 }
  expect(pack([shared, shared])).toEqual(pack([{ a: 1 }, { a: 1 }]))
  expect(pack([shared, shared])).toHaveLength(1 + 2 * pack(shared).length)
})
