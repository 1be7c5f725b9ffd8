/**
 * A vault as bytes for its owner to keep: everything it holds, in order, and nothing of the host that held it. The same
 * state gives the same bytes.
 *
 * A sequence of records, each a 32-bit big-endian length and that many bytes of vine-CBOR:
 * `['trellis-vault', 1, vault, [sequence, chain]]`, then per item `[namespace, key, value, revision, updatedAt, opaque,
 * sensitivity, category | null, author | null]`, namespaces and keys in order, then `['end', items]`. The keys that
 * sealed it stay where they are: whoever restores it seals it anew.
 */
import { Refusal } from '#host/errors.ts'
import { KEY_BYTES_MAX, SCAN_ITEMS_MAX, VALUE_BYTES_MAX } from '#host/limits.ts'
import { bytesOf, bytesUpTo, check, timestamp, z } from '#host/schema.ts'
import { type AuditHead, decodeHead, decodeRow, ROW_PREFIX } from '#host/storage/audit-row.ts'
import { BASE_KEY, verifyTrail } from '#host/storage/audit.ts'
import { readCheckpoint } from '#host/crypto/checkpoint.ts'
import { BACKUP_BYTES_MAX, RESTORE_COMMIT_BYTES } from '#host/storage/limits.ts'
import { compareUtf8 } from '#host/storage/order.ts'
import { type Change, type Item, itemBytes, type NamespaceName, type VaultStore } from '#host/storage/port.ts'
import { isNamespaceName } from '#host/storage/writes.ts'
import { joinBytes } from '#host/wire/bytes.ts'
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { parseVaultId, type VaultId } from '#host/wire/id.ts'

const KIND = 'trellis-vault'
const LENGTH_BYTES = 4
/** What a record has beside its key and value. */
const RECORD_BYTES = 1_024

const firstSchema = z.tuple([
  z.literal(KIND),
  z.literal(1),
  z.string(),
  z.tuple([z.number().int().min(0), bytesOf(32)]),
])
const itemSchema = z.tuple([
  z.string(),
  z.string().min(1).max(KEY_BYTES_MAX),
  bytesUpTo(VALUE_BYTES_MAX),
  z.number().int().min(1),
  timestamp,
  z.boolean(),
  z.enum(['data', 'secret', 'critical']),
  z.string().nullable(),
  z.string().nullable(),
])
const lastSchema = z.tuple([z.literal('end'), z.number().int().min(0)])

/** What a backup holds, readable. */
export interface Backup {
  readonly vault: VaultId
  /** Every item as the change that restores it. */
  readonly changes: readonly Change[]
}

/** @throws Refusal `too-large` as soon as it would have more than `bytesMax` */
export function encodeBackup(
  store: Pick<VaultStore, 'vault' | 'head'> & Reader,
  bytesMax = BACKUP_BYTES_MAX,
): Uint8Array {
  const { vault, head } = store
  const records: Uint8Array[] = []
  let bytes = 0
  function add(record: Cbor): void {
    const framed = frame(record)
    bytes += framed.length
    if (bytes > bytesMax) {
      throw new Refusal('too-large', `a backup of more than ${bytesMax} bytes: remove something first`)
    }
    records.push(framed)
  }
  add([KIND, 1, vault, [head.sequence, head.chain]])
  let items = 0
  for (const namespace of store.namespaces()) {
    for (const [key, item] of allItems(store, namespace)) {
      add(recordOf(namespace, key, item))
      items += 1
    }
  }
  add(['end', items])
  return joinBytes(records)
}

/**
 * Reads and checks all of it: form, order, count and the audit trail's own chain.
 *
 * @throws Refusal `backup-invalid` naming what is wrong; `audit-broken`
 */
export function decodeBackup(bytes: Uint8Array): Backup {
  const records = framesOf(bytes)
  const [, , vault] = read(firstSchema, records.next(), 'its head')
  const changes: Change[] = []
  let before: Change | undefined
  for (const record of records) {
    const value = decoded(record)
    if (Array.isArray(value) && value[0] === 'end') {
      const [, items] = check(lastSchema, value, 'backup-invalid', 'its end')
      if (items !== changes.length || !records.next().done) throw invalid('its end is not where it says')
      checkTrail(changes)
      return { vault: parseVaultId(vault), changes }
    }
    const change = changeOf(check(itemSchema, value, 'backup-invalid', `item ${changes.length + 1}`))
    if (before && !follows(before, change)) throw invalid(`item ${changes.length + 1} is out of order`)
    changes.push((before = change))
  }
  throw invalid('its end is missing')
}

/** Makes a store hold these items and no others: an earlier attempt may have left some. */
export async function fill(store: VaultStore, changes: readonly Change[], now: number): Promise<void> {
  const wanted = new Set(changes.map(({ namespace, key }) => `${namespace} ${key}`))
  const stale = store
    .namespaces()
    .flatMap((namespace) =>
      [...allItems(store, namespace)].flatMap(([key]): Change[] =>
        wanted.has(`${namespace} ${key}`) ? [] : [{ namespace, key, value: null }],
      ),
    )
  let gathered: Change[] = []
  let bytes = 0
  for (const change of [...stale, ...changes]) {
    const size = itemBytes(change.key, change.value ?? new Uint8Array(0)) + RECORD_BYTES
    if (bytes + size > RESTORE_COMMIT_BYTES && gathered.length > 0) {
      await store.commit(gathered, { now })
      gathered = []
      bytes = 0
    }
    gathered.push(change)
    bytes += size
  }
  await store.commit(gathered, { now })
}

type Reader = Pick<VaultStore, 'namespaces' | 'namespace'>

function* allItems(store: Reader, name: NamespaceName): Generator<readonly [string, Item]> {
  let cursor: { after?: string } = {}
  for (;;) {
    const page = store.namespace(name).scan({ prefix: '', limit: SCAN_ITEMS_MAX, ...cursor })
    yield* page.items
    if (page.next === undefined) return
    cursor = { after: page.next }
  }
}

function recordOf(namespace: NamespaceName, key: string, item: Item): Cbor {
  const { value, revision, updatedAt, visibility, sensitivity, category, author } = item
  const isOpaque = visibility === 'opaque'
  return [namespace, key, value, revision, updatedAt, isOpaque, sensitivity, category ?? null, author ?? null]
}

function changeOf([name, key, value, revision, updatedAt, isOpaque, sensitivity, category, author]: z.infer<
  typeof itemSchema
>): Change {
  if (!isNamespaceName(name)) throw invalid('it names no namespace')
  const visibility = isOpaque ? 'opaque' : 'transparent'
  const attributes = { visibility, sensitivity, category, author: author ?? undefined } as const
  return { namespace: name, key, value, ...attributes, restored: { revision, updatedAt } }
}

/** Strictly: so that nothing is there twice. */
function follows(before: Change, change: Change): boolean {
  if (before.namespace !== change.namespace) return before.namespace < change.namespace
  return compareUtf8(before.key, change.key) < 0
}

function checkTrail(changes: readonly Change[]): void {
  const audit = changes.filter(({ namespace }) => namespace === 'audit')
  const rows = audit.flatMap(({ key, value }) => (value && key.startsWith(ROW_PREFIX) ? [decodeRow(key, value)] : []))
  const head = audit.find(({ key }) => key === 'head')?.value
  const none: AuditHead = { sequence: 0, hash: new Uint8Array(32) }
  const base = audit.find(({ key }) => key === BASE_KEY)?.value
  verifyTrail(rows, head ? decodeHead(head) : none, base ? readCheckpoint(base) : undefined)
}

function frame(record: Cbor): Uint8Array {
  const body = encodeCbor(record)
  const bytes = new Uint8Array(LENGTH_BYTES + body.length)
  new DataView(bytes.buffer).setUint32(0, body.length)
  bytes.set(body, LENGTH_BYTES)
  return bytes
}

function* framesOf(bytes: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at < bytes.length;) {
    const length = at + LENGTH_BYTES <= bytes.length ? view.getUint32(at) : Infinity
    const end = at + LENGTH_BYTES + length
    if (end > bytes.length) throw invalid('it was cut off')
    yield bytes.subarray(at + LENGTH_BYTES, end)
    at = end
  }
}

function read<T>(schema: z.ZodType<T>, record: IteratorResult<Uint8Array>, what: string): T {
  if (record.done) throw invalid(`${what} is missing`)
  return check(schema, decoded(record.value), 'backup-invalid', what)
}

function decoded(record: Uint8Array): Cbor {
  try {
    return decodeCbor(record, { bytesMax: VALUE_BYTES_MAX + RECORD_BYTES })
  } catch (cause) {
    throw invalid('it holds what is no record', cause)
  }
}

function invalid(what: string, cause?: unknown): Refusal {
  return new Refusal('backup-invalid', `not a backup of a vault: ${what}`, { cause })
}
