import { createHash, randomBytes } from 'node:crypto'

import { ed25519 } from '@noble/curves/ed25519.js'
import { ml_dsa65 } from '@noble/post-quantum/ml-dsa.js'
import { describe, expect, test } from 'vitest'

import { refusalOf } from '#host/wire/refusal.fixture.ts'

import { generateEd25519, importEd25519, signEd25519, verifyEd25519 } from './ed25519.ts'
import { identityId } from './identity.ts'
import { nativeCrypto } from './native.ts'
import { exportSeed } from './seed.ts'
import { generateSigningKey, verify } from './sign.ts'

const random = (length: number) => new Uint8Array(randomBytes(length))
const utf8 = new TextEncoder()
const label = utf8.encode('COMPSIG-MLDSA65-Ed25519-SHA512')

/** The composite of draft-ietf-lamps-pq-composite-sigs, made of noble's parts. */
function representative(context: string, message: Uint8Array): Uint8Array {
  const prefix = utf8.encode('CompositeAlgorithmSignatures2025')
  const hash = createHash('sha512').update(message).digest()
  return Uint8Array.from([...prefix, ...label, context.length, ...utf8.encode(context), ...hash])
}

describe('composite signatures', () => {
  const seed = random(64)
  const key = generateSigningKey(seed)
  const context = 'vine/1 test'
  const message = random(500)
  const { publicKey } = key
  const signature = key.sign(context, message)

  test('verify, also with an imported key and a key regrown from its seed', () => {
    expect(signature).toHaveLength(3_373)
    expect(verify({ publicKey, context, message, signature })).toBe(true)
    expect(verify({ publicKey: Uint8Array.from(publicKey), context, message, signature })).toBe(true)
    const regrown = generateSigningKey(exportSeed(key))
    expect(regrown.publicKey).toEqual(key.publicKey)
    expect(exportSeed(key)).toEqual(seed)
  })

  test('agree with noble both ways', () => {
    const mldsa = ml_dsa65.keygen(seed.subarray(0, 32))
    const edPublic = ed25519.getPublicKey(seed.subarray(32))
    expect(key.publicKey).toEqual(Uint8Array.from([...mldsa.publicKey, ...edPublic]))
    const prefixed = representative(context, message)
    expect(ml_dsa65.verify(signature.subarray(0, 3_309), prefixed, mldsa.publicKey, { context: label })).toBe(true)
    expect(ed25519.verify(signature.subarray(3_309), prefixed, edPublic)).toBe(true)
    const theirs = Uint8Array.from([
      ...ml_dsa65.sign(prefixed, mldsa.secretKey, { context: label }),
      ...ed25519.sign(prefixed, seed.subarray(32)),
    ])
    expect(verify({ publicKey, context, message, signature: theirs })).toBe(true)
  })

  test('fail for another message, context, key, length, or one half of another signature', () => {
    expect(verify({ publicKey, context, message: random(500), signature })).toBe(false)
    expect(verify({ publicKey, context: 'vine/1 other', message, signature })).toBe(false)
    expect(verify({ publicKey: generateSigningKey().publicKey, context, message, signature })).toBe(false)
    for (const bad of [signature.subarray(1), Uint8Array.from([...signature, 0]), new Uint8Array(0)]) {
      expect(verify({ publicKey, context, message, signature: bad })).toBe(false)
    }
    const other = key.sign(context, random(500))
    const halves = [
      Uint8Array.from([...signature.subarray(0, 3_309), ...other.subarray(3_309)]),
      Uint8Array.from([...other.subarray(0, 3_309), ...signature.subarray(3_309)]),
    ]
    for (const mixed of halves) expect(verify({ publicKey, context, message, signature: mixed })).toBe(false)
    for (const at of [0, 1_600, 3_308, 3_309, 3_372]) {
      const flipped = Uint8Array.from(signature)
      flipped[at] = (flipped[at] ?? 0) ^ 1
      expect(verify({ publicKey, context, message, signature: flipped })).toBe(false)
    }
  })

  test('a key of another length verifies nothing, and a context that does not fit is our mistake', () => {
    for (const length of [0, 1_983, 1_985]) {
      expect(verify({ publicKey: new Uint8Array(length), context, message, signature })).toBe(false)
    }
    expect(() => generateSigningKey(random(32))).toThrow('64 bytes')
    expect(() => key.sign('x'.repeat(256), message)).toThrow('255')
  })

  test('an identity is the hash of the whole key', () => {
    const expected = createHash('sha256').update('vine/1 id').update(key.publicKey).digest()
    expect(identityId(nativeCrypto, key.publicKey)).toEqual(new Uint8Array(expected))
  })
})

describe('ed25519', () => {
  test('signs as noble does and verifies what noble signs', () => {
    const seed = random(32)
    const key = generateEd25519(seed)
    const message = random(100)
    const signature = signEd25519(key, message)
    expect(key.publicKey).toEqual(new Uint8Array(ed25519.getPublicKey(seed)))
    expect(signature).toEqual(new Uint8Array(ed25519.sign(message, seed)))
    expect(generateEd25519(exportSeed(key)).publicKey).toEqual(key.publicKey)
    const publicKey = importEd25519(key.publicKey)
    expect(verifyEd25519(publicKey, { message, signature })).toBe(true)
    expect(verifyEd25519(publicKey, { message: random(100), signature })).toBe(false)
    expect(verifyEd25519(publicKey, { message, signature: signature.subarray(1) })).toBe(false)
    expect(verifyEd25519(importEd25519(generateEd25519().publicKey), { message, signature })).toBe(false)
    expect(refusalOf(() => importEd25519(new Uint8Array(31)))).toBe('malformed')
  })
})
