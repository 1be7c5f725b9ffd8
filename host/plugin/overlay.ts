/**
 * One namespace as a handler sees it during one call: the vault's state under its own writes, which are kept back.
 *
 * A write takes the revision its commit will give it: one more than the vault's, however often the call writes.
 */
import { SCAN_ITEMS_MAX } from '#host/limits.ts'

import type { StoredItem } from './calls.ts'
import type { Attributes, Room } from './report.ts'
import { allows, roomLeft } from './room.ts'

/** Reads of the vault's own state; each costs a host call. */
export interface BaseReader {
  get(key: string): StoredItem | undefined
  scan(options: { prefix: string; after: string | undefined; limit: number }): {
    readonly items: readonly StoredItem[]
    readonly next: string | undefined
  }
}

export interface Overlay {
  get(key: string): StoredItem | undefined
  /** `expected` is the key's revision (0: absent). Why nothing was written, when nothing was: WIT `store.error`. */
  put(
    key: string,
    value: Uint8Array,
    options?: { expected?: bigint | undefined; attributes?: Attributes | undefined },
  ): NotWritten | undefined
  delete(key: string): void
  scan(options: { prefix: string; after: string | undefined; limit: number }): {
    readonly items: readonly StoredItem[]
    readonly next: string | undefined
  }
  /** The last write of every key, in the order first written. */
  writes(): ReadonlyMap<string, Written | null>
}

type NotWritten =
  | { readonly tag: 'conflict' }
  | { readonly tag: 'wrong-category' }
  | { readonly tag: 'full'; readonly val: number }

interface Written {
  readonly value: Uint8Array
  /** Absent: the key keeps what it has in the vault. */
  readonly attributes: Attributes | undefined
}

/** What a new key has. */
const PLAIN: Attributes = { visibility: 'transparent', category: undefined }

/** Without `room` a namespace takes what the event's own limits let through. */
export function overlay(base: BaseReader, room?: Room): Overlay {
  const known = new Map<string, StoredItem | undefined>()
  const writes = new Map<string, Written | null>()
  const figure = roomLeft(room)

  const learn = (key: string, item: StoredItem | undefined): void => {
    if (!known.has(key)) figure.learned(key, item)
    known.set(key, item)
  }
  const read = (key: string): StoredItem | undefined => {
    const item = base.get(key)
    learn(key, item)
    return item
  }
  const stored = (key: string): StoredItem | undefined => (known.has(key) ? known.get(key) : read(key))
  const written = (key: string, { value, attributes }: Written): StoredItem => {
    const item = stored(key)
    const { visibility, category } = attributes ?? item ?? PLAIN
    return { key, value, revision: (item?.revision ?? 0) + 1, visibility, category }
  }
  const current = (key: string): number => {
    const write = writes.get(key)
    if (write === null) return 0
    return (stored(key)?.revision ?? 0) + (write === undefined ? 0 : 1)
  }
  const kept = (key: string): Attributes | undefined => {
    const write = writes.get(key)
    return write === null ? PLAIN : write?.attributes
  }

  return {
    get(key) {
      const write = writes.get(key)
      if (write === undefined) return read(key)
      return write === null ? undefined : written(key, write)
    },
    put(key, value, { expected, attributes } = {}) {
      if (attributes?.category !== undefined && !allows(room, attributes.category)) return { tag: 'wrong-category' }
      if (expected !== undefined && expected !== BigInt(current(key))) return { tag: 'conflict' }
      if (!figure.fits(key, value)) {
        // What it would take the place of was not read: counted as nothing so far, which may be too little.
        for (const other of [key, ...writes.keys()]) stored(other)
        if (!figure.fits(key, value)) return { tag: 'full', val: figure.left() }
      }
      writes.set(key, { value, attributes: attributes ?? kept(key) })
      figure.wrote(key, value)
      return undefined
    },
    delete(key) {
      writes.set(key, null)
      figure.wrote(key, null)
    },
    scan: (range) => scanOver(base, { writes, written, learn }, range),
    writes: () => writes,
  }
}

/** The vault's page by page, with the call's writes over it, until it is as long as wanted. */
function scanOver(
  base: BaseReader,
  over: {
    readonly writes: ReadonlyMap<string, Written | null>
    readonly written: (key: string, write: Written) => StoredItem
    readonly learn: (key: string, item: StoredItem) => void
  },
  { prefix, after, limit }: { prefix: string; after: string | undefined; limit: number },
): ReturnType<Overlay['scan']> {
  const wanted = Math.min(limit, SCAN_ITEMS_MAX)
  const added = addedKeys(over.writes, { prefix, after })
  const items: StoredItem[] = []
  let cursor = after
  for (;;) {
    if (items.length >= wanted) return { items, next: items.at(-1)?.key ?? after }
    const page = base.scan({ prefix, after: cursor, limit: wanted - items.length })
    for (const item of page.items) over.learn(item.key, item)
    const end = page.next === undefined ? undefined : (page.items.at(-1)?.key ?? page.next)
    for (const item of merge(page.items, { ...over, added, end })) {
      if (items.length === wanted) return { items, next: items.at(-1)?.key }
      items.push(item)
    }
    if (end === undefined) return { items, next: undefined }
    cursor = end
  }
}

/** Keys put by this call that a scan may have to show, in byte order. */
function addedKeys(
  writes: ReadonlyMap<string, unknown>,
  range: { prefix: string; after: string | undefined },
): string[] {
  const { prefix, after } = range
  return [...writes]
    .filter(([key, value]) => value !== null && key.startsWith(prefix))
    .map(([key]) => key)
    .filter((key) => after === undefined || compareKeys(key, after) > 0)
    .sort(compareKeys)
}

/** The vault's items with the call's writes over them, up to and including `end`; takes what it uses off `added`. */
function* merge(
  items: readonly StoredItem[],
  over: {
    writes: ReadonlyMap<string, Written | null>
    added: string[]
    end: string | undefined
    written: (key: string, write: Written) => StoredItem
  },
): Generator<StoredItem> {
  const { writes, added, end, written } = over
  const takeBefore = function* (bound: string | undefined): Generator<StoredItem> {
    for (let key = added[0]; key !== undefined; key = added[0]) {
      if (bound !== undefined && compareKeys(key, bound) > 0) return
      added.shift()
      const write = writes.get(key)
      if (write !== null && write !== undefined) yield written(key, write)
    }
  }
  for (const item of items) {
    yield* takeBefore(item.key)
    if (!writes.has(item.key)) yield item
  }
  yield* takeBefore(end)
}

function compareKeys(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right))
}
