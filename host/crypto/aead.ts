/** AES-256-GCM of Node (NIST SP 800-38D), 96-bit nonces, 128-bit tags. Never seal twice with one (key, nonce). */
import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto'

import { Refusal } from '#host/errors.ts'

import { plain } from './kdf.ts'
import { NONCE_BYTES } from './sizes.ts'

const TAG_BYTES = 16

const ALGORITHM = 'aes-256-gcm'

export interface AeadContext {
  readonly nonce: Uint8Array
  /** Authenticated, not hidden. */
  readonly aad: Uint8Array
}

/** Ciphertext followed by its tag. */
export function sealAead(key: KeyObject | Uint8Array, { nonce, aad }: AeadContext, plaintext: Uint8Array): Uint8Array {
  assertNonce(nonce)
  const cipher = createCipheriv(ALGORITHM, key, nonce)
  cipher.setAAD(aad)
  const sealed = new Uint8Array(plaintext.length + TAG_BYTES)
  sealed.set(cipher.update(plaintext))
  cipher.final()
  sealed.set(cipher.getAuthTag(), plaintext.length)
  return sealed
}

/** The same from parts in a row, in parts: no byte is copied but by the cipher. The last is the tag. */
export function sealAeadParts(
  key: KeyObject,
  { nonce, aad }: AeadContext,
  plaintext: readonly Uint8Array[],
): readonly Uint8Array[] {
  assertNonce(nonce)
  const cipher = createCipheriv(ALGORITHM, key, nonce)
  cipher.setAAD(aad)
  const sealed: Uint8Array[] = plaintext.map((part) => cipher.update(part))
  cipher.final()
  sealed.push(cipher.getAuthTag())
  return sealed
}

/** @throws Refusal `unopenable` when any bit of key, nonce, associated data or ciphertext is not the sealer's */
export function openAead(key: KeyObject | Uint8Array, { nonce, aad }: AeadContext, sealed: Uint8Array): Uint8Array {
  assertNonce(nonce)
  const length = sealed.length - TAG_BYTES
  if (length < 0) throw new Refusal('unopenable', 'aead: shorter than its tag')
  const decipher = createDecipheriv(ALGORITHM, key, nonce)
  decipher.setAAD(aad)
  // Always 16 bytes, so no shorter tag can be tried; the option that pins this costs 2 µs a message.
  decipher.setAuthTag(sealed.subarray(length))
  const plaintext = decipher.update(sealed.subarray(0, length))
  try {
    decipher.final()
  } catch (cause) {
    // What was decrypted before the tag was checked is not ours to keep.
    plaintext.fill(0)
    throw new Refusal('unopenable', 'aead: not sealed with this key for this place', { cause })
  }
  return plain(plaintext)
}

function assertNonce(nonce: Uint8Array): void {
  // OpenSSL hashes other lengths into 96 bits, where two nonces can meet.
  if (nonce.length !== NONCE_BYTES) throw new Error(`aead: a nonce has ${NONCE_BYTES} bytes, not ${nonce.length}`)
}
