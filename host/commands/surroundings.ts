/** Time and randomness of this process: read here and nowhere below. */
import { randomBytes } from 'node:crypto'

export const surroundings = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  random: (length: number) => new Uint8Array(randomBytes(length)),
} as const
