/**
 * One namespace as a handler sees it during one call: the vault's state under its own writes, which are kept back.
 *
 * A write takes the revision its commit will give it: one more than the vault's, however often the call writes.
 */
import { SCAN_ITEMS_MAX } from '#host/limits.ts'

import type { StoredItem } from './calls.ts'

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
  /** False when `expected` is given and is not the key's revision (0: absent). */
  put(key: string, value: Uint8Array, expected: bigint | undefined): boolean
  delete(key: string): void
  scan(options: { prefix: string; after: string | undefined; limit: number }): {
    readonly items: readonly StoredItem[]
    readonly next: string | undefined
  }
  /** The last write of every key, in the order first written. */
  writes(): ReadonlyMap<string, Uint8Array | null>
}

export function overlay(base: BaseReader): Overlay {
  const revisions = new Map<string, number>()
  const writes = new Map<string, Uint8Array | null>()

  const read = (key: string): StoredItem | undefined => {
    const item = base.get(key)
    revisions.set(key, item?.revision ?? 0)
    return item
  }
  const revisionOf = (key: string): number => revisions.get(key) ?? read(key)?.revision ?? 0
  const written = (key: string, value: Uint8Array): StoredItem => ({ key, value, revision: revisionOf(key) + 1 })
  const current = (key: string): number => {
    const write = writes.get(key)
    if (write === null) return 0
    return write === undefined ? revisionOf(key) : revisionOf(key) + 1
  }

  return {
    get(key) {
      const write = writes.get(key)
      if (write === undefined) return read(key)
      return write === null ? undefined : written(key, write)
    },
    put(key, value, expected) {
      if (expected !== undefined && expected !== BigInt(current(key))) return false
      writes.set(key, value)
      return true
    },
    delete: (key) => void writes.set(key, null),
    scan({ prefix, after, limit }) {
      const wanted = Math.min(limit, SCAN_ITEMS_MAX)
      const added = addedKeys(writes, { prefix, after })
      const items: StoredItem[] = []
      let cursor = after
      for (;;) {
        if (items.length >= wanted) return { items, next: items.at(-1)?.key ?? after }
        const page = base.scan({ prefix, after: cursor, limit: wanted - items.length })
        for (const item of page.items) revisions.set(item.key, item.revision)
        const end = page.next === undefined ? undefined : (page.items.at(-1)?.key ?? page.next)
        for (const item of merge(page.items, { writes, added, end, written })) {
          if (items.length === wanted) return { items, next: items.at(-1)?.key }
          items.push(item)
        }
        if (end === undefined) return { items, next: undefined }
        cursor = end
      }
    },
    writes: () => writes,
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
    writes: ReadonlyMap<string, Uint8Array | null>
    added: string[]
    end: string | undefined
    written: (key: string, value: Uint8Array) => StoredItem
  },
): Generator<StoredItem> {
  const { writes, added, end, written } = over
  const takeBefore = function* (bound: string | undefined): Generator<StoredItem> {
    for (let key = added[0]; key !== undefined; key = added[0]) {
      if (bound !== undefined && compareKeys(key, bound) > 0) return
      added.shift()
      const value = writes.get(key)
      if (value !== null && value !== undefined) yield written(key, value)
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
