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
  const told = new Map<string, Map<string, number>>()
  const reads: KeyRead[] = []
  let keysTold = 0
  let calls = 0
  let proofs = 0
  let over = false

  const tell = (label: string, key: string, revision: number): void => {
    const keys = told.get(label) ?? new Map<string, number>()
    told.set(label, keys)
    if (keys.has(key)) return
    keys.set(key, revision)
    keysTold += 1
    over ||= keysTold > READ_KEYS_MAX
  }
  const got = (read: Omit<KeyRead, 'revision'>, item: { readonly revision: number } | undefined): void => {
    const isNew = told.get(read.label)?.has(read.key) !== true
    if (isNew && reads.length < CARRIED_KEYS_MAX)
      reads.push({ label: read.label, key: read.key, revision: item?.revision ?? 0 })
    tell(read.label, read.key, item?.revision ?? 0)
  }
  const serve = (call: Exclude<Call, ProveCall>): Answer => {
    switch (call.op) {
      case 'get': {
        const granted = sources.namespaces.get(call.label)
        if (granted === undefined || Buffer.byteLength(call.key) > KEY_BYTES_MAX) return unavailable
        const item = granted.namespace.get(call.key)
        got(call, item)
        return { kind: 'item', item: item === undefined ? undefined : storedItem(call.key, item) }
      }
      case 'scan': {
        const granted = sources.namespaces.get(call.label)
        if (granted === undefined) return unavailable
        const page = scanPage(granted.namespace, call)
        for (const { key, revision } of page.items) tell(call.label, key, revision)
        return page
      }
      case 'sign': {
        const key = sources.keys.get(call.alias)
        if (key === undefined) return unavailable
        if (!isSignable(key.algorithm, call.message.length)) return { kind: 'message-size' }
        return { kind: 'bytes', bytes: key.sign(call.message) }
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
      over ||= calls > options.hostCallsMax
      if (over) return { kind: 'over' }
      const answer = serve(call)
      return over ? { kind: 'over' } : answer
    },
    async prove(call) {
      calls += 1
      proofs += 1
      over ||= calls > options.hostCallsMax || proofs > PROOFS_PER_EVENT_MAX
      if (over) return { kind: 'over' }
      const proof = await sources.credentials.get(call.alias)?.prove(call)
      return proof === undefined ? unavailable : { kind: 'bytes', bytes: proof }
    },
    carried: ({ label, key, item }) => got({ label, key }, item),
    reads: () => reads,
    expected() {
      return [...told].flatMap(([label, keys]) => {
        const namespace = sources.namespaces.get(label)?.namespace.name
        if (namespace === undefined) return []
        return [...keys].map(([key, revision]): Expectation => ({ namespace, key, revision }))
      })
    },
    calls: () => calls,
    over: () => over,
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
