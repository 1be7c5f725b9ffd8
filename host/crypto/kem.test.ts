import { randomBytes } from 'node:crypto'

import { ml_kem768_x25519 as xwing } from '@noble/post-quantum/hybrid.js'
import { describe, expect, test } from 'vitest'

import { refusalOf } from '#host/wire/refusal.fixture.ts'

import { encapsulate, generateKemKey, importKemPublicKey } from './kem.ts'
import { exportSeed } from './seed.ts'

const random = (length: number) => new Uint8Array(randomBytes(length))

describe('x-wing', () => {
  // draft-connolly-cfrg-xwing-kem, appendix C, first vector: ends of its values.
  test("the draft's key pair", () => {
    const seed = Uint8Array.fromHex('7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26')
    const raw = generateKemKey(seed).publicKey.toHex()
    expect(raw.slice(0, 32)).toBe('e2236b35a8c24b39b10aa1323a96a919')
    expect(raw).toHaveLength(2 * 1_216)
  })

  test('agrees with noble both ways', () => {
    for (let round = 0; round < 5; round++) {
      const seed = random(32)
      const ours = generateKemKey(seed)
      const theirs = xwing.keygen(seed)
      expect(ours.publicKey).toEqual(new Uint8Array(theirs.publicKey))
      const toThem = encapsulate(theirs.publicKey)
      expect(new Uint8Array(xwing.decapsulate(toThem.ciphertext, theirs.secretKey))).toEqual(toThem.sharedSecret)
      const toUs = xwing.encapsulate(ours.publicKey)
      expect(ours.decapsulate(toUs.cipherText)).toEqual(new Uint8Array(toUs.sharedSecret))
    }
  })

  test('a key regrows from its seed, which is not touched when given', () => {
    const seed = random(32)
    const copy = Uint8Array.from(seed)
    const key = generateKemKey(seed)
    expect(seed).toEqual(copy)
    expect(exportSeed(key)).toEqual(copy)
    expect(generateKemKey(exportSeed(generateKemKey())).publicKey).toHaveLength(1_216)
    const { ciphertext, sharedSecret } = encapsulate(key.publicKey)
    expect(generateKemKey(exportSeed(key)).decapsulate(ciphertext)).toEqual(sharedSecret)
    expect(() => generateKemKey(random(31))).toThrow('32 bytes')
  })

  test('another key, or another ciphertext, gives another secret and no error', () => {
    const key = generateKemKey()
    const { ciphertext, sharedSecret } = encapsulate(key.publicKey)
    expect(generateKemKey().decapsulate(ciphertext)).not.toEqual(sharedSecret)
    for (const at of [0, 600, 1_087, 1_088, 1_110]) {
      const changed = Uint8Array.from(ciphertext)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(key.decapsulate(changed)).not.toEqual(sharedSecret)
    }
  })

  test('refuses wrong lengths, keys out of range and points of low order', () => {
    const key = generateKemKey()
    for (const length of [0, 1_215, 1_217]) {
      expect(refusalOf(() => importKemPublicKey(new Uint8Array(length)))).toBe('malformed')
    }
    expect(refusalOf(() => importKemPublicKey(new Uint8Array(1_216).fill(0xff)))).toBe('malformed')
    const low = Uint8Array.from(key.publicKey).fill(0, 1_184)
    expect(refusalOf(() => encapsulate(low))).toBe('malformed')
    const { ciphertext } = encapsulate(key.publicKey)
    for (const bad of [
      ciphertext.subarray(1),
      Uint8Array.from([...ciphertext, 0]),
      ciphertext.slice().fill(0, 1_088),
    ]) {
      expect(refusalOf(() => key.decapsulate(bad))).toBe('malformed')
    }
  })
})
