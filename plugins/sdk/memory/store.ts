import { err, granted, type MemoryItem, type MemoryNamespace } from './world.ts'

interface Item extends MemoryItem {
  readonly key: string
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
    return item === undefined ? null : { key, ...item }
  }

  put(key: string, value: Uint8Array, expected?: number): void {
    const revision = this.#writable().get(key)?.revision ?? 0
    if (expected !== undefined && expected !== revision) throw err({ tag: 'conflict' })
    this.#space.items.set(key, { value, revision: revision + 1 })
  }

  delete(key: string): void {
    this.#writable().delete(key)
  }

  scan(prefix: string, after: string | undefined, limit: number): { items: Item[]; next: string | null } {
    const found = [...this.#space.items]
      .map(([key, { value, revision }]): Item => ({ key, value, revision }))
      .filter(({ key }) => key.startsWith(prefix) && (after === undefined || key > after))
      .sort((left, right) => (left.key < right.key ? -1 : 1))
    const items = found.slice(0, Math.min(limit, 256))
    return { items, next: found.length > items.length ? (items.at(-1)?.key ?? null) : null }
  }

  #writable(): Map<string, MemoryItem> {
    if (!this.#space.writable) throw err({ tag: 'unavailable' })
    return this.#space.items
  }
}
