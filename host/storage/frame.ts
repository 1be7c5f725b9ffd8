/**
 * How frames lie in the log. What is here needs no key and trusts nothing.
 *
 * ```
 * u32 length of the frame | u8 kind = 1 | vault tag 16 | key id 8 | segment 8 | u64 sequence | u32 CRC-32 of these 45
 * bytes | sealed body | AEAD tag 16                                                                    (big endian)
 * ```
 * The checksum tells a damaged header from a torn one: without it a flipped bit in a length would look like a frame
 * that ends past the file, and all behind it would be cut as a torn tail. It stops accidents; the AEAD stops people.
 *
 * Frames stand in batches (`batch.ts`); those of an older log stand by themselves. A tail is torn when the file ends
 * inside a frame or a batch, or when the last batch was written in part. A torn tail looks like a truncation and is
 * cut: only the anchor, a head that somebody else remembers, tells them apart. Zeros behind the last frame are room.
 */
import { crc32 } from 'node:zlib'

import { Refusal } from '#host/errors.ts'
import { FRAME_BYTES_MAX, LOG_WINDOW_BYTES } from '#host/limits.ts'
import { type Batch, BATCH_BYTES, decodeBatch, hasUnwrittenSector, isPartOfRecord } from './batch.ts'
import { KEY_ID_BYTES, SEGMENT_BYTES, TAG_BYTES } from './keys.ts'
import type { LogStore } from './port.ts'

export const HEADER_BYTES = 49
export const SEAL_BYTES = 16

const KIND_FRAME = 1
const TAG_AT = 5
const KEY_ID_AT = TAG_AT + TAG_BYTES
const SEGMENT_AT = KEY_ID_AT + KEY_ID_BYTES
const SEQUENCE_AT = SEGMENT_AT + SEGMENT_BYTES
const CHECKSUM_AT = SEQUENCE_AT + 8

export interface FrameHeader {
  /** Of the whole frame, in bytes. */
  readonly length: number
  readonly tag: Uint8Array
  readonly keyId: Uint8Array
  readonly segment: Uint8Array
  readonly sequence: number
}

export function encodeHeader({ length, tag, keyId, segment, sequence }: FrameHeader): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, length)
  view.setUint8(4, KIND_FRAME)
  bytes.set(tag, TAG_AT)
  bytes.set(keyId, KEY_ID_AT)
  bytes.set(segment, SEGMENT_AT)
  view.setUint32(SEQUENCE_AT, sequence / 2 ** 32)
  view.setUint32(SEQUENCE_AT + 4, sequence)
  view.setUint32(CHECKSUM_AT, crc32(bytes.subarray(0, CHECKSUM_AT)))
  return bytes
}

/** The header at the start of `bytes`, or `undefined` when there is none. */
export function decodeHeader(bytes: Uint8Array): FrameHeader | undefined {
  if (bytes.length < HEADER_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES)
  const length = view.getUint32(0)
  const sequence = view.getUint32(SEQUENCE_AT) * 2 ** 32 + view.getUint32(SEQUENCE_AT + 4)
  if (view.getUint32(CHECKSUM_AT) !== crc32(bytes.subarray(0, CHECKSUM_AT))) return undefined
  if (view.getUint8(4) !== KIND_FRAME || !Number.isSafeInteger(sequence)) return undefined
  if (length < HEADER_BYTES + SEAL_BYTES || length > FRAME_BYTES_MAX) return undefined
  return {
    length,
    sequence,
    // Copies: a header outlives the window it was read from, and `slice` of a Buffer is a view.
    tag: new Uint8Array(bytes.subarray(TAG_AT, KEY_ID_AT)),
    keyId: new Uint8Array(bytes.subarray(KEY_ID_AT, SEGMENT_AT)),
    segment: new Uint8Array(bytes.subarray(SEGMENT_AT, SEQUENCE_AT)),
  }
}

/** Reads a log through one window, so that neighbours cost one read. Answers are short at the end of the log only. */
function windowOf(store: LogStore): (from: number, length: number) => Promise<Uint8Array> {
  let start = 0
  let window: Uint8Array = new Uint8Array(0)
  return async (from, length) => {
    if (from < start || from + length > start + window.length) {
      start = from
      window = await store.read({ from, to: from + Math.max(length, LOG_WINDOW_BYTES) })
    }
    return window.subarray(from - start, from - start + length)
  }
}

export interface Indexed {
  /** Where the last whole frame ends. */
  readonly whole: number
  /** Bytes behind it that a crash left half written: without the zeros that nothing was written to. */
  readonly torn: number
}

/**
 * Visits the header of every whole frame in order; of a torn batch, none.
 *
 * @throws Refusal `journal-tampered` at the first bytes that neither are a frame nor a torn one
 */
export async function indexFrames(
  store: LogStore,
  visit: (header: FrameHeader, offset: number) => void,
): Promise<Indexed> {
  const read = windowOf(store)
  let offset = 0
  while (offset + HEADER_BYTES <= store.size) {
    const bytes = await read(offset, HEADER_BYTES)
    const batch = decodeBatch(bytes)
    const header = batch ? undefined : decodeHeader(bytes)
    if (batch !== undefined) {
      const end = offset + batch.length
      if (end > store.size) break
      const isLast = await isLastAt(read, { end, size: store.size })
      if (isLast && (await isTorn(read, { offset, batch }))) break
      for (let at = offset + BATCH_BYTES; at < end;) at += await visitAt(read, { at, end, visit })
      offset = end
    } else if (header !== undefined) {
      if (offset + header.length > store.size) break
      visit(header, offset)
      offset += header.length
    } else {
      if (await allZero(read, { from: offset, to: store.size })) return { whole: offset, torn: 0 }
      if (await isTornRecord(read, { offset, size: store.size })) break
      throw damaged(offset)
    }
  }
  return { whole: offset, torn: store.size - offset }
}

type Read = ReturnType<typeof windowOf>

/** One frame inside a batch that is whole. */
async function visitAt(
  read: Read,
  { at, end, visit }: { at: number; end: number; visit: (header: FrameHeader, offset: number) => void },
): Promise<number> {
  const header = decodeHeader(await read(at, HEADER_BYTES))
  if (header === undefined || at + header.length > end) throw damaged(at)
  visit(header, at)
  return header.length
}

/** Whether nothing was written behind a batch: what has something behind it was durable before. */
async function isLastAt(read: Read, { end, size }: { end: number; size: number }): Promise<boolean> {
  const next = await read(end, Math.min(BATCH_BYTES, size - end))
  return decodeBatch(next) === undefined && (await allZero(read, { from: end, to: size }))
}

async function isTorn(read: Read, { offset, batch }: { offset: number; batch: Batch }): Promise<boolean> {
  const bytes = await read(offset, batch.length)
  return crc32(bytes.subarray(BATCH_BYTES)) !== batch.checksum && hasUnwrittenSector(bytes, offset)
}

/** Whether the last batch lost its record, or all but a part of it: no batch that came after is behind it. */
async function isTornRecord(read: Read, { offset, size }: { offset: number; size: number }): Promise<boolean> {
  const record = await read(offset, BATCH_BYTES)
  if (isPartOfRecord(record) && (await allZero(read, { from: offset + BATCH_BYTES, to: size }))) return true
  if (!hasUnwrittenSector(record, offset)) return false
  for (let at = offset; at + BATCH_BYTES <= size; at += LOG_WINDOW_BYTES) {
    // Windows overlap by a record.
    const bytes = await read(at, Math.min(LOG_WINDOW_BYTES + BATCH_BYTES, size - at))
    for (let from = 0; from + BATCH_BYTES <= bytes.length; from++) {
      if (decodeBatch(bytes.subarray(from, from + BATCH_BYTES)) !== undefined) return false
    }
  }
  return true
}

function damaged(offset: number): Refusal {
  return new Refusal(
    'journal-tampered',
    `byte ${offset} of the log does not start a frame: restore the log from a copy`,
  )
}

async function allZero(
  read: (from: number, length: number) => Promise<Uint8Array>,
  { from, to }: { from: number; to: number },
): Promise<boolean> {
  for (let at = from; at < to; at += LOG_WINDOW_BYTES) {
    const bytes = await read(at, Math.min(LOG_WINDOW_BYTES, to - at))
    if (bytes.some((byte) => byte !== 0)) return false
  }
  return true
}
