/** Who somebody is: the hash of the key they sign with. */
import { digest } from './kdf.ts'

/** 32 bytes: SHA-256 of `vine/1 id` and the raw composite verify key. */
export function identityId(rawVerifyKey: Uint8Array): Uint8Array {
  return digest('vine/1 id', rawVerifyKey)
}
