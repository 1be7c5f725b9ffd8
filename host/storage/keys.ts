/**
 * The keys of one vault at rest.
 *
 * The KEK comes from outside (a sealer); the rest is derived: `HMAC-SHA-256(key, "vault/1 " label 0x00 context)`.
 * Journal key and keyring key are derived from the KEK per segment. A namespace has a random key of its own (DEK); it
 * lives in the frame that first writes to the namespace, wrapped under the keyring key, and nowhere else. What seals a
 * namespace's writes is derived from its DEK per segment. Keys are `KeyObject`s; the bytes they come from are zeroed.
 */
import { createHmac, type KeyObject } from 'node:crypto'

import { digest, plain, wrapSecret } from '#host/crypto/kdf.ts'

export const KEY_BYTES = 32
export const TAG_BYTES = 16
export const KEY_ID_BYTES = 8
export const SEGMENT_BYTES = 8

/** Takes a 32-byte secret over: the bytes are zero afterwards. */
export function wrapKey(secret: Uint8Array): KeyObject {
  if (secret.length !== KEY_BYTES) throw new Error(`a key has ${KEY_BYTES} bytes, not ${secret.length}`)
  return wrapSecret(secret)
}

/** A subkey. Contexts of one label have fixed lengths, so that they need no separator. */
export function deriveKey(key: KeyObject, label: string, ...context: readonly Uint8Array[]): KeyObject {
  return wrapKey(mac(key, label, context))
}

/**
 * Names a vault in the log. Anyone who guesses a vault's name can test it; the name is on the bus anyway. It holds no
 * key, so that a vault under a wrong key is told apart from a vault that is not there.
 */
export function vaultTag(vault: string): Uint8Array {
  return digest('vault/1 tag\0', vault).slice(0, TAG_BYTES)
}

/** Names the KEK that a frame was sealed under, and tells nothing about it. */
export function keyIdOf(kek: KeyObject, tag: Uint8Array): Uint8Array {
  return mac(kek, 'key id', [tag]).slice(0, KEY_ID_BYTES)
}

function mac(key: KeyObject, label: string, context: readonly Uint8Array[]): Uint8Array {
  const hmac = createHmac('sha256', key).update(`vault/1 ${label}\0`)
  for (const part of context) hmac.update(part)
  return plain(hmac.digest())
}
