/** What an open vault holds of accounts in memory alone. */
import type { DirectoryWalk } from '#host/entries/directory.ts'
import type { Directory } from '#host/entries/model.ts'
import type { VineEvent } from '#host/wire/event.ts'
import type { ConnectionId, EventId } from '#host/wire/id.ts'
import type { Device } from '../party.ts'
import { emptyOwn, type OwnLive } from './own.ts'

/** A challenge that waits for its answer. */
export interface Challenge {
  /** The asking device's key in the vault. */
  readonly device: string
  readonly until: number
}

/** A device's request that is with another vault. */
export interface SharedRelay {
  readonly event: Pick<VineEvent, 'id' | 'type' | 'exp'>
  readonly device: Device
  readonly connection: ConnectionId
  /** Milliseconds since the epoch: nobody waits longer. */
  readonly until: number
}

/** A directory that was walked: at which revision of its head, and until when it holds. */
export interface Walked {
  readonly revision: number
  /** Milliseconds since the epoch. */
  readonly until: number
  readonly directory: Directory
}

/** Statements that were verified, as far as they went. */
export interface KnownWalk {
  readonly statements: readonly Uint8Array[]
  readonly walk: DirectoryWalk
}

export interface AccountLive {
  /** By hexadecimal bytes. A restart forgets them, and their devices ask again. */
  readonly challenges: Map<string, Challenge>
  /** Directories by where their statements are kept. */
  readonly walked: Map<string, Walked>
  /** What each goes on from: with the statement that is about to be kept, and without. */
  readonly walks: Map<string, readonly KnownWalk[]>
  /** By the id of the device's event, which is that of the event to the other vault too. */
  readonly relays: Map<EventId, SharedRelay>
  readonly own: OwnLive
}

export function emptyAccount(): AccountLive {
  return { challenges: new Map(), walked: new Map(), walks: new Map(), relays: new Map(), own: emptyOwn() }
}
