/**
 * vine-CBOR: one byte string per value (RFC 8949 §4.2.1 core deterministic encoding), and nothing else is read.
 *
 * Values: integers of 64 bits, byte strings, well-formed text, arrays, maps with integer or text keys in bytewise order
 * of their encoding, true, false, null. No floats, tags, indefinite lengths, undefined or other simple values.
 */
import { Refusal } from '#host/errors.ts'
import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX, MESSAGE_BYTES_MAX } from '#host/limits.ts'

import { readItem } from './cbor-read.ts'
import type { Cbor } from './cbor-value.ts'
import { borrowWriter, returnWriter, writeItem } from './cbor-write.ts'

export type { Cbor }

interface CborLimits {
  readonly bytesMax: number
  /** Containers around a value; the outermost value has none. */
  readonly depthMax: number
  /** Every value counts one, map keys included. */
  readonly itemsMax: number
}

export interface DecodeOptions extends CborLimits {
  /** Byte strings are views of the input instead of copies: the input must then never change. */
  readonly views: boolean
}

/**
 * The one encoding of a value.
 *
 * @throws Refusal `malformed` for what vine-CBOR does not hold (a float, -0, undefined, text with a lone surrogate, an
 *   integer over 64 bits), `too-large` for what `decodeCbor` would refuse by depth or, with the same limit, by count
 */
export function encodeCbor(value: Cbor, options?: Pick<CborLimits, 'itemsMax'>): Uint8Array {
  const writer = borrowWriter(options?.itemsMax ?? CBOR_ITEMS_MAX)
  try {
    writeItem(writer, value, 0)
    return writer.bytes.slice(0, writer.length)
  } finally {
    returnWriter(writer)
  }
}

/**
 * Reads exactly one value. A map whose keys are all text becomes an object without inherited properties, so that no
 * key (`__proto__`, `constructor`) is special; a map with an integer key becomes a Map.
 *
 * @throws Refusal `too-large` when a limit is passed, `malformed` for anything that `encodeCbor` would not have written
 */
export function decodeCbor(bytes: Uint8Array, options?: Partial<DecodeOptions>): Cbor {
  const bytesMax = options?.bytesMax ?? MESSAGE_BYTES_MAX
  if (bytes.length > bytesMax) throw new Refusal('too-large', `cbor: ${bytes.length} bytes, at most ${bytesMax}`)
  const reader = {
    // A Buffer would hand out Buffers, and its slice is a view.
    bytes: bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    at: 0,
    items: options?.itemsMax ?? CBOR_ITEMS_MAX,
    depthMax: options?.depthMax ?? CBOR_DEPTH_MAX,
    views: options?.views ?? false,
  }
  const value = readItem(reader, 0)
  if (reader.at !== bytes.length) throw new Refusal('malformed', `cbor: bytes after the value at ${reader.at}`)
  return value
}
