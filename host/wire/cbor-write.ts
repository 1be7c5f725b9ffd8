/** Writing vine-CBOR: see cbor.ts. */
import { Refusal } from '#host/errors.ts'
import { CBOR_DEPTH_MAX, CBOR_SPARE_BYTES } from '#host/limits.ts'

import { bagPrototype } from './bag.ts'
import { compareBytes } from './bytes.ts'
import type { Cbor } from './cbor-value.ts'

export interface Writer {
  bytes: Uint8Array
  length: number
  /** Items still allowed. */
  items: number
}

type Key = number | string

const utf8 = new TextEncoder()
const TWO_32 = 0x1_0000_0000

/** Text up to this many ASCII characters is cheaper to write by hand than through the platform's encoder. */
const SHORT_TEXT = 40

let spare: Writer | undefined

/** A writer for one value; a call made while one is borrowed (from a getter, say) gets its own. */
export function borrowWriter(itemsMax: number): Writer {
  const writer = spare ?? { bytes: new Uint8Array(CBOR_SPARE_BYTES), length: 0, items: 0 }
  spare = undefined
  writer.items = itemsMax
  return writer
}

/** Takes a writer back, also after a throw. What it wrote is erased: it may have been a secret. */
export function returnWriter(writer: Writer): void {
  writer.bytes.fill(0, 0, writer.length)
  writer.length = 0
  if (writer.bytes.length === CBOR_SPARE_BYTES) spare = writer
}

export function writeItem(writer: Writer, value: Cbor, depth: number): void {
  if (depth > CBOR_DEPTH_MAX) throw new Refusal('too-large', `cbor: deeper than ${CBOR_DEPTH_MAX}`)
  if (--writer.items < 0) throw new Refusal('too-large', 'cbor: too many items')
  switch (typeof value) {
    case 'number':
      return writeInteger(writer, value)
    case 'string':
      return writeText(writer, value)
    case 'boolean':
      return writeByte(writer, value ? 0xf5 : 0xf4)
    case 'bigint':
      return writeBigint(writer, value)
    case 'object':
      if (value === null) return writeByte(writer, 0xf6)
      if (value instanceof Uint8Array) return writeBytes(writer, value)
      if (Array.isArray(value)) return writeArray(writer, value, depth)
      return value instanceof Map ? writeMap(writer, value, depth) : writeObject(writer, value, depth)
    case 'undefined':
    case 'function':
    case 'symbol':
      throw new Refusal('malformed', `cbor: cannot hold ${typeof value}`)
  }
}

function reserve(writer: Writer, count: number): void {
  const needed = writer.length + count
  if (needed <= writer.bytes.length) return
  const grown = new Uint8Array(Math.max(writer.bytes.length * 2, needed))
  grown.set(writer.bytes.subarray(0, writer.length))
  writer.bytes.fill(0, 0, writer.length)
  writer.bytes = grown
}

function writeByte(writer: Writer, byte: number): void {
  reserve(writer, 1)
  writer.bytes[writer.length++] = byte
}

function writeHead(writer: Writer, major: number, argument: number): void {
  reserve(writer, 9)
  const { bytes } = writer
  const type = major << 5
  if (argument < 24) {
    bytes[writer.length++] = type | argument
  } else if (argument < 0x100) {
    bytes[writer.length++] = type | 24
    bytes[writer.length++] = argument
  } else if (argument < 0x10000) {
    bytes[writer.length++] = type | 25
    bytes[writer.length++] = argument >> 8
    bytes[writer.length++] = argument
  } else if (argument < TWO_32) {
    bytes[writer.length++] = type | 26
    writeUint32(writer, argument)
  } else {
    bytes[writer.length++] = type | 27
    writeUint32(writer, Math.floor(argument / TWO_32))
    writeUint32(writer, argument % TWO_32)
  }
}

function writeUint32(writer: Writer, value: number): void {
  const { bytes } = writer
  bytes[writer.length++] = value >>> 24
  bytes[writer.length++] = value >>> 16
  bytes[writer.length++] = value >>> 8
  bytes[writer.length++] = value
}

function writeInteger(writer: Writer, value: number): void {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
    throw new Refusal('malformed', `cbor: ${Object.is(value, -0) ? '-0' : value} is not a safe integer`)
  }
  if (value >= 0) writeHead(writer, 0, value)
  else writeHead(writer, 1, -1 - value)
}

function writeBigint(writer: Writer, value: bigint): void {
  if (value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)) {
    return writeInteger(writer, Number(value))
  }
  const argument = value < 0n ? -1n - value : value
  if (argument > 0xffff_ffff_ffff_ffffn) throw new Refusal('malformed', 'cbor: integer over 64 bits')
  reserve(writer, 9)
  writer.bytes[writer.length++] = value < 0n ? 0x3b : 0x1b
  writeUint32(writer, Number(argument >> 32n))
  writeUint32(writer, Number(argument & 0xffff_ffffn))
}

function writeBytes(writer: Writer, value: Uint8Array): void {
  writeHead(writer, 2, value.length)
  reserve(writer, value.length)
  writer.bytes.set(value, writer.length)
  writer.length += value.length
}

function writeText(writer: Writer, text: string): void {
  if (text.length < SHORT_TEXT && writeShortAscii(writer, text)) return
  if (!text.isWellFormed()) throw new Refusal('malformed', 'cbor: text with a lone surrogate')
  const encoded = utf8.encode(text)
  writeHead(writer, 3, encoded.length)
  reserve(writer, encoded.length)
  writer.bytes.set(encoded, writer.length)
  writer.length += encoded.length
}

/** Leaves the writer as it was when a character is not ASCII. */
function writeShortAscii(writer: Writer, text: string): boolean {
  const start = writer.length
  reserve(writer, text.length + 2)
  writeHead(writer, 3, text.length)
  const { bytes } = writer
  let at = writer.length
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit > 0x7f) {
      writer.length = start
      return false
    }
    bytes[at++] = unit
  }
  writer.length = at
  return true
}

function writeArray(writer: Writer, values: readonly Cbor[], depth: number): void {
  const count = values.length
  writeHead(writer, 4, count)
  // By index, so that a hole is met as undefined and refused; the type says there is none.
  for (let index = 0; index < count; index++) writeItem(writer, values[index] as Cbor, depth + 1)
}

function writeObject(writer: Writer, value: object, depth: number): void {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== bagPrototype && prototype !== null) {
    throw new Refusal('malformed', 'cbor: cannot hold an object with a class')
  }
  const record = value as Readonly<Record<string, Cbor>>
  const keys = Object.keys(record)
  if (!sorted(keys)) keys.sort(compareText)
  writeHead(writer, 5, keys.length)
  for (const key of keys) {
    writeItem(writer, key, depth + 1)
    writeItem(writer, record[key] as Cbor, depth + 1)
  }
}

function writeMap(writer: Writer, map: ReadonlyMap<unknown, Cbor>, depth: number): void {
  const entries: [encoded: Uint8Array, key: Key, value: Cbor][] = []
  for (const [key, value] of map) {
    if (typeof key !== 'string' && !Number.isSafeInteger(key)) {
      throw new Refusal('malformed', 'cbor: a map key must be text or a safe integer')
    }
    const start = writer.length
    writeItem(writer, key as Key, depth + 1)
    entries.push([writer.bytes.slice(start, writer.length), key as Key, value])
    writer.bytes.fill(0, start, writer.length)
    writer.length = start
  }
  entries.sort((a, b) => compareBytes(a[0], b[0]))
  writeHead(writer, 5, entries.length)
  for (const [encoded, , value] of entries) {
    reserve(writer, encoded.length)
    writer.bytes.set(encoded, writer.length)
    writer.length += encoded.length
    writeItem(writer, value, depth + 1)
  }
}

function sorted(keys: readonly string[]): boolean {
  for (let index = 1; index < keys.length; index++) {
    if (compareText(keys[index - 1] as string, keys[index] as string) > 0) return false
  }
  return true
}

/** Bytewise order of encoded keys: the head holds the UTF-8 length, so the shorter one comes first. */
function compareText(a: string, b: string): number {
  if (isAscii(a) && isAscii(b)) return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0)
  const x = utf8.encode(a)
  const y = utf8.encode(b)
  return x.length - y.length || compareBytes(x, y)
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0x7f) return false
  return true
}
