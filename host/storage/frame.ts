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
 * A tail is torn when the file ends inside a frame, or when nothing but zeros follow the last whole frame (a file
 * system that grew the file before it wrote the data). A torn tail looks like a truncation and is cut: only the
 * anchor, a head that somebody else remembers, tells them apart.
 */
import { crc32 } from 'node:zlib'

import { Refusal } from '#host/errors.ts'
import { FRAME_BYTES_MAX, LOG_WINDOW_BYTES } from '#host/limits.ts'
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
export function windowOf(store: LogStore): (from: number, length: number) => Promise<Uint8Array> {
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

/**
 * Visits the header of every whole frame in order.
 *
 * @returns where the last whole frame ends: what follows is a torn tail
 * @throws Refusal `journal-tampered` at the first bytes that neither are a frame nor a torn one
 */
export async function indexFrames(
  store: LogStore,
  visit: (header: FrameHeader, offset: number) => void,
): Promise<number> {
  const read = windowOf(store)
  let offset = 0
  while (offset + HEADER_BYTES <= store.size) {
    const bytes = await read(offset, HEADER_BYTES)
    const header = decodeHeader(bytes)
    if (header === undefined) {
      if (await allZero(read, { from: offset, to: store.size })) break
      throw new Refusal(
        'journal-tampered',
        `byte ${offset} of the log does not start a frame: restore the log from a copy`,
      )
    }
    if (offset + header.length > store.size) break
    visit(header, offset)
    offset += header.length
  }
  return offset
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
