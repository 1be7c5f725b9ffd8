import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { decodeUtf8, encodeUtf8 } from './utf8.ts'

test('writes what the platform writes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(encodeUtf8(text)).toEqual(new TextEncoder().encode(text))
    }),
  )
  expect(encodeUtf8('a\ud800b')).toEqual(new TextEncoder().encode('a\ufffdb'))
})

test('reads back what it wrote, short and long', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => decodeUtf8(encodeUtf8(text)) === text.toWellFormed()))
  for (const text of ['x'.repeat(10_000), `${'x'.repeat(10_000)}é`]) expect(decodeUtf8(encodeUtf8(text))).toBe(text)
})

test('never throws, and never reads what is not UTF-8 as text', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const text = decodeUtf8(bytes)
      const isValid = Buffer.from(bytes).equals(
        Buffer.from(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)),
      )
      expect(text.includes('\ufffd')).toBe(!isValid || new TextDecoder().decode(bytes).includes('\ufffd'))
    }),
  )
})
