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
  type Restored,
  type Sensitivity,
  type StateSize,
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
  readonly restored?: Restored | undefined
}

export interface State {
  /** Which rules the state follows: see `migrate.ts`. */
  format: number
  /** A live read-only handle. It closes over one name and has no way to another. */
  handle(name: NamespaceName): Namespace
  names(): NamespaceName[]
  /** Of all namespaces together. A running figure: reading it costs nothing. */
  readonly size: StateSize
  apply(name: NamespaceName, write: Write, now: number): void
  /** Every item of a namespace, in no order. */
  items(name: NamespaceName): Iterable<readonly [key: string, item: Item]>
  /** Puts an item as it was, revision and all. */
  restore(name: NamespaceName, key: string, item: Item): void
  /** The first expectation that does not hold. */
  unmet(expected: readonly Expectation[]): { expectation: Expectation; found: number } | undefined
}

interface Space {
  readonly items: Map<string, Item>
  readonly order: KeyOrder
  bytes: number
}

export function emptyState(format: number): State {
  const spaces = new Map<NamespaceName, Space>()
  const size = { bytes: 0, items: 0 }
  function spaceOf(name: NamespaceName): Space {
    let space = spaces.get(name)
    if (space === undefined) spaces.set(name, (space = { items: new Map(), order: keyOrder(), bytes: 0 }))
    return space
  }

  const handles = new Map<NamespaceName, Namespace>()
  function newHandle(name: NamespaceName): Namespace {
    const handle: Namespace = {
      name,
      get bytes() {
        return spaces.get(name)?.bytes ?? 0
      },
      get: (key) => spaces.get(name)?.items.get(key),
      scan: (options) => scan(spaces.get(name), options),
    }
    handles.set(name, handle)
    return handle
  }

  return {
    size,
    format,
    // Made once: making one costs more than a read through it.
    handle: (name) => handles.get(name) ?? newHandle(name),
    names() {
      return [...spaces.keys()].filter((name) => spaces.get(name)?.items.size).sort()
    },
    apply(name, write, now) {
      const space = spaceOf(name)
      const before = { bytes: space.bytes, items: space.items.size }
      // The owner sees what nobody declared otherwise; the vault's own records are nobody's to see.
      const undeclared = name === 'system' && this.format >= 1 ? 'opaque' : 'transparent'
      applyTo(space, write, { now, undeclared })
      size.bytes += space.bytes - before.bytes
      size.items += space.items.size - before.items
    },
    items: (name) => spaces.get(name)?.items ?? [],
    restore(name, key, item) {
      const space = spaceOf(name)
      const bytes = itemBytes(key, item.value)
      space.items.set(key, item)
      space.order.add(key)
      space.bytes += bytes
      size.bytes += bytes
      size.items += 1
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

function applyTo(
  space: Space,
  { key, value, visibility, sensitivity, category, author, restored }: Write,
  { now, undeclared }: { now: number; undeclared: Visibility },
): void {
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
    revision: restored?.revision ?? (before?.revision ?? 0) + 1,
    updatedAt: restored?.updatedAt ?? now,
    visibility: visibility ?? before?.visibility ?? undeclared,
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
