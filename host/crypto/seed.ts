/** Seeds: the few bytes a private key regrows from, and all of it that is ever stored. */
import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'

import { unwrapSecret } from './kdf.ts'

/** A private key that can be stored. */
export interface Seeded {
  readonly seed: KeyObject
}

/** A copy of the seed, to be sealed and stored. The caller wipes it. The key's own maker takes it back. */
export function exportSeed(key: Seeded): Uint8Array {
  return unwrapSecret(key.seed)
}

/** Runs `grow` over the given seed, which stays the caller's to wipe, or over a fresh one, which is wiped. */
export function withSeed<T>(
  given: Uint8Array | undefined,
  length: number,
  grow: (bytes: Uint8Array, seed: KeyObject) => T,
): T {
  if (given !== undefined && given.length !== length) {
    throw new Error(`seed: ${length} bytes, not ${given.length}`)
  }
  const bytes = given ?? randomBytes(length)
  try {
    return grow(bytes, createSecretKey(bytes))
  } finally {
    if (given === undefined) bytes.fill(0)
  }
}
