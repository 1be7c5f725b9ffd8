/** The messages of one peer, in the peer's namespace: in the order of their arrival, with a receipt for each id. */
import { type Namespace, open } from 'trellis:handler/store@0.1.0'

import { payloadOf, refuse } from '../sdk/refuse.ts'
import { decodeUtf8, encodeUtf8 } from '../sdk/utf8.ts'
import type { Message } from './message.ts'

export interface Received extends Message {
  /** Milliseconds since the epoch, by the receiver's vault. */
  readonly receivedAt: number
}

interface Receipt {
  readonly receivedAt: number
}

export interface Page {
  readonly messages: readonly Received[]
  readonly next: string | null
}

const INBOX = 'inbox/'
const RECEIPT = 'receipt/'
/** What the contract must list. */
const CATEGORY = 'messages'
const PAGE_ITEMS = 50
/** Values of one page: with a message of the longest text the reply still fits. */
const PAGE_BYTES_MAX = 98_304

export function openInbox(): Namespace {
  return attempt(() => open('connection'))
}

/** The receipt of an earlier delivery; null for a message that is new. */
export function receiptOf(inbox: Namespace, id: string): Receipt | null {
  const item = attempt(() => inbox.get(RECEIPT + id))
  return item === null ? null : (JSON.parse(decodeUtf8(item.value)) as Receipt)
}

export function keep(inbox: Namespace, message: Received): void {
  const { id, receivedAt } = message
  const transparent = { visibility: 'transparent', category: CATEGORY, sensitivity: null } as const
  attempt(() => {
    inbox.put(keyOf(message), encodeUtf8(JSON.stringify(message)), undefined, transparent)
    inbox.put(RECEIPT + id, encodeUtf8(JSON.stringify({ receivedAt })), undefined, transparent)
  })
}

/** From the oldest on; `after` is the `next` of the page before. */
export function page(inbox: Namespace, after: string | undefined, limit = PAGE_ITEMS): Page {
  const cursor = after === undefined ? undefined : INBOX + after
  const found = attempt(() => inbox.scan(INBOX, cursor, Math.min(limit, PAGE_ITEMS)))
  const messages: Received[] = []
  let bytes = 0
  for (const { key, value } of found.items) {
    bytes += value.length
    if (bytes > PAGE_BYTES_MAX && messages.length > 0) return { messages, next: lastKey(messages) }
    messages.push(JSON.parse(decodeUtf8(value)) as Received)
    if (bytes > PAGE_BYTES_MAX) return { messages, next: key.slice(INBOX.length) }
  }
  return { messages, next: found.next === null ? null : found.next.slice(INBOX.length) }
}

/** The receipt stays: a message that was removed does not come back. */
export function remove(inbox: Namespace, id: string): boolean {
  const receipt = receiptOf(inbox, id)
  if (receipt === null) return false
  const key = keyOf({ id, ...receipt })
  if (attempt(() => inbox.get(key)) === null) return false
  attempt(() => inbox.delete(key))
  return true
}

function lastKey(messages: readonly Received[]): string | null {
  const last = messages.at(-1)
  return last === undefined ? null : keyOf(last).slice(INBOX.length)
}

/** Keys sort as times do. */
function keyOf({ id, receivedAt }: Pick<Received, 'id' | 'receivedAt'>): string {
  return `${INBOX}${String(receivedAt).padStart(15, '0')}-${id}`
}

function attempt<T>(use: () => T): T {
  try {
    return use()
  } catch (error) {
    const payload = payloadOf(error)
    if (typeof payload !== 'object' || payload === null || !('tag' in payload)) throw error
    if (payload.tag === 'full') return refuse('inbox-full', 'there is no room for this message', { retry: true })
    return refuse('inbox-closed', 'messages of this connection are not kept here')
  }
}
