/**
 * Reading CBOR (RFC 8949) that others wrote: as strict as vine-CBOR, except that arrays and maps may be of indefinite
 * length and keys in any order. What was signed is never written again, so nothing here encodes.
 */
import { Rejection } from './errors.ts'
import { EVIDENCE_BYTES_MAX, EVIDENCE_DEPTH_MAX, EVIDENCE_ITEMS_MAX } from './limits.ts'

export type Foreign =
  | number
  | string
  | boolean
  | null
  | Uint8Array
  | readonly Foreign[]
  | ReadonlyMap<number | string, Foreign>

interface Reader {
  readonly bytes: Uint8Array
  at: number
  items: number
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const BREAK = 0xff
const INDEFINITE = 31

/**
 * Reads exactly one value of at most `itemsMax` items. Byte strings are views of one copy of the input.
 *
 * @throws Rejection `evidence-too-large`, or `evidence-malformed` for a tag, float, chunked string, key given twice,
 *   integer longer than needed, text that is not UTF-8, and bytes after the value
 */
export function decodeForeign(bytes: Uint8Array, itemsMax = EVIDENCE_ITEMS_MAX): Foreign {
  if (bytes.length > EVIDENCE_BYTES_MAX) {
    throw new Rejection('evidence-too-large', `evidence: ${bytes.length} bytes, at most ${EVIDENCE_BYTES_MAX}`)
  }
  const reader = { bytes: Uint8Array.from(bytes), at: 0, items: itemsMax }
  const value = readItem(reader, 0)
  if (reader.at !== bytes.length) throw malformed(reader, 'bytes after the value')
  return value
}

function readItem(reader: Reader, depth: number): Foreign {
  if (depth > EVIDENCE_DEPTH_MAX) throw malformed(reader, `deeper than ${EVIDENCE_DEPTH_MAX}`)
  if (--reader.items < 0) throw malformed(reader, 'too many items')
  const initial = readByte(reader)
  const low = initial & 31
  switch (initial >> 5) {
    case 0:
      return readArgument(reader, low)
    case 1:
      return -1 - readArgument(reader, low)
    case 2:
      return readString(reader, low)
    case 3:
      return readText(reader, low)
    case 4:
      return readArray(reader, low, depth)
    case 5:
      return readMap(reader, low, depth)
    case 7:
      if (low === 20) return false
      if (low === 21) return true
      if (low === 22) return null
      throw malformed(reader, 'a float or simple value')
    default:
      throw malformed(reader, 'a tag')
  }
}

function readArray(reader: Reader, low: number, depth: number): readonly Foreign[] {
  const values: Foreign[] = []
  for (const more = counter(reader, low); more();) values.push(readItem(reader, depth + 1))
  return values
}

function readMap(reader: Reader, low: number, depth: number): ReadonlyMap<number | string, Foreign> {
  const map = new Map<number | string, Foreign>()
  for (const more = counter(reader, low); more();) {
    const key = readItem(reader, depth + 1)
    if (typeof key !== 'string' && typeof key !== 'number') throw malformed(reader, 'a map key of another type')
    if (map.has(key)) throw malformed(reader, 'a map key twice')
    map.set(key, readItem(reader, depth + 1))
  }
  return map
}

/** Whether a container goes on: by its count, or until its break. */
function counter(reader: Reader, low: number): () => boolean {
  if (low === INDEFINITE) {
    return () => {
      if (reader.bytes[reader.at] !== BREAK) return true
      reader.at++
      return false
    }
  }
  let left = readArgument(reader, low)
  return () => left-- > 0
}

function readText(reader: Reader, low: number): string {
  const bytes = readString(reader, low)
  try {
    return utf8.decode(bytes)
  } catch {
    throw malformed(reader, 'text that is not utf-8')
  }
}

function readString(reader: Reader, low: number): Uint8Array {
  const length = readArgument(reader, low)
  if (length > reader.bytes.length - reader.at) throw malformed(reader, 'ends early')
  reader.at += length
  return reader.bytes.subarray(reader.at - length, reader.at)
}

function readArgument(reader: Reader, low: number): number {
  if (low < 24) return low
  if (low > 27) throw malformed(reader, 'an indefinite or reserved length')
  const size = 1 << (low - 24)
  let value = 0
  for (let index = 0; index < size; index++) value = value * 256 + readByte(reader)
  if (!Number.isSafeInteger(value)) throw malformed(reader, 'an integer over 53 bits')
  if (value < (size === 1 ? 24 : 2 ** (4 * size))) throw malformed(reader, 'an integer longer than needed')
  return value
}

function readByte(reader: Reader): number {
  const byte = reader.bytes[reader.at]
  if (byte === undefined) throw malformed(reader, 'ends early')
  reader.at++
  return byte
}

function malformed(reader: Reader, what: string): Rejection {
  return new Rejection('evidence-malformed', `evidence: cbor: ${what} at ${reader.at}`)
}
