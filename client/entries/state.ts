/** What a device's book knows: its own keys, the directories it walked, and where each entry was. */
import type { OpeningKey, SigningKey } from '#host/crypto/port.ts'
import type { DeviceId, EntryId, Hash, UserId, VersionId } from '#host/entries/ids.ts'
import type { Device, DeviceKeys, Directory, EntryHead, Outline, SignedVersion } from '#host/entries/model.ts'
import type { EntryCrypto } from '#host/entries/port.ts'
import type { ChannelKey } from '#host/entries/share.ts'
import { createUlids } from '#host/entries/ulid.ts'
import { parseEntryId, parseVersionId } from '#host/entries/ids.ts'
import { deviceId } from '#host/entries/device.ts'
import { Refusal } from '#host/errors.ts'

/** An entry as this device last saw it. */
export interface KnownEntry extends EntryHead {
  readonly owner: UserId
  /** Who signed the current version. */
  readonly by: DeviceId
  readonly isDeleted: boolean
}

/** A channel of this device's own, for as long as the book is kept. */
export interface OwnChannel extends ChannelKey {
  /** Whether a host is known to have it. */
  readonly isKept: boolean
}

/** A version that was judged right. */
export interface SeenVersion {
  readonly version: SignedVersion
  readonly outline: Outline | null
  /** `standing` of what it was judged by. */
  readonly by: string
}

export interface DeviceSecrets {
  readonly signer: SigningKey
  readonly opener: OpeningKey
}

export interface BookOptions extends DeviceSecrets {
  readonly crypto: EntryCrypto
  readonly user: UserId
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly random: (count: number) => Uint8Array
  /** What an earlier book of this device remembered. */
  readonly memory?: Uint8Array
}

export interface BookState extends BookOptions {
  readonly device: DeviceId
  readonly keys: DeviceKeys
  /** By hexadecimal user id. */
  readonly directories: Map<string, Directory>
  /** Heads of directories that were seen before, also before this run. By hexadecimal user id. */
  readonly directoryHeads: Map<string, { readonly seq: number; readonly hash: Hash }>
  /** The lists of heads that revocations name, by hexadecimal hash. */
  readonly places: Map<string, ReadonlyMap<string, EntryHead>>
  /** By hexadecimal entry id. */
  readonly entries: Map<string, KnownEntry>
  /** By the recipient's hexadecimal id. */
  readonly outgoing: Map<string, OwnChannel>
  /** Channels entered, by sharer, epoch and ciphertext. */
  readonly incoming: Map<string, ChannelKey>
  /** Hexadecimal hash of versions whose signature was verified. */
  readonly verified: Set<string>
  /** Opened outlines, by the hexadecimal hash of their version. */
  readonly outlines: Map<string, Outline>
  /** Current versions that were judged right, by the hexadecimal hash. */
  readonly seen: Map<string, SeenVersion>
  /** Opened contents, by the hexadecimal hash of their version, the one longest here first. Secret. */
  readonly contents: Map<string, Uint8Array>
  newEntryId(): EntryId
  newVersionId(): VersionId
}

export function newState(options: BookOptions): BookState {
  const { crypto, signer, opener, now, random } = options
  const keys = { signing: signer.publicKey, sealing: opener.publicKey }
  const ulids = createUlids()
  return {
    ...options,
    device: deviceId(crypto, keys),
    keys,
    directories: new Map(),
    directoryHeads: new Map(),
    places: new Map(),
    entries: new Map(),
    outgoing: new Map(),
    incoming: new Map(),
    verified: new Set(),
    outlines: new Map(),
    seen: new Map(),
    contents: new Map(),
    newEntryId: () => parseEntryId(ulids({ now: now(), random })),
    newVersionId: () => parseVersionId(ulids({ now: now(), random })),
  }
}

/** @throws Refusal `directory-invalid` when it was not learnt yet */
export function directoryOf(state: BookState, user: UserId): Directory {
  const directory = state.directories.get(user.toHex())
  if (directory === undefined) throw new Refusal('directory-invalid', 'directory: not known yet: learn it first')
  return directory
}

/** An active device of a directory. @throws Refusal `device-unknown` */
export function activeDevice(directory: Directory, id: DeviceId): Device {
  const device = directory.devices.get(id.toHex())
  if (device?.status !== 'active') throw new Refusal('device-unknown', 'device: not an active one of this user')
  return device
}

/** Adds to a bounded cache; the oldest goes first. */
export function keep<T>(
  cache: Map<string, T>,
  added: { readonly key: string; readonly value: T; readonly max: number },
) {
  cache.set(added.key, added.value)
  if (cache.size <= added.max) return
  for (const oldest of cache.keys()) {
    cache.delete(oldest)
    return
  }
}
