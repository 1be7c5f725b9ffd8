/**
 * The host's side of every call that leaves a cell: authority is checked here, on the main thread, against the grant.
 *
 * Admitted fields and public keys go into the cell with the event; state is read and messages are signed from here.
 */
import { isSignable } from '#host/crypto/key-algorithm.ts'
import { unreachable } from '#host/errors.ts'
import { CHANNEL_BYTES, KEY_BYTES_MAX, PROOFS_PER_EVENT_MAX, READ_KEYS_MAX, SCAN_ITEMS_MAX } from '#host/limits.ts'
import { CARRIED_KEYS_MAX } from '#host/plugin/limits.ts'
import type { Expectation, Namespace } from '#host/storage/port.ts'

import {
  type Answer,
  type Call,
  type Carried,
  ITEM_OVERHEAD_BYTES,
  type KeyRead,
  type ProveCall,
  type ScanCall,
  type StoredItem,
  storedItem,
} from './calls.ts'
import type { Sources } from './port.ts'

/** One event's desk: it answers calls and remembers what it told. */
export interface Desk {
  answer(call: Exclude<Call, ProveCall>): Answer
  /** The proof is made on another thread: the cell waits, the host does not. */
  prove(call: ProveCall): Promise<Answer>
  /** The event read what it carried: as if it had asked for it. */
  carried(read: Carried): void
  /** The keys it got one by one, the first few of them. */
  reads(): readonly KeyRead[]
  /** Every revision the handler was told, the first time it was: what the commit must find unchanged. */
  expected(): readonly Expectation[]
  /** Calls answered so far. */
  calls(): number
  /** A call was refused because the event had made too many, or read or proven too much. */
  over(): boolean
}

const unavailable: Answer = { kind: 'unavailable' }

/** Opens the desk of one event. It dies with the event: whoever drops it has revoked the grant. */
export function openDesk(sources: Sources, options: { hostCallsMax: number }): Desk {
  const told = openLedger(sources)
  let calls = 0
  let proofs = 0
  let isOver = false
  const over = (): boolean => isOver || told.count() > READ_KEYS_MAX

  const serve = (call: Exclude<Call, ProveCall>): Answer => {
    switch (call.op) {
      case 'get': {
        const granted = sources.namespaces.get(call.label)
        if (granted === undefined || Buffer.byteLength(call.key) > KEY_BYTES_MAX) return unavailable
        const item = granted.namespace.get(call.key)
        told.got(call, item?.revision ?? 0)
        return { kind: 'item', item: item === undefined ? undefined : storedItem(call.key, item) }
      }
      case 'scan': {
        const granted = sources.namespaces.get(call.label)
        if (granted === undefined) return unavailable
        const page = scanPage(granted.namespace, call)
        for (const { key, revision } of page.items) told.tell(call.label, key, revision)
        return page
      }
      case 'sign': {
        const key = sources.keys.get(call.alias)
        if (key === undefined) return unavailable
        if (!isSignable(key.algorithm, call.message.length)) return { kind: 'message-size' }
        const bytes = key.sign(call.message)
        return bytes === undefined ? unavailable : { kind: 'bytes', bytes }
      }
      case 'reach':
        return sources.reaches?.(call.alias, call.type) ? { kind: 'bytes', bytes: new Uint8Array(0) } : unavailable
      default:
        return unreachable(call)
    }
  }
  return {
    answer(call) {
      calls += 1
      isOver ||= calls > options.hostCallsMax
      if (over()) return { kind: 'over' }
      const answer = serve(call)
      return over() ? { kind: 'over' } : answer
    },
    async prove(call) {
      calls += 1
      proofs += 1
      isOver ||= calls > options.hostCallsMax || proofs > PROOFS_PER_EVENT_MAX
      if (over()) return { kind: 'over' }
      const proof = await sources.credentials.get(call.alias)?.prove(call)
      return proof === undefined ? unavailable : { kind: 'bytes', bytes: proof }
    },
    carried: ({ label, key, item }) => told.before({ label, key }, item?.revision ?? 0),
    reads: () => told.reads,
    expected: () => told.expected(),
    calls: () => calls,
    over,
  }
}

/** The revisions one event was told, the first of each key. */
function openLedger({ namespaces }: Sources) {
  const told = new Map<string, Map<string, number>>()
  const reads: KeyRead[] = []
  let count = 0
  const keysOf = (label: string): Map<string, number> => {
    const keys = told.get(label) ?? new Map<string, number>()
    told.set(label, keys)
    return keys
  }
  const tell = (label: string, key: string, revision: number): void => {
    const keys = keysOf(label)
    if (keys.has(key)) return
    keys.set(key, revision)
    count += 1
  }
  const got = ({ label, key }: Omit<KeyRead, 'revision'>, revision: number): void => {
    const isNew = !keysOf(label).has(key)
    if (isNew && reads.length < CARRIED_KEYS_MAX) reads.push({ label, key, revision })
    tell(label, key, revision)
  }
  return {
    tell,
    got,
    /** It was read before the event began: what a scan told of it since does not make it newer. */
    before(read: Omit<KeyRead, 'revision'>, revision: number): void {
      got(read, revision)
      keysOf(read.label).set(read.key, revision)
    },
    reads,
    count: () => count,
    expected(): readonly Expectation[] {
      return [...told].flatMap(([label, keys]) => {
        const namespace = namespaces.get(label)?.namespace.name
        if (namespace === undefined) return []
        return [...keys].map(([key, revision]): Expectation => ({ namespace, key, revision }))
      })
    },
  }
}

/** A page that fits the channel: always one item at least, when there is one. */
function scanPage(namespace: Namespace, call: ScanCall): Answer & { kind: 'page' } {
  const after = call.after === undefined ? {} : { after: call.after }
  const limit = Math.min(call.limit, SCAN_ITEMS_MAX)
  const page = namespace.scan({ prefix: call.prefix, limit, ...after })
  const items: StoredItem[] = []
  // Room for the head of the answer and for `next`, which is a key.
  let room = CHANNEL_BYTES - KEY_BYTES_MAX - 2 * ITEM_OVERHEAD_BYTES
  for (const [key, item] of page.items) {
    room -= Buffer.byteLength(key) + item.value.length + (item.category?.length ?? 0) + ITEM_OVERHEAD_BYTES
    if (room < 0) return { kind: 'page', items, next: items.at(-1)?.key }
    items.push(storedItem(key, item))
  }
  return { kind: 'page', items, next: page.next }
}
