/**
 * What of a store goes into its view: names and attributes of everything but the vault's own records; values only where
 * the owner may see them without a second factor: transparent, of sensitivity `data`, and text.
 */
import { SCAN_ITEMS_MAX } from '#host/limits.ts'
import { pack } from '#host/wire/pack.ts'
import { readTrail } from './audit.ts'
import { VIEW_TEXT_BYTES_MAX } from './limits.ts'
import { isDeviceNamespace, type Item, type Namespace, type NamespaceName, type VaultStore } from './port.ts'

type Cell = string | number | null

/**
 * Packed `[table, cells]`, some rows at a time, cells in the order of the table's columns: the caller lets others work
 * in between. What is committed meanwhile is seen or not; a row is always as it was at one moment.
 */
export function* projectStore(
  store: Pick<VaultStore, 'namespace' | 'namespaces'>,
  aliasOf: (namespace: NamespaceName) => string | null,
): Generator<Uint8Array> {
  for (const name of store.namespaces()) {
    if (name === 'system' || name === 'audit' || isDeviceNamespace(name)) continue
    const alias = aliasOf(name)
    const space = store.namespace(name)
    let cursor: { after?: string } | undefined = {}
    while (cursor) {
      const items: Cell[] = []
      const page = space.scan({ prefix: '', limit: SCAN_ITEMS_MAX, ...cursor })
      for (const [key, item] of page.items) push(items, { name, alias, key, item })
      yield pack(['items', items])
      cursor = page.next === undefined ? undefined : { after: page.next }
    }
  }
  yield* projectTrail(store.namespace('audit'))
}

function* projectTrail(space: Namespace): Generator<Uint8Array> {
  let last = 0
  for (;;) {
    const rows = readTrail(space, { after: last, limit: SCAN_ITEMS_MAX })
    const audit: Cell[] = []
    for (const row of rows) {
      const { sequence, at, connection, who, eventType, fields, purpose, contractVersion, result, reason, count } = row
      audit.push(sequence, at, connection, who, eventType, fields.join(' '), purpose, contractVersion)
      audit.push(result, reason, count)
    }
    const end = rows.at(-1)
    if (!end) return
    last = end.sequence
    yield pack(['audit', audit])
  }
}

function push(
  items: Cell[],
  { name, alias, key, item }: { name: NamespaceName; alias: string | null; key: string; item: Item },
): void {
  const { visibility, sensitivity, value, revision, updatedAt } = item
  items.push(name, key, alias, item.category ?? null, visibility, sensitivity)
  items.push(value.length, revision, updatedAt, item.author ?? null, textOf(item))
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function textOf({ visibility, sensitivity, value }: Item): string | null {
  if (visibility !== 'transparent' || sensitivity !== 'data' || value.length > VIEW_TEXT_BYTES_MAX) return null
  try {
    return utf8.decode(value)
  } catch {
    return null
  }
}
