/** Rows of versions and shares: what is served is what was stored, and nothing else is read. */
import { expect, test } from 'vitest'

import { SIGNATURE_BYTES } from './device.ts'
import { parseDeviceId } from './ids.ts'
import { decodeShareRow, decodeVersionRow, encodeShareRow, encodeVersionRow, SHARE_ROW_BYTES } from './row.ts'

const version = { signature: new Uint8Array(SIGNATURE_BYTES).fill(7), header: new Uint8Array(400).fill(8) }

test('a version reads back as it was written, whether it has an outline or not', () => {
  for (const outline of [null, new Uint8Array(0), new Uint8Array(300).fill(1)]) {
    for (const count of [0, 1, 512]) {
      const row = { ...version, recipients: new Uint8Array(32 * count).fill(9), outline }
      expect(decodeVersionRow(encodeVersionRow(row))).toEqual(row)
    }
  }
})

test('a version that is cut off, or has more behind its end, is none', () => {
  const row = encodeVersionRow({ ...version, recipients: new Uint8Array(64), outline: null })
  for (const cut of [0, 10, SIGNATURE_BYTES + 1, SIGNATURE_BYTES + 100, row.length - 1]) {
    expect(() => decodeVersionRow(row.subarray(0, cut))).toThrow(/not in its parts/)
  }
  const [longer, unflagged] = [new Uint8Array([...row, 0]), row.with(row.length - 1, 2)]
  for (const other of [longer, unflagged]) expect(() => decodeVersionRow(other)).toThrow(/not in its parts/)
})

test('a share reads back as it was written', () => {
  const [sharer, recipient] = [parseDeviceId(new Uint8Array(32).fill(1)), parseDeviceId(new Uint8Array(32).fill(2))]
  const share = { epoch: 2 ** 32 - 2, sealed: new Uint8Array(128).fill(3), sharer, recipient }
  const row = encodeShareRow(share)
  expect(row.length).toBe(SHARE_ROW_BYTES)
  expect(decodeShareRow(row, recipient)).toEqual(share)
  expect(() => decodeShareRow(row.subarray(1), recipient)).toThrow(/device id/)
})
