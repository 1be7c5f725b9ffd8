/** Who somebody is: the hash of the key they sign with. */
import type { Suite } from './port.ts'

/** 32 bytes: SHA-256 of `vine/1 id` and the raw composite verify key. */
export function identityId(crypto: Pick<Suite, 'digest'>, verifyKey: Uint8Array): Uint8Array {
  return crypto.digest('vine/1 id', verifyKey)
}
