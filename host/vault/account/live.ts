/** What an open vault holds of accounts in memory alone. */
import type { Directory } from '#host/entries/model.ts'
import type { VineEvent } from '#host/wire/event.ts'
import type { ConnectionId, EventId } from '#host/wire/id.ts'
import type { Device } from '../party.ts'

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

export interface AccountLive {
  /** By hexadecimal bytes. A restart forgets them, and their devices ask again. */
  readonly challenges: Map<string, Challenge>
  /** Directories by where their statements are kept. */
  readonly walked: Map<string, Walked>
  /** By the id of the device's event, which is that of the event to the other vault too. */
  readonly relays: Map<EventId, SharedRelay>
}

export function emptyAccount(): AccountLive {
  return { challenges: new Map(), walked: new Map(), relays: new Map() }
}
