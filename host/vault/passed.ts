/** A device's request that is with another vault. Kept in memory alone: a restart forgets who waits. */
import type { VineEvent } from '#host/wire/event.ts'
import type { ConnectionId, EventId } from '#host/wire/id.ts'
import type { Device } from './party.ts'

export interface Passed<Asked> {
  readonly event: Pick<VineEvent, 'id' | 'type' | 'exp'>
  readonly device: Device
  readonly connection: ConnectionId
  readonly asked: Asked
  /** Milliseconds since the epoch: nobody waits longer. */
  readonly until: number
}

/** By the id of the device's event, which is that of the event to the other vault too. */
export type PassedOn<Asked> = Map<EventId, Passed<Asked>>
