import { encodeUtf8 } from '../utf8.ts'
import { err, granted, type MemoryItem, type MemoryNamespace } from './world.ts'

interface Item extends Omit<MemoryItem, 'sensitivity'> {
  readonly key: string
}

interface Attributes {
  readonly visibility: 'transparent' | 'opaque'
  readonly category?: string | null | undefined
  readonly sensitivity?: Sensitivity | null | undefined
}

type Sensitivity = NonNullable<MemoryItem['sensitivity']>
const sensitivities: readonly Sensitivity[] = ['data', 'secret', 'critical']

function shown(key: string, { value, revision, visibility, category }: MemoryItem): Item {
  return { key, value, revision, visibility, category }
}

export function open(label: string): Namespace {
  const { namespaces } = granted()
  const space = Object.hasOwn(namespaces, label) ? namespaces[label] : undefined
  if (space === undefined) throw err({ tag: 'unavailable' })
  return new Namespace(space)
}

/** Writes at once: a test that expects a refusal looks at the refusal, not at what was written before it. */
export class Namespace {
  readonly #space: MemoryNamespace

  constructor(space: MemoryNamespace) {
    this.#space = space
  }

  get(key: string): Item | null {
    const item = this.#space.items.get(key)
    return item === undefined ? null : shown(key, item)
  }

  put(key: string, value: Uint8Array, expected: number | undefined, attributes: Attributes | undefined): void {
    const { categories, bytesMax = Infinity } = this.#space
    const before = this.#writable().get(key)
    const { visibility, category } = attributes ?? before ?? { visibility: 'transparent' }
    const isListed = category === undefined || category === null || categories?.includes(category) !== false
    if (!isListed) throw err({ tag: 'wrong-category' })
    if (expected !== undefined && expected !== (before?.revision ?? 0)) throw err({ tag: 'conflict' })
    const left = bytesMax - this.#bytes() + (before === undefined ? 0 : bytesOf(key, before.value))
    if (bytesOf(key, value) > left) throw err({ tag: 'full', val: left })
    const item = { value, revision: (before?.revision ?? 0) + 1, visibility, category: category ?? null }
    const level = strictest(before?.sensitivity, attributes?.sensitivity ?? undefined)
    this.#space.items.set(key, level === undefined ? item : { ...item, sensitivity: level })
  }

  delete(key: string): void {
    this.#writable().delete(key)
  }

  scan(prefix: string, after: string | undefined, limit: number): { items: Item[]; next: string | null } {
    const found = [...this.#space.items]
      .map(([key, item]): Item => shown(key, item))
      .filter(({ key }) => key.startsWith(prefix) && (after === undefined || key > after))
      .sort((left, right) => (left.key < right.key ? -1 : 1))
    const items = found.slice(0, Math.min(limit, 256))
    return { items, next: found.length > items.length ? (items.at(-1)?.key ?? null) : null }
  }

  #bytes(): number {
    return [...this.#space.items].reduce((sum, [key, { value }]) => sum + bytesOf(key, value), 0)
  }

  #writable(): Map<string, MemoryItem> {
    if (!this.#space.writable) throw err({ tag: 'unavailable' })
    return this.#space.items
  }
}

function strictest(one: Sensitivity | undefined, other: Sensitivity | undefined): Sensitivity | undefined {
  return sensitivities.findLast((each) => each === one || each === other)
}

function bytesOf(key: string, value: Uint8Array): number {
  return encodeUtf8(key).length + value.length
}
