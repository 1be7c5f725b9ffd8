/** Seeds: the few bytes a private key regrows from, and all of it that is ever stored. */
import { randomBytes } from 'node:crypto'

import { nativeSecret } from './kdf.ts'
import type { SecretKey, Seeded } from './port.ts'

/** A copy of the seed, to be sealed and stored. The caller wipes it. The key's own maker takes it back. */
export function exportSeed(key: Seeded): Uint8Array {
  return key.seed.export()
}

/** Runs `grow` over the given seed, which stays the caller's to wipe, or over a fresh one, which is wiped. */
export function withSeed<T>(
  given: Uint8Array | undefined,
  length: number,
  grow: (bytes: Uint8Array, seed: SecretKey) => T,
): T {
  if (given !== undefined && given.length !== length) {
    throw new Error(`seed: ${length} bytes, not ${given.length}`)
  }
  const bytes = given ?? randomBytes(length)
  try {
    return grow(bytes, nativeSecret(Uint8Array.from(bytes)))
  } finally {
    if (given === undefined) bytes.fill(0)
  }
}
