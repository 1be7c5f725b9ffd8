/** Reading vine-CBOR: see cbor.ts. One pass; no length is believed before its bytes are known to be there. */
import { Refusal } from '#host/errors.ts'

import { emptyBag } from './bag.ts'
import type { Cbor } from './cbor-value.ts'

export interface Reader {
  readonly bytes: Uint8Array
  at: number
  /** Items still allowed. */
  items: number
  readonly depthMax: number
  readonly views: boolean
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const TWO_32 = 0x1_0000_0000

/** Text up to this many ASCII characters is cheaper to build by hand than through the platform's decoder. */
const SHORT_TEXT = 12

export function readItem(reader: Reader, depth: number): Cbor {
  if (depth > reader.depthMax) throw new Refusal('too-large', `cbor: deeper than ${reader.depthMax}`)
  if (--reader.items < 0) throw new Refusal('too-large', 'cbor: too many items')
  const initial = readByte(reader)
  const low = initial & 31
  switch (initial >> 5) {
    case 0:
      return readArgument(reader, low)
    case 1: {
      const argument = readArgument(reader, low)
      if (typeof argument === 'bigint') return -1n - argument
      return argument === Number.MAX_SAFE_INTEGER ? -1n - BigInt(argument) : -1 - argument
    }
    case 2:
      return readBytes(reader, readLength(reader, low, 1))
    case 3:
      return readText(reader, readLength(reader, low, 1))
    case 4: {
      const count = readLength(reader, low, 1)
      const values: Cbor[] = []
      for (let index = 0; index < count; index++) values.push(readItem(reader, depth + 1))
      return values
    }
    case 5:
      return readMap(reader, readLength(reader, low, 2), depth)
    case 7:
      if (low === 20) return false
      if (low === 21) return true
      if (low === 22) return null
      throw malformed(reader, 'a float or simple value')
    default:
      throw malformed(reader, 'a tag')
  }
}

function malformed(reader: Reader, what: string): Refusal {
  return new Refusal('malformed', `cbor: ${what} at ${reader.at}`)
}

function readByte(reader: Reader): number {
  const byte = reader.bytes[reader.at]
  if (byte === undefined) throw malformed(reader, 'ends early')
  reader.at++
  return byte
}

function readUint32(reader: Reader): number {
  const high = (readByte(reader) << 8) | readByte(reader)
  return high * 0x10000 + ((readByte(reader) << 8) | readByte(reader))
}

function readArgument(reader: Reader, low: number): number | bigint {
  if (low < 24) return low
  let value: number
  let least: number
  if (low === 24) {
    value = readByte(reader)
    least = 24
  } else if (low === 25) {
    value = (readByte(reader) << 8) | readByte(reader)
    least = 0x100
  } else if (low === 26) {
    value = readUint32(reader)
    least = 0x10000
  } else if (low === 27) {
    const high = readUint32(reader)
    const rest = readUint32(reader)
    if (high > 0x1f_ffff) return (BigInt(high) << 32n) | BigInt(rest)
    value = high * TWO_32 + rest
    least = TWO_32
  } else {
    throw malformed(reader, 'an indefinite or reserved length')
  }
  if (value < least) throw malformed(reader, 'an integer longer than needed')
  return value
}

/** A count of things that need at least `size` bytes each. */
function readLength(reader: Reader, low: number, size: number): number {
  const length = readArgument(reader, low)
  if (typeof length === 'bigint' || length * size > reader.bytes.length - reader.at) {
    throw malformed(reader, 'ends early')
  }
  return length
}

function readBytes(reader: Reader, length: number): Uint8Array {
  const start = reader.at
  reader.at += length
  return reader.views ? reader.bytes.subarray(start, reader.at) : reader.bytes.slice(start, reader.at)
}

function readText(reader: Reader, length: number): string {
  const { bytes } = reader
  const start = reader.at
  const end = start + length
  reader.at = end
  if (length <= SHORT_TEXT) {
    let text = ''
    let at = start
    for (; at < end; at++) {
      const byte = bytes[at] as number
      if (byte > 0x7f) break
      text += String.fromCharCode(byte)
    }
    if (at === end) return text
  }
  try {
    return utf8.decode(bytes.subarray(start, end))
  } catch {
    throw malformed(reader, 'text that is not utf-8')
  }
}

function readMap(reader: Reader, count: number, depth: number): Cbor {
  let object: Record<string, Cbor> | undefined = emptyBag<Cbor>()
  let map: Map<number | string, Cbor> | undefined
  let previousStart = -1
  let previousEnd = -1
  for (let index = 0; index < count; index++) {
    const start = reader.at
    const key = readItem(reader, depth + 1)
    if (typeof key !== 'string' && typeof key !== 'number') throw malformed(reader, 'a map key of another type')
    if (index > 0) assertAfter(reader, { start: previousStart, end: previousEnd }, { start, end: reader.at })
    previousStart = start
    previousEnd = reader.at
    const value = readItem(reader, depth + 1)
    if (object !== undefined && typeof key === 'number') {
      map = new Map(Object.entries(object))
      object = undefined
    }
    if (object === undefined) map?.set(key, value)
    else object[key as string] = value
  }
  return object ?? (map as Map<number | string, Cbor>)
}

interface Range {
  readonly start: number
  readonly end: number
}

function assertAfter(reader: Reader, before: Range, after: Range): void {
  const { bytes } = reader
  // No encoded key is a prefix of another one, so the first difference decides.
  let left = before.start
  let right = after.start
  while (left < before.end && bytes[left] === bytes[right]) {
    left++
    right++
  }
  if (left === before.end) throw malformed(reader, 'a map key twice')
  if ((bytes[left] as number) > (bytes[right] as number)) throw malformed(reader, 'a map key out of order')
}
