/** Requests that have no final answer yet: each is kept under its id until there is one. */
import { decodeEvent, type VineEvent } from '#host/wire/event.ts'
import type { EventId } from '#host/wire/id.ts'
import type { ClientStore } from './transport.ts'

/** What the store holds of an earlier run. */
export function readOutbox(store: ClientStore, name: string): Map<EventId, VineEvent> {
  const events = store.under(`${name}/outbox/`).map(decodeEvent)
  return new Map(events.map((event) => [event.id, event]))
}

/** Where one of a conversation's requests is kept. */
export function outboxKey(name: string, id: EventId): string {
  return `${name}/outbox/${id}`
}
