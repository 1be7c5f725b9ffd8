/** What an open vault holds of accounts in memory alone. */
import type { DirectoryWalk } from '#host/entries/directory.ts'
import type { Directory } from '#host/entries/model.ts'
import type { PassedOn } from '../passed.ts'
import { emptyOwn, type OwnLive } from './own.ts'

/** A challenge that waits for its answer. */
export interface Challenge {
  /** The asking device's key in the vault. */
  readonly device: string
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
  /** What devices ask of other vaults. */
  readonly relays: PassedOn<undefined>
  readonly own: OwnLive
}

export function emptyAccount(): AccountLive {
  return { challenges: new Map(), walked: new Map(), walks: new Map(), relays: new Map(), own: emptyOwn() }
}
