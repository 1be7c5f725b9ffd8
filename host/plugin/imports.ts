/**
 * The host's side of every call that leaves a cell: authority is checked here, on the main thread, against the grant.
 *
 * Admitted fields and public keys go into the cell with the event; state is read and messages are signed from here.
 */
import { unreachable } from '#host/errors.ts'
import { CHANNEL_BYTES, KEY_BYTES_MAX, READ_KEYS_MAX, SCAN_ITEMS_MAX, SIGN_BYTES_MAX } from '#host/limits.ts'
import type { Expectation, Item, Namespace } from '#host/storage/port.ts'

import { type Answer, type Call, ITEM_OVERHEAD_BYTES, type ScanCall, type StoredItem } from './calls.ts'
import type { Sources } from './port.ts'

/** One event's desk: it answers calls and remembers what it told. */
export interface Desk {
  answer(call: Call): Answer
  /** Every revision the handler was told, the first time it was: what the commit must find unchanged. */
  expected(): readonly Expectation[]
  /** Calls answered so far. */
  calls(): number
  /** A call was refused because the event had made too many or read too much. */
  over(): boolean
}

const unavailable: Answer = { kind: 'unavailable' }

/** Opens the desk of one event. It dies with the event: whoever drops it has revoked the grant. */
export function openDesk(sources: Sources, options: { hostCallsMax: number }): Desk {
  const told = new Map<string, Map<string, number>>()
  let keysTold = 0
  let calls = 0
  let over = false

  const tell = (label: string, key: string, revision: number): void => {
    const keys = told.get(label) ?? new Map<string, number>()
    told.set(label, keys)
    if (keys.has(key)) return
    keys.set(key, revision)
    keysTold += 1
    over ||= keysTold > READ_KEYS_MAX
  }
  const serve = (call: Call): Answer => {
    switch (call.op) {
      case 'get': {
        const granted = sources.namespaces.get(call.label)
        if (granted === undefined || Buffer.byteLength(call.key) > KEY_BYTES_MAX) return unavailable
        const item = granted.namespace.get(call.key)
        tell(call.label, call.key, item?.revision ?? 0)
        return { kind: 'item', item: item === undefined ? undefined : stored(call.key, item) }
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
        if (key === undefined || call.message.length > SIGN_BYTES_MAX) return unavailable
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
    room -= Buffer.byteLength(key) + item.value.length + ITEM_OVERHEAD_BYTES
    if (room < 0) return { kind: 'page', items, next: items.at(-1)?.key }
    items.push(stored(key, item))
  }
  return { kind: 'page', items, next: page.next }
}

function stored(key: string, item: Item): StoredItem {
  return { key, value: item.value, revision: item.revision }
}
