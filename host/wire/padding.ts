/** Padmé: lengths leak O(log log n) bits for at most 12 % more bytes (Nikitin et al., PURBs, PETS 2019, §4). */
import { Refusal } from '#host/errors.ts'
import { PADDED_BYTES_MIN } from '#host/limits.ts'

const DELIMITER = 0x80

/** The bytes, 0x80, and zeros up to the size class. */
export function pad(bytes: Uint8Array): Uint8Array {
  const padded = new Uint8Array(paddedLength(bytes.length))
  padded.set(bytes)
  padded[bytes.length] = DELIMITER
  return padded
}

/**
 * The inverse of `pad`, as a view.
 *
 * @throws Refusal `malformed` for anything that `pad` does not make
 */
export function unpad(padded: Uint8Array): Uint8Array {
  let end = padded.length - 1
  while (end >= 0 && padded[end] === 0) end--
  if (padded[end] !== DELIMITER || paddedLength(end) !== padded.length) {
    throw new Refusal('malformed', 'padding: not padmé')
  }
  return padded.subarray(0, end)
}

/** Size class of a message of `length` bytes, delimiter included. */
export function paddedLength(length: number): number {
  const size = length + 1
  if (size <= PADDED_BYTES_MIN) return PADDED_BYTES_MIN
  const exponent = 31 - Math.clz32(size)
  const mantissaBits = 32 - Math.clz32(exponent)
  const mask = 2 ** (exponent - mantissaBits) - 1
  return (size + mask) & ~mask
}
