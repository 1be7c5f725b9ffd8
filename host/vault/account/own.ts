/**
 * What the vault's own device has opened of its owner's entries. In memory alone: dropped when the vault is locked or
 * closed, and when anybody's standing in the directory changes; what was secret in it is wiped.
 */
import type { EntryId } from '#host/entries/ids.ts'
import type { ServedName } from '#host/entries/kinds.ts'
import type { Device, Directory, EntryHead } from '#host/entries/model.ts'
import type { ChannelKey } from '#host/entries/share.ts'
import { OWN_OPENED_BYTES_MAX, OWN_OPENED_MAX } from './limits.ts'

/** A head as it was looked at: `name` is null for what handlers do not ask for, or may not use. */
export interface SeenHead {
  readonly revision: number
  readonly entry: EntryId
  readonly name: ServedName | null
}

export interface OwnContent {
  /** Of the entry's head. */
  readonly revision: number
  /** Null when it did not hold what it should: it is not tried again. */
  readonly content: Uint8Array | null
}

/** A version that is not served, and why. */
export interface Distrusted {
  readonly entry: EntryId
  readonly seq: number
  /** A `FindingCode`, or `entry-invalid`. */
  readonly code: string
}

export interface OwnLive {
  /** What all of this was judged by. */
  directory: Directory | undefined
  /** The vault's own device in it, while it is active. */
  device: Device | undefined
  /** Revision of what each version writes. */
  turn: number | undefined
  /** By the key of their heads. */
  readonly heads: Map<string, SeenHead>
  /** By kind and name: the key of a head. */
  readonly names: Map<string, string>
  /** Secret. By their keys. */
  readonly channels: Map<string, ChannelKey>
  /** Secret. By the key of their heads, the one longest here first. */
  readonly contents: Map<string, OwnContent>
  /** Of contents. */
  bytes: number
  /** Hexadecimal hashes of versions whose signature was verified. */
  readonly verified: Set<string>
  /** Lists of heads that revocations name, by their hexadecimal hash. */
  readonly places: Map<string, ReadonlyMap<string, EntryHead>>
  /** Where entries were when they were served. */
  readonly known: Map<string, EntryHead>
  /** What the owner was told of. */
  readonly told: Set<string>
  /** What the next commit tells. */
  readonly untold: Distrusted[]
}

export function emptyOwn(): OwnLive {
  return {
    directory: undefined,
    device: undefined,
    turn: undefined,
    heads: new Map(),
    names: new Map(),
    channels: new Map(),
    contents: new Map(),
    bytes: 0,
    verified: new Set(),
    places: new Map(),
    known: new Map(),
    told: new Set(),
    untold: [],
  }
}

/** Wipes what is secret. What is left is hashes: what was verified, and how far entries were. */
export function forgetOwn(own: OwnLive): void {
  for (const { content } of own.contents.values()) content?.fill(0)
  for (const { key } of own.channels.values()) key.fill(0)
  own.contents.clear()
  own.channels.clear()
  own.heads.clear()
  own.names.clear()
  own.bytes = 0
  own.turn = undefined
  own.directory = undefined
  own.device = undefined
}

/** In the place of what was there; the one longest here goes when there are too many. It is wiped then. */
export function keepContent(own: OwnLive, key: string, kept: OwnContent): void {
  dropContent(own, key)
  own.contents.set(key, kept)
  own.bytes += kept.content?.length ?? 0
  for (const oldest of own.contents.keys()) {
    if (oldest === key || (own.contents.size <= OWN_OPENED_MAX && own.bytes <= OWN_OPENED_BYTES_MAX)) return
    dropContent(own, oldest)
  }
}

function dropContent(own: OwnLive, key: string): void {
  const content = own.contents.get(key)?.content
  own.contents.delete(key)
  own.bytes -= content?.length ?? 0
  content?.fill(0)
}
