/** Hashing and key derivation: SHA-256, HKDF-SHA-256 (RFC 5869), and vine/1's labelled expansion. */
import { createHash, createHmac, createSecretKey, type KeyObject } from 'node:crypto'

export const DIGEST_BYTES = 32

/** SHA-256 over the parts in a row. The caller sees to it that no two lists of parts give the same row. */
export function digest(...parts: readonly (Uint8Array | string)[]): Uint8Array {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return plain(hash.digest())
}

/** HKDF-Extract. The result is a secret: wrap it or wipe it. `input` stays the caller's to wipe. */
export function extract(salt: Uint8Array, input: Uint8Array): Uint8Array {
  return plain(createHmac('sha256', salt).update(input).digest())
}

/**
 * HKDF-Expand to 32 bytes with `vine/1 <label>`, a zero byte and the contexts as its info. All contexts of one label
 * have fixed lengths, or the last one alone varies. The result is a secret: wrap it or wipe it.
 */
export function expand(key: KeyObject | Uint8Array, label: string, ...contexts: readonly Uint8Array[]): Uint8Array {
  const hmac = createHmac('sha256', key).update(`vine/1 ${label}\0`)
  for (const context of contexts) hmac.update(context)
  return plain(hmac.update(FIRST_BLOCK).digest())
}

/** Takes secret bytes out of the JavaScript heap: the KeyObject holds a copy, the bytes are wiped. */
export function wrapSecret(bytes: Uint8Array): KeyObject {
  const key = createSecretKey(bytes)
  bytes.fill(0)
  return key
}

/** A copy of a wrapped secret's bytes, to be stored sealed. The caller wipes it. */
export function unwrapSecret(key: KeyObject): Uint8Array {
  return plain(key.export())
}

/** The same bytes, not as a Buffer: a Buffer's `slice` is a view, and tests tell the two apart. */
export function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

const FIRST_BLOCK = Uint8Array.of(1)
