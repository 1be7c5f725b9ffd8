/** Reads WebAssembly's binary primitives. Every read is bounded; what does not fit is refused with its position. */
import { Refusal } from '#host/errors.ts'
import { COMPONENT_ITEMS_MAX, COMPONENT_NAME_BYTES_MAX } from '#host/plugin/limits.ts'

/** A window of bytes with a reading position. */
export interface Cursor {
  readonly bytes: Uint8Array
  at: number
  readonly end: number
  readonly quota: Quota
}

/** Items a component may still list: one quota for all its parts. */
export interface Quota {
  items: number
}

export function openQuota(): Quota {
  return { items: COMPONENT_ITEMS_MAX }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function openCursor(bytes: Uint8Array, quota: Quota): Cursor {
  return { bytes, at: 0, end: bytes.length, quota }
}

/** A cursor over the next `length` bytes, which are skipped in the outer one. */
export function openPart(cursor: Cursor, length: number): Cursor {
  const at = cursor.at
  readBytes(cursor, length)
  return { bytes: cursor.bytes, at, end: at + length, quota: cursor.quota }
}

/** The number of items that follow. @throws Refusal too-large when the quota does not hold them */
export function readCount(cursor: Cursor): number {
  const count = readU32(cursor)
  cursor.quota.items -= count
  if (cursor.quota.items < 0) throw new Refusal('too-large', `component: more than ${COMPONENT_ITEMS_MAX} items`)
  return count
}

/** The refusal for a component that breaks the format, or uses what this host does not run. */
export function invalid(what: string, cause?: unknown): Refusal {
  return new Refusal('component-invalid', `component: ${what}`, cause === undefined ? undefined : { cause })
}

export function readByte(cursor: Cursor): number {
  const byte = cursor.at < cursor.end ? cursor.bytes[cursor.at] : undefined
  if (byte === undefined) throw invalid(`ends early at byte ${cursor.at}`)
  cursor.at += 1
  return byte
}

/** Unsigned LEB128 of at most 32 bits. */
export function readU32(cursor: Cursor): number {
  let value = 0
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = readByte(cursor)
    if (shift === 28 && byte > 0x0f) break
    value += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return value
  }
  throw invalid(`number too long at byte ${cursor.at}`)
}

/** Signed LEB128 of at most 33 bits: a type index when not negative, an opcode when negative. */
export function readS33(cursor: Cursor): number {
  let value = 0
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = readByte(cursor)
    value += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return byte & 0x40 ? value - 2 ** (shift + 7) : value
  }
  throw invalid(`number too long at byte ${cursor.at}`)
}

export function readName(cursor: Cursor): string {
  const length = readU32(cursor)
  if (length > COMPONENT_NAME_BYTES_MAX) throw invalid(`name of ${length} bytes at byte ${cursor.at}`)
  const bytes = readBytes(cursor, length)
  try {
    return utf8.decode(bytes)
  } catch (error) {
    throw invalid(`name is not utf-8 at byte ${cursor.at}`, error)
  }
}

/** The next `length` bytes, not copied. */
export function readBytes(cursor: Cursor, length: number): Uint8Array {
  if (length > cursor.end - cursor.at) throw invalid(`ends early at byte ${cursor.at}`)
  const bytes = cursor.bytes.subarray(cursor.at, cursor.at + length)
  cursor.at += length
  return bytes
}

export function readVector<T>(cursor: Cursor, readItem: (cursor: Cursor) => T): T[] {
  const count = readCount(cursor)
  const items: T[] = []
  for (let index = 0; index < count; index += 1) items.push(readItem(cursor))
  return items
}

/** `0x00`, or `0x01` and the item. */
export function readOptional<T>(cursor: Cursor, readItem: (cursor: Cursor) => T): T | undefined {
  const flag = readByte(cursor)
  if (flag === 0) return undefined
  if (flag === 1) return readItem(cursor)
  throw invalid(`flag ${flag} at byte ${cursor.at - 1}`)
}

export interface Section {
  readonly id: number
  readonly body: Cursor
}

/** Splits what is left into sections, each with a cursor bounded to its body. */
export function* readSections(cursor: Cursor): Generator<Section> {
  while (cursor.at < cursor.end) {
    const id = readByte(cursor)
    yield { id, body: openPart(cursor, readU32(cursor)) }
  }
}

export function expectEnd(cursor: Cursor): void {
  if (cursor.at !== cursor.end) throw invalid(`${cursor.end - cursor.at} bytes too many at byte ${cursor.at}`)
}
