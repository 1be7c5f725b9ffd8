/**
 * A version and a share in the bytes that a vault keeps and serves: what was stored goes out as it is, and who reads it
 * looks at its parts as views. Numbers are big-endian.
 */
import { Refusal } from '#host/errors.ts'
import { joinBytes } from '#host/wire/bytes.ts'

import { SIGNATURE_BYTES } from './device.ts'
import { type DeviceId, HASH_BYTES, parseDeviceId } from './ids.ts'
import type { Share } from './model.ts'
import { SHARE_BYTES } from './share.ts'

/** A version without its content. */
export interface VersionRow {
  readonly signature: Uint8Array
  readonly header: Uint8Array
  /** Who got a share with it, 32 bytes each, in a row. */
  readonly recipients: Uint8Array
  readonly outline: Uint8Array | null
}

/** `u32 epoch | sealed | sharer`. */
export const SHARE_ROW_BYTES = 4 + SHARE_BYTES + HASH_BYTES

/** `signature | u16 | header | u16 | recipients | u8 whether there is an outline | outline`. */
export function encodeVersionRow({ signature, header, recipients, outline }: VersionRow): Uint8Array {
  const sealed = outline === null ? [[0]] : [[1], outline]
  return joinBytes([signature, u16(header.length), header, u16(recipients.length), recipients, ...sealed])
}

/** @throws Refusal `malformed` for bytes that `encodeVersionRow` does not write */
export function decodeVersionRow(bytes: Uint8Array): VersionRow {
  let at = SIGNATURE_BYTES
  const part = (): Uint8Array => {
    const start = at + 2
    at = start + (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0)
    return bytes.subarray(start, at)
  }
  const row = { signature: bytes.subarray(0, SIGNATURE_BYTES), header: part(), recipients: part() }
  // Lengths that reach beyond the end leave nothing here.
  const flag = bytes[at]
  if (flag === 1) return { ...row, outline: bytes.subarray(at + 1) }
  if (flag !== 0 || at + 1 !== bytes.length) throw new Refusal('malformed', 'version: not in its parts')
  return { ...row, outline: null }
}

export function encodeShareRow({ epoch, sealed, sharer }: Share): Uint8Array {
  return joinBytes([u16(epoch >>> 16), u16(epoch & 0xffff), sealed, sharer])
}

/** @throws Refusal `malformed` unless there are `SHARE_ROW_BYTES` */
export function decodeShareRow(bytes: Uint8Array, recipient: DeviceId): Share {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const sharer = parseDeviceId(bytes.subarray(4 + SHARE_BYTES))
  return { epoch: view.getUint32(0), sealed: bytes.subarray(4, 4 + SHARE_BYTES), sharer, recipient }
}

function u16(number: number): readonly number[] {
  return [number >>> 8, number & 0xff]
}
