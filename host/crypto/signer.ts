/** A key that signs for a handler, whatever its algorithm. The secret is outside of the JavaScript heap. */
import { unreachable } from '#host/errors.ts'

import { type Ed25519Key, generateEd25519, signEd25519 } from './ed25519.ts'
import type { KeyAlgorithm } from './key-algorithm.ts'
import { generateSecp256k1, signBip340, signEcdsa } from './secp256k1.ts'

/** Bytes of a secret, of each algorithm. */
export const SECRET_BYTES = 32

export interface Signer {
  readonly algorithm: KeyAlgorithm
  /** 32 bytes; 33 (SEC 1, compressed) for `ecdsa-secp256k1`. */
  readonly publicKey: Uint8Array
  /** 64 bytes, over a message of a size that `isSignable` allows. */
  sign(message: Uint8Array): Uint8Array
}

/** The signer of a 32-byte secret, which stays the caller's to wipe. */
export function signerOf(algorithm: KeyAlgorithm, secret: Uint8Array): Signer {
  if (algorithm === 'ed25519') return ed25519Signer(generateEd25519(secret))
  const key = generateSecp256k1(secret)
  switch (algorithm) {
    case 'ecdsa-secp256k1':
      return { algorithm, publicKey: key.publicKey, sign: (digest) => signEcdsa(key, digest) }
    case 'bip340':
      return { algorithm, publicKey: key.publicKey.slice(1), sign: (message) => signBip340(key, message) }
    default:
      return unreachable(algorithm)
  }
}

export function ed25519Signer(key: Ed25519Key): Signer {
  return { algorithm: 'ed25519', publicKey: key.publicKey, sign: (message) => signEd25519(key, message) }
}
