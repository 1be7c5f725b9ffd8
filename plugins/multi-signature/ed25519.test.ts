import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { isPublicKey, isSignedBy } from './ed25519.ts'
import { sha512 } from './sha512.ts'

const hex = (text: string): Uint8Array => Uint8Array.fromHex(text)
const bytesOf = (y: bigint): Uint8Array => hex(y.toString(16).padStart(64, '0')).toReversed()
const rawOf = (key: KeyObject): Uint8Array => new Uint8Array(key.export({ format: 'der', type: 'spki' }).subarray(-32))

test('the hash is the platform’s, at every length around a block', () => {
  for (let length = 0; length <= 300; length++) {
    const message = new Uint8Array(length).map((_, index) => (index * 37 + length) & 255)
    expect(sha512(message)).toEqual(new Uint8Array(createHash('sha512').update(message).digest()))
  }
})

test.each([
  [
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155' +
      '5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da' +
      '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
])('RFC 8032 §7.1: %s', (key, message, signature) => {
  expect(isSignedBy(hex(key), hex(message), hex(signature))).toBe(true)
})

test('takes what the platform signed, and nothing that differs in a bit', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const key = rawOf(publicKey)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(), fc.nat(7), (message, place, bit) => {
      const signature = new Uint8Array(sign(null, message, privateKey))
      expect(isSignedBy(key, message, signature)).toBe(true)
      const all = [key, message, signature].map((part) => part.slice())
      const part = all.filter(({ length }) => length > 0)[place % (message.length > 0 ? 3 : 2)]
      if (part !== undefined) part[place % part.length] = (part[place % part.length] ?? 0) ^ (1 << bit)
      const [wrongKey = key, wrongMessage = message, wrongSignature = signature] = all
      expect(isSignedBy(wrongKey, wrongMessage, wrongSignature)).toBe(false)
    }),
    { numRuns: 60 },
  )
})

test('a signature has one form: s over the order of the base point is another', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const signature = new Uint8Array(sign(null, new Uint8Array(3), privateKey))
  const order = (1n << 252n) + 27742317777372353535851937790883648493n
  let s = BigInt(`0x${signature.slice(32).toReversed().toHex()}`) + order
  const other = signature.slice()
  for (let at = 32; at < 64; at++) {
    other[at] = Number(s & 255n)
    s >>= 8n
  }
  expect(isSignedBy(rawOf(publicKey), new Uint8Array(3), signature)).toBe(true)
  expect(isSignedBy(rawOf(publicKey), new Uint8Array(3), other)).toBe(false)
  expect(isSignedBy(rawOf(publicKey), new Uint8Array(3), signature.slice(0, 63))).toBe(false)
})

test.each([
  ['the neutral point, under which anything verifies', `01${'00'.repeat(31)}`],
  ['a point of order two', `ec${'ff'.repeat(30)}7f`],
  ['a point of order four', '00'.repeat(32)],
  ['a point of order eight', 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'],
  ['one that is not reduced', `ee${'ff'.repeat(30)}7f`],
  ['one that is not on the curve', `02${'00'.repeat(31)}`],
  ['31 bytes', '11'.repeat(31)],
])('no key: %s', (_name, bytes) => {
  expect(isPublicKey(hex(bytes))).toBe(false)
  const identity = hex(`01${'00'.repeat(63)}`)
  expect(isSignedBy(hex(bytes), new Uint8Array(0), identity)).toBe(false)
})

test('a key has one form: y over the field is another', () => {
  const p = (1n << 255n) - 19n
  const reduced = [2n, 3n, 4n, 5n, 6n, 7n, 8n, 9n, 10n].filter((y) => isPublicKey(bytesOf(y)))
  expect(reduced.length).toBeGreaterThan(0)
  for (const y of reduced) expect(isPublicKey(bytesOf(y + p))).toBe(false)
})
