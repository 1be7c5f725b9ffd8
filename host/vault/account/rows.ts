/** How the heads of entries and their versions are laid out as values: parts of fixed length first. */
import {
  type DeviceId,
  type Hash,
  parseDeviceId,
  parseHash,
  parseVersionId,
  type VersionId,
} from '#host/entries/ids.ts'
import type { Operation } from '#host/entries/model.ts'
import { decodeVersionRow, encodeVersionRow, type VersionRow } from '#host/entries/row.ts'
import { joinBytes } from '#host/wire/bytes.ts'

/** Where one entry stands. */
export interface EntryRecord {
  readonly seq: number
  readonly hash: Hash
  readonly version: VersionId
  /** The earliest version that is kept. */
  readonly first: number
  readonly operation: Operation
  /** Who signed the latest version. */
  readonly by: DeviceId
}

/** A version without its content. */
export interface HeldVersion extends VersionRow {
  readonly version: VersionId
  readonly hash: Hash
}

const OPERATIONS: readonly Operation[] = ['put', 'delete', 'restore']
const NUMBERS_BYTES = 9

/** `u8 operation | u32 seq | u32 first | version 16 | hash 32 | by 32`. */
export function encodeEntryRecord({ seq, hash, version, first, operation, by }: EntryRecord): Uint8Array {
  const numbers = new DataView(new ArrayBuffer(NUMBERS_BYTES))
  numbers.setUint8(0, OPERATIONS.indexOf(operation))
  numbers.setUint32(1, seq)
  numbers.setUint32(5, first)
  return joinBytes([new Uint8Array(numbers.buffer), version, hash, by])
}

export function decodeEntryRecord(value: Uint8Array): EntryRecord {
  const numbers = new DataView(value.buffer, value.byteOffset, NUMBERS_BYTES)
  const operation = OPERATIONS[numbers.getUint8(0)]
  if (operation === undefined) throw new Error('the head of an entry is not as it was written')
  const [version, hash, by] = [value.subarray(9, 25), value.subarray(25, 57), value.subarray(57)]
  return {
    seq: numbers.getUint32(1),
    first: numbers.getUint32(5),
    operation,
    version: parseVersionId(version),
    hash: parseHash(hash),
    by: parseDeviceId(by),
  }
}

/** `version 16 | hash 32 | row`. */
export function encodeHeldVersion({ version, hash, ...row }: HeldVersion): Uint8Array {
  return joinBytes([version, hash, encodeVersionRow(row)])
}

export function decodeHeldVersion(value: Uint8Array): HeldVersion {
  const { version, row } = rowOf(value)
  return { version, hash: parseHash(value.subarray(16, 48)), ...decodeVersionRow(row) }
}

/** What is served of a held version, and which one it is. */
export function rowOf(value: Uint8Array): { readonly version: VersionId; readonly row: Uint8Array } {
  return { version: parseVersionId(value.subarray(0, 16)), row: value.subarray(48) }
}
