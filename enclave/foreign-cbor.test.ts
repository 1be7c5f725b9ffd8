import * as cborg from 'cborg'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { decodeForeign } from './foreign-cbor.ts'
import { rejectionOf } from './rejection.fixture.ts'

const read = (hex: string) => decodeForeign(Uint8Array.fromHex(hex))

test.each<[string, unknown]>([
  ['17', 23],
  ['1818', 24],
  ['390100', -257],
  ['1b001fffffffffffff', Number.MAX_SAFE_INTEGER],
  ['f4', false],
  ['f5', true],
  ['f6', null],
  ['43010203', Uint8Array.of(1, 2, 3)],
  ['63e282ac', '€'],
  ['820102', [1, 2]],
  ['9f0102ff', [1, 2]],
  ['9fff', []],
  ['a16161a10102', new Map([['a', new Map([[1, 2]])]])],
  [
    'bf026162016163ff',
    new Map([
      [2, 'b'],
      [1, 'c'],
    ]),
  ],
])('reads %s', (hex, value) => expect(read(hex)).toEqual(value))

test.each([
  ['', 'nothing'],
  ['0000', 'two values'],
  ['1817', 'an integer longer than needed'],
  ['190017', 'an integer longer than needed'],
  ['1a0000ffff', 'an integer longer than needed'],
  ['1b00000000ffffffff', 'an integer longer than needed'],
  ['1b0020000000000000', 'an integer over 53 bits'],
  ['1c', 'a reserved length'],
  ['1f', 'an indefinite integer'],
  ['5f4101ff', 'chunked bytes'],
  ['7f6161ff', 'chunked text'],
  ['c001', 'a tag'],
  ['f90000', 'a float'],
  ['f7', 'undefined'],
  ['ff', 'a break'],
  ['4201', 'bytes that end early'],
  ['5affffffff', 'a length that is a lie'],
  ['9affffffff', 'a count that is a lie'],
  ['61ff', 'text that is not utf-8'],
  ['bf01', 'a map that ends early'],
  ['bf01ff', 'a key without a value'],
  ['a201020103', 'a key twice'],
  ['bf01020103ff', 'a key twice'],
  ['a1f601', 'a key that is null'],
  ['818181818181', 'too deep'],
  [`9f${'00'.repeat(257)}ff`, 'too many'],
])('refuses %s: %s', (hex) => expect(rejectionOf(() => read(hex))).toBe('evidence-malformed'))

test('limits come first', () => {
  expect(rejectionOf(() => decodeForeign(new Uint8Array(32_769)))).toBe('evidence-too-large')
})

test('what it gives does not change with the input', () => {
  const input = Buffer.from('43010203', 'hex')
  const value = decodeForeign(input)
  input.fill(0)
  expect(value).toEqual(Uint8Array.of(1, 2, 3))
  expect(value?.constructor).toBe(Uint8Array)
})

test('reads what another library writes', () => {
  const scalar = fc.oneof(
    fc.maxSafeInteger(),
    fc.string({ unit: 'binary' }),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array(),
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(scalar, fc.array(scalar, { maxLength: 5 })), { maxLength: 8 }), (value) => {
      expect(decodeForeign(cborg.encode(value))).toEqual(value)
    }),
  )
})
