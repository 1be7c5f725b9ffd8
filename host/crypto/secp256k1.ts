/**
 * Signatures over secp256k1: ECDSA (RFC 6979, low s) and Schnorr (BIP-340).
 *
 * libsecp256k1 in WebAssembly: written for constant time, and what it was given is overwritten when it returns. One
 * copy may stay in its own memory, which no handler can reach.
 */
import { randomBytes } from 'node:crypto'

import { pointFromScalar, sign, signSchnorr } from 'tiny-secp256k1'

import type { Seeded } from './port.ts'

import { exportSeed, withSeed } from './seed.ts'

const SECRET_BYTES = 32
const AUXILIARY_BYTES = 32

export interface Secp256k1Key extends Seeded {
  /** 33 bytes (SEC 1, compressed). BIP-340 knows the key by the last 32 of them. */
  readonly publicKey: Uint8Array
}

/**
 * The key of a 32-byte secret, which stays the caller's to wipe; of a fresh one when none is given.
 *
 * @throws Error for 0 and for numbers from the curve's order on: of random bytes, one in 2^128
 */
export function generateSecp256k1(secret?: Uint8Array): Secp256k1Key {
  return withSeed(secret, SECRET_BYTES, (bytes, seed) => {
    const publicKey = pointFromScalar(bytes, true)
    if (publicKey === null) throw new Error('secp256k1: not a secret key')
    return { seed, publicKey }
  })
}

/** r then s, 64 bytes, over a digest of 32 bytes as it is given. s is the lower of the two that verify. */
export function signEcdsa(key: Secp256k1Key, digest: Uint8Array): Uint8Array {
  return withSecret(key, (secret) => sign(digest, secret))
}

/**
 * 64 bytes over a message of 32 bytes. `auxiliary` is fresh randomness unless a test gives its own: BIP-340 advises it
 * against attacks by faults and side channels, and a signature stays sound without it.
 */
export function signBip340(
  key: Secp256k1Key,
  message: Uint8Array,
  auxiliary: Uint8Array = randomBytes(AUXILIARY_BYTES),
): Uint8Array {
  return withSecret(key, (secret) => signSchnorr(message, secret, auxiliary))
}

function withSecret(key: Secp256k1Key, run: (secret: Uint8Array) => Uint8Array): Uint8Array {
  const secret = exportSeed(key)
  try {
    return run(secret)
  } finally {
    secret.fill(0)
  }
}
