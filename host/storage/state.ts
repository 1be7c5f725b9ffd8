/** The state of one open vault: an ordered map per namespace, in memory. Deterministic: same writes, same state. */
import { SCAN_ITEMS_MAX } from '#host/limits.ts'
import { compareUtf8, type KeyOrder, keyOrder } from './order.ts'
import {
  type Expectation,
  type Item,
  itemBytes,
  type Namespace,
  type NamespaceName,
  type Page,
  type Sensitivity,
  type Visibility,
} from './port.ts'

/** One write inside a namespace. What it leaves out stays as the key has it. */
export interface Write {
  readonly key: string
  /** `null` deletes. Kept by reference: whoever applies it must own it. */
  readonly value: Uint8Array | null
  readonly visibility?: Visibility | undefined
  readonly sensitivity?: Sensitivity | undefined
  readonly category?: string | null | undefined
  /** Of this write: it does not stay from the one before. */
  readonly author?: string | undefined
}

export interface State {
  /** A live read-only handle. It closes over one name and has no way to another. */
  handle(name: NamespaceName): Namespace
  names(): NamespaceName[]
  apply(name: NamespaceName, write: Write, now: number): void
  /** The first expectation that does not hold. */
  unmet(expected: readonly Expectation[]): { expectation: Expectation; found: number } | undefined
}

interface Space {
  readonly items: Map<string, Item>
  readonly order: KeyOrder
  bytes: number
}

export function emptyState(): State {
  const spaces = new Map<NamespaceName, Space>()

  return {
    handle(name) {
      return {
        name,
        get bytes() {
          return spaces.get(name)?.bytes ?? 0
        },
        get: (key) => spaces.get(name)?.items.get(key),
        scan: (options) => scan(spaces.get(name), options),
      }
    },
    names() {
      return [...spaces.keys()].filter((name) => spaces.get(name)?.items.size).sort()
    },
    apply(name, write, now) {
      let space = spaces.get(name)
      if (space === undefined) spaces.set(name, (space = { items: new Map(), order: keyOrder(), bytes: 0 }))
      applyTo(space, write, now)
    },
    unmet(expected) {
      for (const expectation of expected) {
        const found = spaces.get(expectation.namespace)?.items.get(expectation.key)?.revision ?? 0
        if (found !== expectation.revision) return { expectation, found }
      }
      return undefined
    },
  }
}

function applyTo(space: Space, { key, value, visibility, sensitivity, category, author }: Write, now: number): void {
  const before = space.items.get(key)
  if (before !== undefined) space.bytes -= itemBytes(key, before.value)
  if (value !== null) space.bytes += itemBytes(key, value)
  if (value === null) {
    if (space.items.delete(key)) space.order.remove(key)
    return
  }
  if (before === undefined) space.order.add(key)
  space.items.set(key, {
    value,
    revision: (before?.revision ?? 0) + 1,
    updatedAt: now,
    // The owner sees what nobody declared otherwise.
    visibility: visibility ?? before?.visibility ?? 'transparent',
    sensitivity: sensitivity ?? before?.sensitivity ?? 'data',
    category: category === undefined ? before?.category : (category ?? undefined),
    author,
  })
}

/** `limit` is held between 1 and `SCAN_ITEMS_MAX`: a page always makes progress and always ends. */
function scan(space: Space | undefined, options: { prefix: string; after?: string; limit: number }): Page {
  const { prefix, after } = options
  const items: [string, Item][] = []
  // No stored key holds half a character, so none starts with one.
  if (space === undefined || !prefix.isWellFormed()) return { items }
  const limit = Math.min(Math.max(Math.trunc(options.limit) || 1, 1), SCAN_ITEMS_MAX)
  const start = after !== undefined && compareUtf8(after, prefix) > 0 ? after : prefix
  for (const key of space.order.from(start)) {
    if (!key.startsWith(prefix)) break
    if (key === after) continue
    const last = items.at(-1)
    if (items.length === limit && last !== undefined) return { items, next: last[0] }
    const item = space.items.get(key)
    if (item !== undefined) items.push([key, item])
  }
  return { items }
}
