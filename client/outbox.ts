/** Requests that have no final answer yet: kept as one list, since there are few and all are sent again together. */
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { decodeEvent, encodeEvent, type VineEvent } from '#host/wire/event.ts'
import type { EventId } from '#host/wire/id.ts'
import type { ClientStore } from './transport.ts'

/** What the store holds of an earlier run. */
export function readOutbox(store: ClientStore, name: string): Map<EventId, VineEvent> {
  const bytes = store.get(outboxKey(name))
  const list = bytes ? decodeCbor(bytes) : []
  if (!Array.isArray(list)) throw new Error('the outbox is a list')
  const events = list.map((item: unknown) => {
    if (!(item instanceof Uint8Array)) throw new Error('the outbox holds events')
    return decodeEvent(item)
  })
  return new Map(events.map((event) => [event.id, event]))
}

/** What to store of it now. */
export function writeOutbox(events: ReadonlyMap<EventId, VineEvent>): Uint8Array {
  return encodeCbor([...events.values()].map(encodeEvent))
}

export function outboxKey(name: string): string {
  return `${name}/outbox`
}
