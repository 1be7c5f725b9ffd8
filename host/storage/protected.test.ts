/** Limits of what an enclave keeps of a vault: the most is read back, one more is neither read nor written. */
import { expect, test } from 'vitest'

import type { Enclave } from '#host/crypto/enclave.ts'
import { VERIFY_KEY_BYTES } from '#host/crypto/sizes.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { MOVE_APPROVAL_BYTES_MAX, PROTECTED_BYTES_MAX, UNLOCKERS_MAX } from './limits.ts'
import {
  decodeProtected,
  encodeProtected,
  type Header,
  type Move,
  openHeader,
  type Seat,
  sealHeader,
} from './protected.ts'

/** Its seal shows what is in it, and adds as much as a real one does. */
const SEAL = new Uint8Array(64)
const enclave = {
  seal: (secret: Uint8Array) => Uint8Array.from([...secret, ...SEAL]),
  open: (blob: Uint8Array) => blob.slice(0, -SEAL.length),
} as Partial<Enclave> as Enclave

const moving = (approval: number): Move => ({
  phase: 'handed',
  request: new Uint8Array(16),
  to: new Uint8Array(48),
  release: 'x'.repeat(64),
  serial: Number.MAX_SAFE_INTEGER,
  approval: new Uint8Array(approval),
  device: new Uint8Array(VERIFY_KEY_BYTES),
})
const headerOf = (unlockers: number, move: Move | null): Header => ({
  seq: Number.MAX_SAFE_INTEGER,
  epoch: Number.MAX_SAFE_INTEGER,
  pepper: new Uint8Array(32),
  salt: new Uint8Array(16),
  unlockers: Array.from({ length: unlockers }, () => new Uint8Array(32)),
  state: { sequence: Number.MAX_SAFE_INTEGER, chain: new Uint8Array(32), epoch: Number.MAX_SAFE_INTEGER },
  failures: Number.MAX_SAFE_INTEGER,
  notBefore: 8_640_000_000_000_000,
  serial: Number.MAX_SAFE_INTEGER,
  renew: true,
  move,
  from: new Uint8Array(48),
})
const seatOf = (header: Uint8Array): Seat => ({
  measurement: new Uint8Array(48),
  header,
  wrapped: new Uint8Array(1_024),
})
const refused = (code: string, why: string) => expect.objectContaining({ code, message: expect.stringContaining(why) })

test('the largest file there can be is read: two seats with the most devices, one of them with a move', () => {
  const headers = [moving(MOVE_APPROVAL_BYTES_MAX), null].map((move) => headerOf(UNLOCKERS_MAX, move))
  const seats = headers.map((header) => seatOf(sealHeader(enclave, 'alice', header)))
  const read = decodeProtected(encodeProtected({ keys: new Uint8Array(1_024), seats }))
  expect(read.seats.map((seat) => openHeader(enclave, 'alice', seat))).toEqual(headers)
})

test.each([
  ['more devices', headerOf(UNLOCKERS_MAX + 1, null), 'unlockers'],
  ['a longer approval', headerOf(1, moving(MOVE_APPROVAL_BYTES_MAX + 1)), 'move.approval'],
])('a header with %s is not written, nor read', (_name, header, why) => {
  expect(() => sealHeader(enclave, 'alice', header)).toThrow(refused('provision-invalid', why))
  const seat = seatOf(enclave.seal(encodeCbor(header), new Uint8Array(0)))
  expect(() => openHeader(enclave, 'alice', seat)).toThrow(refused('key-missing', why))
})

test('a larger file is not looked at', () => {
  const empty = encodeProtected({ keys: new Uint8Array(0), seats: [seatOf(new Uint8Array(0x100))] })
  const filled = (length: number): Uint8Array =>
    encodeProtected({ keys: new Uint8Array(0), seats: [seatOf(new Uint8Array(0x100 + length - empty.length))] })
  expect(decodeProtected(filled(PROTECTED_BYTES_MAX)).seats).toHaveLength(1)
  expect(() => decodeProtected(filled(PROTECTED_BYTES_MAX + 1))).toThrow(refused('key-missing', 'cannot be read'))
})
