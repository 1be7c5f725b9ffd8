/** Hashing and secrets of Node: SHA-256, HMAC, `KeyObject`s. */
import { createHash, createHmac, createSecretKey, type KeyObject } from 'node:crypto'

import type { Part, SecretKey } from './port.ts'

/** SHA-256 over the parts in a row. The caller sees to it that no two lists of parts give the same row. */
export function digest(...parts: readonly Part[]): Uint8Array {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return plain(hash.digest())
}

/** A secret outside of the JavaScript heap. The bytes are wiped. */
export function nativeSecret(bytes: Uint8Array): SecretKey {
  const key = wrapSecret(bytes)
  return {
    hmac(hash, ...parts) {
      const hmac = createHmac(hash, key)
      for (const part of parts) hmac.update(part)
      return plain(hmac.digest())
    },
    export: () => unwrapSecret(key),
  }
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
