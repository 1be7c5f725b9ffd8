import { createSecretKey, randomBytes } from 'node:crypto'

import { gcm } from '@noble/ciphers/aes.js'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { refusalOf } from '#host/wire/refusal.fixture.ts'

import { openAead, sealAead } from './aead.ts'
import { digest, unwrapSecret, wrapSecret } from './kdf.ts'

const random = (length: number) => new Uint8Array(randomBytes(length))

describe('aead', () => {
  const raw = random(32)
  const key = createSecretKey(raw)

  test('opens what it sealed, and what noble sealed', () => {
    const bytes = fc.uint8Array({ maxLength: 300 })
    fc.assert(
      fc.property(bytes, bytes, fc.uint8Array({ minLength: 12, maxLength: 12 }), (plaintext, aad, nonce) => {
        const sealed = sealAead(key, { nonce, aad }, plaintext)
        expect(sealed).toEqual(new Uint8Array(gcm(raw, nonce, aad).encrypt(plaintext)))
        expect(openAead(key, { nonce, aad }, sealed)).toEqual(plaintext)
      }),
    )
  })

  test('every changed bit of key, nonce, associated data, ciphertext or tag is refused', () => {
    const [nonce, aad, plaintext] = [random(12), random(20), random(40)]
    const sealed = sealAead(key, { nonce, aad }, plaintext)
    for (const part of [nonce, aad, sealed]) {
      for (let bit = 0; bit < part.length * 8; bit++) {
        part[bit >> 3] = (part[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        expect(refusalOf(() => openAead(key, { nonce, aad }, sealed))).toBe('unopenable')
        part[bit >> 3] = (part[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      }
    }
    expect(openAead(key, { nonce, aad }, sealed)).toEqual(plaintext)
    expect(refusalOf(() => openAead(createSecretKey(random(32)), { nonce, aad }, sealed))).toBe('unopenable')
    for (let length = 0; length < sealed.length; length++) {
      expect(refusalOf(() => openAead(key, { nonce, aad }, sealed.subarray(0, length)))).toBe('unopenable')
    }
  })

  test('other sizes of key and nonce are our mistake, not a refusal', () => {
    const aad = new Uint8Array(0)
    expect(() => sealAead(key, { nonce: random(16), aad }, aad)).toThrow('12 bytes')
    expect(() => openAead(key, { nonce: random(8), aad }, random(16))).toThrow('12 bytes')
    expect(() => sealAead(createSecretKey(random(16)), { nonce: random(12), aad }, aad)).toThrow()
  })
})

describe('kdf', () => {
  test('digest runs its parts together', () => {
    const [a, b] = [random(10), random(3)]
    expect(digest(a, b)).toEqual(digest(Uint8Array.from([...a, ...b])))
    expect(digest('abc').toHex()).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })

  test('wrapping wipes the bytes and keeps the secret', () => {
    const secret = random(32)
    const copy = Uint8Array.from(secret)
    const wrapped = wrapSecret(secret)
    expect(secret).toEqual(new Uint8Array(32))
    expect(unwrapSecret(wrapped)).toEqual(copy)
    unwrapSecret(wrapped).fill(0)
    expect(unwrapSecret(wrapped)).toEqual(copy)
  })
})
