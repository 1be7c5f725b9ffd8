/** Requests that have no final answer yet: kept as one list, since there are few and all are sent again together. */
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { decodeEvent, encodeEvent, type VineEvent } from '#host/wire/event.ts'
import type { EventId } from '#host/wire/id.ts'
import type { ClientStore } from './transport.ts'

/** A request, and its bytes: the list is stored anew whenever one of them comes or goes. */
export interface Unanswered {
  readonly event: VineEvent
  readonly bytes: Uint8Array
}

export function unanswered(event: VineEvent): Unanswered {
  return { event, bytes: encodeEvent(event) }
}

/** What the store holds of an earlier run. */
export function readOutbox(store: ClientStore, name: string): Map<EventId, Unanswered> {
  const bytes = store.get(outboxKey(name))
  const list = bytes ? decodeCbor(bytes) : []
  if (!Array.isArray(list)) throw new Error('the outbox is a list')
  const requests = list.map((bytes: unknown): Unanswered => {
    if (!(bytes instanceof Uint8Array)) throw new Error('the outbox holds events')
    return { event: decodeEvent(bytes), bytes }
  })
  return new Map(requests.map((request) => [request.event.id, request]))
}

/** What to store of it now. */
export function writeOutbox(requests: ReadonlyMap<EventId, Unanswered>): Uint8Array {
  return encodeCbor(Array.from(requests.values(), ({ bytes }) => bytes))
}

export function outboxKey(name: string): string {
  return `${name}/outbox`
}
