import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'

import { describe, expect, test } from 'vitest'

import { refusalOf } from '#host/wire/refusal.fixture.ts'

import { generateEd25519, signEd25519 } from './ed25519.ts'
import { portableEvidence } from './evidence-portable.ts'
import { nativeEvidence } from './p384.ts'
import { bytesIn, wycheproof } from './wycheproof.fixture.ts'

const providers = [
  ['native', nativeEvidence],
  ['portable', portableEvidence],
] as const
/** The order of P-384's group (FIPS 186-5). */
const ORDER = Uint8Array.fromHex(
  'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973',
)
const random = (count: number) => new Uint8Array(randomBytes(count))

for (const [name, crypto] of providers) {
  describe(`${name} provider`, () => {
    wycheproof('ecdsa_secp384r1_sha384_p1363_test', (vector, group) => {
      const verifies = crypto.p384(bytesIn(group, 'publicKeyDer'))
      return verifies?.({ message: bytesIn(vector, 'msg'), signature: bytesIn(vector, 'sig') }) ?? false
    })

    wycheproof('ed25519_test', (vector, group) => {
      const { pk } = group['publicKey'] as { pk: string }
      const verifies = crypto.ed25519(Uint8Array.fromHex(pk))
      return verifies({ message: bytesIn(vector, 'msg'), signature: bytesIn(vector, 'sig') })
    })

    test('an ECDSA signature holds for its message and key, high or low', () => {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
      const verifies = crypto.p384(new Uint8Array(publicKey.export({ format: 'der', type: 'spki' })))
      const message = random(300)
      // Half of them have an s above half the order, which is a signature as well.
      for (let round = 0; round < 8; round++) {
        const signature = new Uint8Array(sign('sha384', message, { key: privateKey, dsaEncoding: 'ieee-p1363' }))
        expect(verifies?.({ message, signature })).toBe(true)
        expect(verifies?.({ message: message.slice(1), signature })).toBe(false)
        expect(verifies?.({ message, signature: signature.slice(1) })).toBe(false)
        expect(verifies?.({ message, signature: new Uint8Array(97) })).toBe(false)
        for (const at of [0, 48]) {
          const zero = signature.slice()
          zero.fill(0, at, at + 48)
          expect(verifies?.({ message, signature: zero })).toBe(false)
          const high = signature.slice()
          high.set(ORDER, at)
          expect(verifies?.({ message, signature: high })).toBe(false)
        }
      }
    })

    test('an Ed25519 signature holds for its message and key', () => {
      const key = generateEd25519(random(32))
      const message = random(100)
      const verifies = crypto.ed25519(key.publicKey)
      const signature = signEd25519(key, message)
      expect(verifies({ message, signature })).toBe(true)
      expect(verifies({ message: message.slice(1), signature })).toBe(false)
      for (const length of [0, 63]) expect(verifies({ message, signature: signature.slice(0, length) })).toBe(false)
      expect(verifies({ message, signature: Uint8Array.of(...signature, 0) })).toBe(false)
      expect(crypto.ed25519(new Uint8Array(32).fill(255))({ message, signature })).toBe(false)
      expect(refusalOf(() => crypto.ed25519(key.publicKey.slice(1)))).toBe('malformed')
    })
  })
}

test('digests are the same bytes, whatever the parts', () => {
  for (const parts of [[], [random(1)], [random(0), random(127), random(128)], [random(5_000)]]) {
    expect(portableEvidence.sha384(...parts)).toEqual(nativeEvidence.sha384(...parts))
    for (const part of parts) expect(portableEvidence.sha256(part)).toEqual(nativeEvidence.sha256(part))
  }
})

const der = (namedCurve: string) =>
  new Uint8Array(generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'der', type: 'spki' }))

test('a key of another curve, form or place is none for either', () => {
  const good = der('P-384')
  const beyond = good.slice()
  // x is the field's prime, which stands for 0.
  beyond.set(Uint8Array.fromHex(`${'ff'.repeat(31)}feffffffff0000000000000000ffffffff`), 24)
  const compressed = Uint8Array.of(...good.slice(0, 23), 2, ...good.slice(24, 72))
  for (const [, crypto] of providers) {
    expect(crypto.p384(good)).toBeDefined()
    // Another algorithm's identifier before a point that is one; a hybrid point (X9.62), which OpenSSL takes.
    const [otherHead, hybrid] = [good.with(10, 0), good.with(23, 6 | ((good[119] ?? 0) & 1))]
    const offCurve = good.with(119, (good[119] ?? 0) ^ 1)
    for (const bad of [der('P-256'), der('P-521'), beyond, compressed, otherHead, hybrid, offCurve]) {
      expect(crypto.p384(bad)).toBeUndefined()
    }
  }
})
