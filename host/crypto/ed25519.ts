/** Ed25519 (RFC 8032) alone: a connection's authentication key, whose signatures others check with what they have. */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'

import { Refusal } from '#host/errors.ts'

import { plain } from './kdf.ts'
import type { Seeded } from './port.ts'
import { withSeed } from './seed.ts'
import { ED25519_BYTES } from './sizes.ts'

const ED25519_SIGNATURE_BYTES = 64

export interface Ed25519PublicKey {
  readonly raw: Uint8Array
  readonly ed25519: KeyObject
}

export interface Ed25519Key extends Seeded {
  readonly ed25519: KeyObject
  /** 32 bytes: what is published. */
  readonly publicKey: Uint8Array
}

/** The key of a 32-byte seed, which stays the caller's to wipe; of a fresh one when none is given. */
export function generateEd25519(seed?: Uint8Array): Ed25519Key {
  return withSeed(seed, ED25519_BYTES, (bytes, kept) => {
    const ed25519 = createPrivateKey({ key: bytes, format: 'raw-private', asymmetricKeyType: 'ed25519' })
    return { seed: kept, ed25519, publicKey: plain(createPublicKey(ed25519).export({ format: 'raw-public' })) }
  })
}

/** @throws Refusal `malformed` unless there are 32 bytes; a point that is none makes every signature fail instead */
export function importEd25519(raw: Uint8Array): Ed25519PublicKey {
  if (raw.length !== ED25519_BYTES) throw new Refusal('malformed', `ed25519: a public key has ${ED25519_BYTES} bytes`)
  const ed25519 = createPublicKey({ key: raw, format: 'raw-public', asymmetricKeyType: 'ed25519' })
  return { raw: Uint8Array.from(raw), ed25519 }
}

/** 64 bytes. */
export function signEd25519(key: Ed25519Key, message: Uint8Array): Uint8Array {
  return plain(sign(null, message, key.ed25519))
}

export function verifyEd25519(
  key: Ed25519PublicKey,
  { message, signature }: { readonly message: Uint8Array; readonly signature: Uint8Array },
): boolean {
  return signature.length === ED25519_SIGNATURE_BYTES && verify(null, message, key.ed25519, signature)
}
