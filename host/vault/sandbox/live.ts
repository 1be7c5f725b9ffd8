/** What is forgotten with the process. */
import type { VineEvent } from '#host/wire/event.ts'
import type { ConnectionId, EventId } from '#host/wire/id.ts'
import type { Device } from '../party.ts'
import type { SandboxRequest } from './request.ts'

/** A device's request that is with the vault that hosts the sandbox. */
export interface Relay {
  readonly event: Pick<VineEvent, 'id' | 'type' | 'exp'>
  readonly device: Device
  readonly request: SandboxRequest
  /** Milliseconds since the epoch: nobody waits longer. */
  readonly until: number
}

export interface SandboxesLive {
  /** Connection -> ids of its sandboxes; made from the records when it is first asked for. */
  ofConnection?: Map<ConnectionId, Set<string>>
  /** Sandbox -> until when its guest is told of changes. */
  readonly watches: Map<string, number>
  /** By the id of the device's event, which is that of the event to the host too. */
  readonly relays: Map<EventId, Relay>
}
