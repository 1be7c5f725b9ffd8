import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { decodeBase64url, encodeBase64url } from './base64url.ts'

test('writes what the platform writes, and reads it back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
      const text = encodeBase64url(bytes)
      expect(text).toBe(Buffer.from(bytes).toString('base64url'))
      expect(decodeBase64url(text)).toEqual(bytes)
    }),
  )
})

test.each(['A', 'AB', 'AA=', 'A+', 'A/', 'A A', 'AAAAé'])('refuses %j, which no bytes are written as', (text) => {
  expect(decodeBase64url(text)).toBeUndefined()
})
