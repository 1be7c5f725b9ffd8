/** Cryptography, time and randomness of this process: read here and nowhere below. */
import { randomBytes, randomFillSync } from 'node:crypto'

import { nativeCrypto } from '#host/crypto/native.ts'

/** Ids are this short; keys are longer and drawn on their own. */
const SHORT_BYTES = 16

const block = new Uint8Array(256 * SHORT_BYTES)
let used = block.length

/** Short draws share one of the generator's: by itself each would cost an event more than a cipher does. */
function random(length: number): Uint8Array {
  if (length > SHORT_BYTES) return new Uint8Array(randomBytes(length))
  if (used + length > block.length) {
    randomFillSync(block)
    used = 0
  }
  const drawn = block.slice(used, used + length)
  block.fill(0, used, used + length)
  used += length
  return drawn
}

export const surroundings = {
  crypto: nativeCrypto,
  now: () => Date.now(),
  monotonic: () => performance.now(),
  random,
} as const
