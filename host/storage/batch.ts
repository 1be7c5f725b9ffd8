/**
 * What became durable with one write: the frames of many vaults, behind a record of how many bytes they are.
 *
 * ```
 * u32 length of record and frames | u8 kind = 2 | u32 CRC-32 of the frames | u32 CRC-32 of these 9 bytes   (big endian)
 * ```
 * A log's file is grown with zeros ahead of what is written, since a write that grows a file costs a second write of
 * the file system's. So a write that a crash interrupts leaves some sectors written and others zero, in any order, in a
 * file that does not end there. The record tells such a tear from damage: only the last batch of a log can be torn (the
 * next is written when all before it is durable), and then a sector of it still ends in zeros.
 */
import { crc32 } from 'node:zlib'

export const BATCH_BYTES = 13

const KIND_BATCH = 2
const CHECKED_BYTES = 9
/** What a disk writes whole or not at all: the least there is (4,096 on newer ones, which are of these). */
const SECTOR_BYTES = 512
/** Zeros at the end of a sector's part that ciphertext does not have by chance. */
const ZEROS = 16

export interface Batch {
  /** With the record, in bytes. */
  readonly length: number
  readonly checksum: number
}

/** The record in front of these parts of frames. */
export function encodeBatch(parts: readonly Uint8Array[]): Uint8Array {
  let length = BATCH_BYTES
  let checksum = 0
  for (const part of parts) {
    length += part.length
    checksum = crc32(part, checksum)
  }
  const bytes = new Uint8Array(BATCH_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, length)
  view.setUint8(4, KIND_BATCH)
  view.setUint32(5, checksum)
  view.setUint32(CHECKED_BYTES, crc32(bytes.subarray(0, CHECKED_BYTES)))
  return bytes
}

/** The record at the start of `bytes`, or `undefined` when there is none. */
export function decodeBatch(bytes: Uint8Array): Batch | undefined {
  if (bytes.length < BATCH_BYTES || bytes[4] !== KIND_BATCH) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, BATCH_BYTES)
  if (view.getUint32(CHECKED_BYTES) !== crc32(bytes.subarray(0, CHECKED_BYTES))) return undefined
  const length = view.getUint32(0)
  return length > BATCH_BYTES ? { length, checksum: view.getUint32(5) } : undefined
}

/** Whether these may be the first bytes of a record, and zeros. */
export function isPartOfRecord(bytes: Uint8Array): boolean {
  return bytes[4] === KIND_BATCH || bytes[4] === 0
}

/** Whether one of the sectors that these bytes lie in was not written: its part of them ends in zeros. */
export function hasUnwrittenSector(bytes: Uint8Array, offset: number): boolean {
  for (let from = 0; from < bytes.length;) {
    const to = Math.min(from + SECTOR_BYTES - ((offset + from) % SECTOR_BYTES), bytes.length)
    if (bytes.subarray(Math.max(from, to - ZEROS), to).every((byte) => byte === 0)) return true
    from = to
  }
  return false
}
