/** Key derivation of vine/1: HKDF-SHA-256 (RFC 5869) step by step, with labels. */
import type { Part, SecretKey, Suite } from './port.ts'

const FIRST_BLOCK = Uint8Array.of(1)

/** HKDF-Extract. `salt` is taken over and wiped, `input` stays the caller's to wipe. */
export function extract(crypto: Suite, salt: Uint8Array, ...input: readonly Part[]): Uint8Array {
  return crypto.secret(salt).hmac('sha256', ...input)
}

/**
 * HKDF-Expand to 32 bytes with `vine/1 <label>`, a zero byte and the contexts as its info. All contexts of one label
 * have fixed lengths, or the last one alone varies. The result is a secret.
 */
export function expand(key: SecretKey, label: string, ...contexts: readonly Uint8Array[]): Uint8Array {
  return key.hmac('sha256', `vine/1 ${label}\0`, ...contexts, FIRST_BLOCK)
}
