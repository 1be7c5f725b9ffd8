/** What a user's devices write and a host stores: see docs/entries.md. Types only. */
import type { DeviceId, EntryId, Hash, UserId, VersionId } from './ids.ts'

/** A device's published halves. */
export interface DeviceKeys {
  /** 1,984 bytes: ML-DSA-65, then Ed25519. */
  readonly signing: Uint8Array
  /** 1,216 bytes: X-Wing. */
  readonly sealing: Uint8Array
}

/** `vault`: the enclave's own device. It reads what is shared with it; it vouches for nobody and writes no version. */
export type DeviceRole = 'device' | 'vault'

/** Up to where a directory is known. */
export interface DirectoryHead {
  readonly seq: number
  /** Of the statement at `seq`. */
  readonly hash: Hash
}

/** Up to where one entry is known. */
export interface EntryHead {
  readonly entry: EntryId
  /** Of the latest version; the first is 1. */
  readonly seq: number
  readonly hash: Hash
}

export type StatementBody =
  /** The first statement, by the first device about itself: its keys give the user id. */
  | { readonly kind: 'root'; readonly label: string; readonly keys: DeviceKeys }
  /** Vouches for a device; of a known one it changes the parent, the label and the expiry. */
  | {
      readonly kind: 'attest'
      readonly label: string
      readonly keys: DeviceKeys
      readonly role: DeviceRole
      /** Milliseconds since the epoch; null for never. */
      readonly expires: number | null
    }
  /** Ends a device and all that it vouches for, by an active ancestor, or by the root. */
  | {
      readonly kind: 'revoke'
      readonly device: DeviceId
      /** `hashHeads` of all entries at this moment: their versions stay valid up to there, and none after. */
      readonly heads: Hash
      /** When the root ends itself: the device that takes its place. */
      readonly heir: DeviceId | null
    }
  | { readonly kind: 'rename'; readonly device: DeviceId; readonly label: string }
  /** The operator's sealing key that each version from now on is shared with as well; null for none. */
  | { readonly kind: 'backup'; readonly key: Uint8Array | null }

/** One line of a user's directory. */
export interface Statement {
  readonly user: UserId
  /** 0 for the root's. */
  readonly seq: number
  /** Hash of the statement before; null for the root's. */
  readonly prev: Hash | null
  readonly by: DeviceId
  /** Milliseconds since the epoch, by the writer's clock. */
  readonly at: number
  readonly body: StatementBody
}

/** A statement read, its signature still to be judged. */
export interface SignedStatement {
  /** As stored and sent: vine-CBOR `[payload, signature]`. */
  readonly bytes: Uint8Array
  /** The bytes that are signed. */
  readonly payload: Uint8Array
  readonly signature: Uint8Array
  /** Of the payload. */
  readonly hash: Hash
  readonly statement: Statement
}

export type DeviceStatus = 'active' | 'revoked' | 'expired'

/** A device as its user's directory shows it. */
export interface Device {
  readonly id: DeviceId
  readonly keys: DeviceKeys
  readonly label: string
  readonly role: DeviceRole
  /** Who vouches for it; null for the root. */
  readonly parent: DeviceId | null
  readonly status: DeviceStatus
  /** Milliseconds since the epoch. */
  readonly addedAt: number
  readonly expires: number | null
  /** Seq of the statement that first vouched for it. */
  readonly since: number
  /** Its end; null while there is none. */
  readonly revocation: Revocation | null
}

export interface Revocation {
  /** Of the statement. */
  readonly seq: number
  readonly at: number
  /** What the versions it signed are measured by. */
  readonly heads: Hash
}

/** Why a statement counts for nothing. */
export type IgnoredReason =
  /** It cannot be read. */
  | 'malformed'
  /** It does not follow the statement before it. */
  | 'unchained'
  /** The signature is not that of the device it names. */
  | 'forged'
  /** It was made for another user. */
  | 'wrong-user'
  /** Whoever it names as its writer was never vouched for. */
  | 'unknown-device'
  /** Its writer was revoked. */
  | 'revoked-parent'
  /** Its writer's own time was over. */
  | 'expired'
  /** It would make a device its own ancestor. */
  | 'cyclic'
  | 'over-deep'
  /** Its writer may not say this: not an ancestor, or the vault's own device. */
  | 'not-allowed'
  /** It would leave the user without a device. */
  | 'last-device'
  /** It vouches for a device that was revoked. */
  | 'revoked-device'
  | 'too-many'

export interface Ignored {
  /** Place in the list that was walked. */
  readonly index: number
  readonly reason: IgnoredReason
  /** The writer it names, when it could be read. */
  readonly by: DeviceId | null
}

/** What a walk from the root finds. */
export interface Directory {
  readonly user: UserId
  readonly head: DirectoryHead
  /** The hash at each seq, so that an older head can be told from a foreign one. */
  readonly hashes: readonly Hash[]
  /** By hexadecimal id, in the order they were first vouched for. */
  readonly devices: ReadonlyMap<string, Device>
  readonly root: DeviceId
  /** The operator's sealing key that the user opted into. */
  readonly backup: Uint8Array | null
  readonly ignored: readonly Ignored[]
}

/** `put`: new content. `delete`: the end, without content. `restore`: the content of an older version again. */
export type Operation = 'put' | 'delete' | 'restore'

/** Whom a version is for, besides the user's own active devices. */
export interface Audience {
  /** Whether handlers may use it: the vault's own device has a share. */
  readonly handlers: boolean
  /** Other users, in ascending order, without repetition. */
  readonly users: readonly UserId[]
}

export interface VersionHeader {
  readonly user: UserId
  readonly entry: EntryId
  readonly version: VersionId
  /** 1 for the first. */
  readonly seq: number
  /** Hash of the version before; null for the first. */
  readonly prev: Hash | null
  readonly operation: Operation
  /** The hash of the version whose content this is, for `restore`. */
  readonly from: Hash | null
  /** SHA-256 of the sealed content; null for `delete`. */
  readonly content: Hash | null
  /** SHA-256 of the sealed outline; null for `delete`. */
  readonly outline: Hash | null
  /** `hashRecipients` of the devices that get a share with it. */
  readonly recipients: Hash
  readonly audience: Audience
  /** The directory as the writer knew it. */
  readonly directory: DirectoryHead
  /** Milliseconds since the epoch, by the writer's clock. */
  readonly at: number
  readonly by: DeviceId
}

/** A version read, its signature still to be judged. */
export interface SignedVersion {
  readonly header: VersionHeader
  /** As stored and sent. */
  readonly bytes: Uint8Array
  /** The content hash: SHA-256 of label and header bytes. What `prev` of the next one is, and what is signed. */
  readonly hash: Hash
  /** 3,373 bytes, by `header.by`. */
  readonly signature: Uint8Array
}

/** What is beside a version's header: both null for a tombstone. */
export interface SealedParts {
  readonly outline: Uint8Array | null
  readonly content: Uint8Array | null
}

/** Keys of one version: 32 bytes each. Whoever made or opened them wipes them. */
export interface VersionKeys {
  readonly outline: Uint8Array
  readonly content: Uint8Array
}

/** One X-Wing encapsulation, from which shares between two devices are made. */
export interface Channel {
  /** Who made it, and makes shares with it. */
  readonly sharer: DeviceId
  readonly recipient: DeviceId
  /** From 1: a sharer that starts anew takes the next one. */
  readonly epoch: number
  /** 1,120 bytes. */
  readonly ciphertext: Uint8Array
}

/** A version's two keys for one device. */
export interface Share {
  readonly sharer: DeviceId
  readonly recipient: DeviceId
  /** Of the channel it was made with. */
  readonly epoch: number
  /** 128 bytes: commitment, sealed outline key, sealed content key. */
  readonly sealed: Uint8Array
}

/** A signed permission to forget versions: the chain is verified from the one after `upTo`. */
export interface Prune {
  readonly user: UserId
  readonly entry: EntryId
  /** The latest version that is forgotten. Never the current one. */
  readonly upTo: { readonly seq: number; readonly hash: Hash }
  readonly directory: DirectoryHead
  readonly at: number
  readonly by: DeviceId
}

export interface SignedPrune {
  readonly prune: Prune
  /** As stored and sent: vine-CBOR `[payload, signature]`. */
  readonly bytes: Uint8Array
  readonly payload: Uint8Array
  readonly signature: Uint8Array
}

/** What an outline says: enough for a list. It is never more than a few KiB. */
export interface Outline {
  readonly title: string
  /** One of `commonKinds`, or one that a manifest names, or the owner's own. */
  readonly kind: string
  /** Addresses it is offered at. */
  readonly urls: readonly string[]
}

/** What a device sends for a new version. */
export interface VersionWrite {
  readonly header: Uint8Array
  readonly signature: Uint8Array
  readonly outline: Uint8Array | null
  readonly content: Uint8Array | null
  /** Channels that were opened for it; known ones are not sent again. */
  readonly channels: readonly Channel[]
  readonly shares: readonly Share[]
}

/** A version as a host serves it to one device. */
export interface ServedVersion {
  readonly header: Uint8Array
  readonly signature: Uint8Array
  readonly outline: Uint8Array | null
  /** Null in lists. */
  readonly content: Uint8Array | null
  /** Who got a share with the version, whether or not this device did. */
  readonly recipients: readonly DeviceId[]
  /** This device's share; null when it has none. */
  readonly share: Share | null
  /** The share's channel. */
  readonly channel: Channel | null
}

/** An entry as a host serves it to one device. */
export interface ServedEntry {
  readonly entry: EntryId
  /** In ascending order without gaps, the current one last. */
  readonly versions: readonly ServedVersion[]
  /** The latest prune command when the first versions are gone. */
  readonly prune: Uint8Array | null
}
