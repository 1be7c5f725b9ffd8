/** The names of users, devices, entries and versions. Each is bytes; text forms are for people and for log lines. */
import { Refusal } from '#host/errors.ts'

declare const brand: unique symbol
type Branded<Name extends string> = Uint8Array & { readonly [brand]: Name }

/** 32 bytes: the hash of the first root device's keys, so that no host can put another root in its place. */
export type UserId = Branded<'UserId'>
/** 32 bytes: the hash of a device's two public keys. The operator's backup key has one as well. */
export type DeviceId = Branded<'DeviceId'>
/** 16 bytes, a ULID. */
export type EntryId = Branded<'EntryId'>
/** 16 bytes, a ULID. Its time is a hint; the order of versions is their chain. */
export type VersionId = Branded<'VersionId'>
/** 32 bytes, SHA-256. */
export type Hash = Branded<'Hash'>

export const HASH_BYTES = 32
export const ULID_BYTES = 16

/** @throws Refusal `malformed` unless there are 32 bytes */
export function parseUserId(bytes: unknown): UserId {
  return exactly(bytes, HASH_BYTES, 'user id') as UserId
}

/** @throws Refusal `malformed` unless there are 32 bytes */
export function parseDeviceId(bytes: unknown): DeviceId {
  return exactly(bytes, HASH_BYTES, 'device id') as DeviceId
}

/** @throws Refusal `malformed` unless there are 32 bytes */
export function parseHash(bytes: unknown): Hash {
  return exactly(bytes, HASH_BYTES, 'hash') as Hash
}

/** @throws Refusal `malformed` unless these are the 16 bytes of a ULID */
export function parseEntryId(bytes: unknown): EntryId {
  return exactly(bytes, ULID_BYTES, 'entry id') as EntryId
}

/** @throws Refusal `malformed` unless these are the 16 bytes of a ULID */
export function parseVersionId(bytes: unknown): VersionId {
  return exactly(bytes, ULID_BYTES, 'version id') as VersionId
}

function exactly(bytes: unknown, length: number, what: string): Uint8Array {
  if (bytes instanceof Uint8Array && bytes.length === length) return bytes
  throw new Refusal('malformed', `${what}: must be ${length} bytes`)
}
