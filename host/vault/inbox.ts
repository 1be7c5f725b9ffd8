/** What has been answered: one event id has one answer, whatever the broker repeats. */
import { INBOX_PRUNE_PER_COMMIT } from '#host/limits.ts'
import type { Change, Namespace } from '#host/storage/port.ts'
import type { EventId } from '#host/wire/id.ts'
import type { Party } from './party.ts'
import { decodeRecord, encodeRecord, type InboxRecord } from './records.ts'

export interface Inbox {
  /** The stored answer of an event id from this party, or `undefined` when the id is new. */
  find(party: Party, id: EventId): InboxRecord | undefined
  /** The change that marks an id as answered. */
  mark(party: Party, id: EventId, record: InboxRecord): Change
  /** Deletes for a few marks whose events have expired by now. */
  prune(now: number): Change[]
}

/** The key of an id's mark in the `system` namespace. */
export function inboxKey(party: Party, id: EventId): string {
  return `inbox/${party.key}/${id}`
}

/** Reads the marks that are there once, to know when each may go. */
export function openInbox(system: Namespace, marks: Iterable<readonly [key: string, exp: number]>): Inbox {
  const expiries = new Map<string, number>([...marks].sort(([, one], [, other]) => one - other))
  return {
    find(party, id) {
      const item = system.get(inboxKey(party, id))
      return item && decodeRecord('inbox', item.value)
    },
    mark(party, id, record) {
      const key = inboxKey(party, id)
      expiries.set(key, record.exp)
      return { namespace: 'system', key, value: encodeRecord('inbox', record) }
    },
    prune(now) {
      const gone: Change[] = []
      for (const [key, exp] of expiries) {
        // Insertion order is roughly expiry order: the first mark that must stay ends the search.
        if (exp > now || gone.length === INBOX_PRUNE_PER_COMMIT) break
        expiries.delete(key)
        gone.push({ namespace: 'system', key, value: null })
      }
      return gone
    },
  }
}
