/** `data.store`, `data.read`, `data.remove`: what a service keeps in this vault, as its contract allows. */
import { current } from 'trellis:handler/session@0.1.0'
import { type Item, type Namespace, open } from 'trellis:handler/store@0.1.0'
import type { Outcome } from 'trellis:handler/types@0.1.0'

import { decodeBase64url, encodeBase64url } from '../sdk/base64url.ts'
import { parseJson, reply } from '../sdk/json.ts'
import { payloadOf, refuse } from '../sdk/refuse.ts'
import { decodeUtf8, encodeUtf8 } from '../sdk/utf8.ts'

interface StoreRequest {
  readonly key: string
  readonly category: string
  readonly visibility: 'transparent' | 'opaque'
  readonly sensitivity?: 'data' | 'secret' | 'critical'
  readonly json?: unknown
  readonly base64url?: string
  readonly expected?: number
}

interface ReadRequest {
  readonly key?: string
  readonly as?: 'json' | 'base64url'
  readonly prefix?: string
  readonly after?: string
  readonly limit?: number
}

interface RemoveRequest {
  readonly key: string
  readonly expected?: number
}

/** Apart from what other handlers keep for the same connection. */
const RING = 'ring/'
const VALUE_BYTES_MAX = 65_536
const PAGE_ITEMS = 50

export function handle(body: Uint8Array): Outcome {
  const { eventType } = current()
  const request = parseJson(body)
  const ring = attempt(() => open('connection'))
  if (eventType === 'data.store') return storeItem(ring, request as StoreRequest)
  if (eventType === 'data.remove') return removeItem(ring, request as RemoveRequest)
  const read = request as ReadRequest
  return read.key === undefined ? listItems(ring, read) : readItem(ring, { ...read, key: read.key })
}

function storeItem(ring: Namespace, request: StoreRequest): Outcome {
  const { category, visibility, expected, sensitivity = null } = request
  const key = RING + request.key
  const value = valueOf(request)
  const before = revisionOf(ring, key)
  if (expected !== undefined && expected !== before) return refuseConflict(before)
  attempt(() => ring.put(key, value, undefined, { visibility, category, sensitivity }))
  return reply({ key: request.key, revision: before + 1 })
}

function readItem(ring: Namespace, { key, as = 'json' }: ReadRequest & { readonly key: string }): Outcome {
  const item = attempt(() => ring.get(RING + key))
  if (item === null) return refuse('not-found', 'there is no such item')
  const value = as === 'json' ? { json: jsonOf(item.value) } : { base64url: encodeBase64url(item.value) }
  return reply({ item: { ...shown(item), ...value } })
}

/** Without values: a page is small whatever is kept. */
function listItems(ring: Namespace, { prefix = '', after, limit = PAGE_ITEMS }: ReadRequest): Outcome {
  const cursor = after === undefined ? undefined : RING + after
  const page = attempt(() => ring.scan(RING + prefix, cursor, limit))
  return reply({ items: page.items.map(shown), next: page.next === null ? null : page.next.slice(RING.length) })
}

function removeItem(ring: Namespace, { key, expected }: RemoveRequest): Outcome {
  const before = revisionOf(ring, RING + key)
  if (expected !== undefined && expected !== before) return refuseConflict(before)
  if (before > 0) attempt(() => ring.delete(RING + key))
  return reply({ key, removed: before > 0 })
}

function revisionOf(ring: Namespace, key: string): number {
  return attempt(() => ring.get(key))?.revision ?? 0
}

function shown({ key, value, revision, visibility, category }: Item): object {
  return { key: key.slice(RING.length), category: category ?? '', visibility, revision, size: value.length }
}

/** The bytes to keep: JSON as its shortest text. */
function valueOf({ json, base64url }: StoreRequest): Uint8Array {
  if ((json === undefined) === (base64url === undefined)) return refuse('value-invalid', 'send json or base64url')
  const value = base64url === undefined ? encodeUtf8(JSON.stringify(json)) : decodeBase64url(base64url)
  if (value === undefined) return refuse('value-invalid', 'base64url is to be without padding')
  if (value.length > VALUE_BYTES_MAX) return refuse('too-large', `a value has at most ${VALUE_BYTES_MAX} bytes`)
  return value
}

function jsonOf(value: Uint8Array): unknown {
  try {
    return JSON.parse(decodeUtf8(value)) as unknown
  } catch {
    return refuse('not-json', 'this item holds bytes: read it as base64url')
  }
}

function refuseConflict(revision: number): never {
  return refuse('conflict', `the item is at revision ${revision}: fetch it again`)
}

/** A host function's no as a refusal that the asker understands. */
function attempt<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    switch (tagOf(payloadOf(error))) {
      case undefined:
        throw error
      case 'wrong-category':
        return refuse('category-undeclared', 'your contract does not list this category')
      case 'full':
        return refuse('storage-full', 'the bytes of your contract are used up: remove something first')
      case 'too-large':
        return refuse('too-large', 'the key is too long')
      default:
        return refuse('not-permitted', 'your contract does not let you store')
    }
  }
}

function tagOf(payload: unknown): string | undefined {
  if (typeof payload !== 'object' || payload === null || !('tag' in payload)) return undefined
  return String(payload.tag)
}
