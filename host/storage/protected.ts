/**
 * A vault's keys as its owner and measured code hold them together: one file, replaced whole.
 *
 *     ['trellis/protected/1', keys, [[measurement, header, wrapped root], …]]
 *
 * The root key is born in an enclave and wrapped under `KEK = HKDF-SHA-256(owner secret ‖ pepper ‖ PIN hash)`; the
 * pepper is in the header, which opens for one measurement. So neither the owner's secret nor the enclave opens it
 * alone. Two seats are there while a vault moves from one image to the next. `keys` are the vault's KEKs under the root
 * key.
 */
import { hkdfSync, type KeyObject } from 'node:crypto'

import type { Enclave } from '#host/crypto/enclave.ts'
import { wrapSecret } from '#host/crypto/kdf.ts'
import { hashPin } from '#host/crypto/pin.ts'
import { openSalted, sealSalted } from '#host/crypto/salted.ts'
import { VERIFY_KEY_BYTES } from '#host/crypto/sizes.ts'
import { Refusal } from '#host/errors.ts'
import { bytesOf, bytesUpTo, check, timestamp, z } from '#host/schema.ts'
import { equalBytes, joinBytes } from '#host/wire/bytes.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { KEY_BYTES } from './keys.ts'
import { MOVE_APPROVAL_BYTES_MAX, PROTECTED_BYTES_MAX, UNLOCKERS_MAX } from './limits.ts'

const LABEL = 'trellis/protected/1'
const count = z.number().int().min(0)
const digest48 = bytesOf(48)
const head = z.strictObject({ sequence: count, chain: bytesOf(32), epoch: count })
const move = z.strictObject({
  phase: z.enum(['approved', 'handed']),
  request: bytesOf(16),
  to: digest48,
  release: z.string(),
  serial: count,
  /** What the owner signed, and the verify key of the device: the successor believes nobody else. */
  approval: bytesUpTo(MOVE_APPROVAL_BYTES_MAX),
  device: bytesOf(VERIFY_KEY_BYTES),
})
/** A move under way, as the image that is left has it. */
export type Move = z.infer<typeof move>

const header = z.strictObject({
  /** One more with each writing: a device remembers the highest. */
  seq: count,
  /** Of the root key. */
  epoch: count,
  pepper: bytesOf(KEY_BYTES),
  /** Of the PIN; null without one. */
  salt: bytesOf(16).nullable(),
  /** Hashes of the devices' verify keys: who may say the secret. */
  unlockers: z.array(bytesOf(32)).max(UNLOCKERS_MAX),
  /** How far the vault was when this was written. */
  state: head.nullable(),
  failures: count,
  notBefore: timestamp,
  /** Of the newest release that ran this vault. */
  serial: count,
  /** The KEKs are to be renewed: copies of how they were kept before open them. */
  renew: z.boolean(),
  move: move.nullable(),
  /** Where it came from, until the owner unlocks it here. */
  from: digest48.nullable(),
})
/** What an enclave keeps of a vault for itself: its key opens it, and no other's. */
export type Header = z.infer<typeof header>

/** What one measurement needs to open a vault, with the owner. */
export interface Seat {
  readonly measurement: Uint8Array
  readonly header: Uint8Array
  readonly wrapped: Uint8Array
}

export interface ProtectedRecord {
  readonly keys: Uint8Array
  /** One, or two while the vault moves. */
  readonly seats: readonly Seat[]
}

const recordSchema = z.tuple([
  z.literal(LABEL),
  bytesUpTo(1_024),
  z
    .array(z.tuple([digest48, bytesUpTo(PROTECTED_BYTES_MAX), bytesUpTo(1_024)]))
    .min(1)
    .max(2),
])

/** A sealed key of the installation starts with its version, 1; this with an array. */
export function isProtected(bytes: Uint8Array): boolean {
  return (bytes[0] ?? 0) >> 5 === 4
}

/** Vine-CBOR `[label, sealed keys, [[measurement, header, wrapped root], …]]`: one seat, two while a vault moves. */
export function encodeProtected({ keys, seats }: ProtectedRecord): Uint8Array {
  return encodeCbor([LABEL, keys, seats.map((seat) => [seat.measurement, seat.header, seat.wrapped])])
}

/** @throws Refusal `key-missing` */
export function decodeProtected(bytes: Uint8Array): ProtectedRecord {
  const value = decodeOr(() => decodeCbor(bytes, { bytesMax: PROTECTED_BYTES_MAX }), 'a protected key file')
  const [, keys, seats] = check(recordSchema, value, 'key-missing', 'a protected key file')
  return { keys, seats: seats.map(([measurement, opaque, wrapped]) => ({ measurement, header: opaque, wrapped })) }
}

/** This code's seat. @throws Refusal `key-missing` when there is none: the vault belongs to other code */
export function seatOf({ seats }: ProtectedRecord, { measurement }: Pick<Enclave, 'measurement'>): Seat {
  const seat = seats.find((candidate) => equalBytes(candidate.measurement, measurement))
  if (seat) return seat
  const whose = seats.map((candidate) => candidate.measurement.toHex().slice(0, 16)).join(', ')
  throw new Refusal('key-missing', `this vault is sealed for other code (${whose}…): start that image`)
}

/**
 * For this code alone, and for this vault.
 *
 * @throws Refusal `provision-invalid` for one that would open nowhere: as many devices, as long an approval
 */
export function sealHeader(enclave: Enclave, vault: string, value: Header): Uint8Array {
  const bytes = encodeCbor(check(header, value, 'provision-invalid', 'a header'))
  const sealed = enclave.seal(bytes, headerContext(vault))
  bytes.fill(0)
  return sealed
}

/** @throws Refusal `key-missing` for a header of another vault, other code or another backend */
export function openHeader(enclave: Enclave, vault: string, seat: Seat): Header {
  const bytes = enclave.open(seat.header, headerContext(vault))
  const value = decodeOr(() => decodeCbor(bytes), 'a header')
  bytes.fill(0)
  return check(header, value, 'key-missing', 'a header')
}

/** What the owner gives. */
export interface OwnerSecret {
  readonly secret: Uint8Array
  readonly pin: string | null
}

/** What the owner gives and what the enclave keeps, together: for `wrapRoot` and `unwrapRoot`. The caller wipes it. */
export async function ownerInput(
  { secret, pin }: OwnerSecret,
  { pepper, salt }: Pick<Header, 'pepper' | 'salt'>,
): Promise<Uint8Array> {
  if (!salt) return joinBytes([secret, pepper])
  const hashed = await hashPin(pin ?? '', salt)
  const input = joinBytes([secret, pepper, hashed])
  hashed.fill(0)
  return input
}

/** What a wrapped root key is bound to. */
export interface RootPlace {
  readonly vault: string
  readonly measurement: Uint8Array
  readonly epoch: number
}

/** Under a key of what the owner gave (`input`) and where it is kept. The root stays the caller's to wipe. */
export function wrapRoot(
  root: Uint8Array,
  { input, place, random }: { input: Uint8Array; place: RootPlace; random: (length: number) => Uint8Array },
): Uint8Array {
  return sealSalted({ key: kekOf(input, place), aad: rootContext(place) }, root, random)
}

/** The root key, for the caller to wrap or wipe. @throws Refusal `secret-wrong`, whichever part of it is */
export function unwrapRoot(wrapped: Uint8Array, { input, place }: { input: Uint8Array; place: RootPlace }): Uint8Array {
  try {
    return openSalted({ key: kekOf(input, place), aad: rootContext(place) }, wrapped)
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause
    throw new Refusal('secret-wrong', 'not the secret of this vault’s owner: try again', { cause })
  }
}

function kekOf(input: Uint8Array, { vault, measurement }: RootPlace): KeyObject {
  const info = joinBytes([new TextEncoder().encode('trellis/kek/1'), measurement])
  return wrapSecret(new Uint8Array(hkdfSync('sha256', input, new TextEncoder().encode(vault), info, KEY_BYTES)))
}

function rootContext({ vault, measurement, epoch }: RootPlace): Uint8Array {
  return encodeCbor(['trellis/root/1', vault, measurement, epoch])
}

function headerContext(vault: string): Uint8Array {
  return encodeCbor(['trellis/header/1', vault])
}

function decodeOr<T>(decode: () => T, what: string): T {
  try {
    return decode()
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause
    throw new Refusal('key-missing', `${what} cannot be read: put it back from where it was`, { cause })
  }
}
