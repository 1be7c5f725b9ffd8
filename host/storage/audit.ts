/**
 * The audit trail: append-only rows in namespace `audit`, each with the hash of the one before.
 *
 * `hash = SHA-256("vine/1 audit" | previous | content)`, content = strict CBOR of `[sequence, entry]`, 32 zero bytes before
 * row 1. `row/<16 digits>` holds `[content, previous, hash]`, `head` holds the last `[sequence, hash]`. The journal's seals keep outsiders from
 * touching a row; the chain shows whoever holds a head (the owner, an auditor) what an insider did.
 */
import { digest } from '#host/crypto/kdf.ts'
import { Refusal } from '#host/errors.ts'
import { SCAN_ITEMS_MAX } from '#host/limits.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { bytesOf, check, timestamp, z } from '#host/schema.ts'
import type { Change, Namespace, VaultStore } from './port.ts'

const count = z.number().int().min(1)
const hash = bytesOf(32)

const entrySchema = z.strictObject({
  /** When this happened, milliseconds since the epoch. */
  at: timestamp,
  connection: z.string().nullable(),
  /** The name the owner knows them by. */
  who: z.string(),
  eventId: z.string().nullable(),
  eventType: z.string().nullable(),
  fields: z.array(z.string()).readonly(),
  purpose: z.string().nullable(),
  contractVersion: z.number().int().nullable(),
  result: z.enum(['replied', 'accepted', 'pending', 'approved', 'denied', 'refused', 'changed']),
  reason: z.string().nullable(),
  askedAt: timestamp.nullable(),
  answeredAt: timestamp.nullable(),
  /** The row this one answers: consent is two linked rows. */
  link: count.nullable(),
  /** 1, or how many identical refusals this row stands for. */
  count,
})

const headSchema = z.tuple([count, hash])
const storedSchema = z.tuple([z.instanceof(Uint8Array), hash, hash])
const contentSchema = z.tuple([count, entrySchema])

/** What is known of one thing that happened. */
export type AuditEntry = z.infer<typeof entrySchema>

/** An entry in its place. */
export interface AuditRow extends AuditEntry {
  /** 1 for the first row. */
  readonly sequence: number
  /** Hash of the row before. */
  readonly previous: Uint8Array
  readonly hash: Uint8Array
}

/** The last row of a trail; sequence 0 and 32 zero bytes for an empty one. */
export interface AuditHead {
  readonly sequence: number
  readonly hash: Uint8Array
}

export interface AuditTrail {
  readonly head: AuditHead
  /**
   * The next row and its writes. Rows are numbered in the order of the calls; several may go into one commit. Append
   * and `commit` are one synchronous step, with all rows' writes in the one commit: if it is refused, its rows never
   * were, and the next call takes their numbers.
   */
  append(entry: AuditEntry): { readonly row: AuditRow; readonly changes: readonly Change[] }
}

const NO_HEAD: AuditHead = { sequence: 0, hash: new Uint8Array(32) }
const HEAD_KEY = 'head'

/** The trail of one open store; there is one per store. */
export function auditTrail(store: Pick<VaultStore, 'namespace' | 'attempts'>): AuditTrail {
  const namespace = store.namespace('audit')
  let head = trailHead(namespace)
  let attempts = store.attempts

  /** Once a commit was tried, the store knows best how far the trail reaches. */
  function settle(): void {
    if (attempts === store.attempts) return
    attempts = store.attempts
    const stored = namespace.get(HEAD_KEY)?.value
    if (stored === undefined || !equalBytes(stored, encodeHead(head))) head = trailHead(namespace)
  }

  return {
    get head() {
      settle()
      return head
    },
    append(entry) {
      settle()
      const sequence = head.sequence + 1
      const previous = head.hash
      const content = contentOf(sequence, entry)
      const row: AuditRow = { ...entry, sequence, previous, hash: hashOf(previous, content) }
      head = { sequence, hash: row.hash }
      const changes: Change[] = [
        { namespace: 'audit', key: rowKey(sequence), value: encodeCbor([content, previous, row.hash]) },
        { namespace: 'audit', key: HEAD_KEY, value: encodeHead(head) },
      ]
      return { row, changes }
    },
  }
}

/** Where the trail ends; sequence 0 when it is empty. @throws Refusal `audit-broken` when that cannot be read */
export function trailHead(namespace: Namespace): AuditHead {
  const item = namespace.get(HEAD_KEY)
  return item === undefined ? NO_HEAD : decodeHead(item.value)
}

/** Rows after a sequence, in key order. @throws Refusal `audit-broken` naming a row that cannot be read */
export function readTrail(namespace: Namespace, { after = 0, limit }: { after?: number; limit: number }): AuditRow[] {
  const page = namespace.scan({ prefix: 'row/', after: rowKey(after), limit })
  return page.items.map(([key, item]) => decodeRow(key, item.value))
}

/** Every row, a page at a time. */
export function* allRows(namespace: Namespace): Generator<AuditRow> {
  let cursor: { after?: string } = {}
  for (;;) {
    const page = namespace.scan({ prefix: 'row/', limit: SCAN_ITEMS_MAX, ...cursor })
    for (const [key, item] of page.items) yield decodeRow(key, item.value)
    if (page.next === undefined) return
    cursor = { after: page.next }
  }
}

/**
 * Checks a whole trail, from row 1 to the head.
 *
 * @throws Refusal `audit-broken` naming the first row that was edited, removed, moved, or is missing before the head
 */
export function verifyTrail(rows: Iterable<AuditRow>, head: AuditHead): void {
  let last = NO_HEAD
  for (const row of rows) {
    const sequence = last.sequence + 1
    if (sequence > head.sequence) throw broken(sequence, `lies behind the head, which is row ${head.sequence}`)
    if (row.sequence !== sequence) throw broken(sequence, `is missing, row ${row.sequence} is in its place`)
    if (!equalBytes(row.hash, hashOf(row.previous, contentOf(row.sequence, row)))) throw broken(sequence, 'was changed')
    // The row is whole and remembers another row before it: that one was exchanged together with its hash.
    if (!equalBytes(row.previous, last.hash)) throw broken(Math.max(last.sequence, 1), 'was exchanged')
    last = row
  }
  if (last.sequence < head.sequence) throw broken(last.sequence + 1, `is missing, the head is row ${head.sequence}`)
  if (!equalBytes(last.hash, head.hash)) throw broken(head.sequence, 'is not the row that the head names')
}

function hashOf(previous: Uint8Array, content: Uint8Array): Uint8Array {
  return digest('vine/1 audit', previous, content)
}

/** The bytes under the hash. Columns in canonical order, so that the encoder has nothing to sort. */
function contentOf(sequence: number, entry: AuditEntry): Uint8Array {
  const columns = {
    at: entry.at,
    who: entry.who,
    link: entry.link,
    count: entry.count,
    fields: entry.fields,
    reason: entry.reason,
    result: entry.result,
    askedAt: entry.askedAt,
    eventId: entry.eventId,
    purpose: entry.purpose,
    eventType: entry.eventType,
    answeredAt: entry.answeredAt,
    connection: entry.connection,
    contractVersion: entry.contractVersion,
  } satisfies AuditEntry
  return encodeCbor([sequence, columns])
}

function decodeRow(key: string, value: Uint8Array): AuditRow {
  const what = `row ${Number(key.slice('row/'.length))}`
  const [bytes, previous, hash] = check(storedSchema, decode(value, what), 'audit-broken', what)
  const [sequence, entry] = check(contentSchema, decode(bytes, what), 'audit-broken', what)
  return { ...entry, sequence, previous, hash }
}

function encodeHead({ sequence, hash }: AuditHead): Uint8Array {
  return encodeCbor([sequence, hash])
}

function decodeHead(value: Uint8Array): AuditHead {
  const [sequence, hash] = check(headSchema, decode(value, 'head'), 'audit-broken', 'head')
  return { sequence, hash }
}

function decode(bytes: Uint8Array, what: string): Cbor {
  try {
    return decodeCbor(bytes)
  } catch (cause) {
    throw new Refusal('audit-broken', `${what}: is not a row`, { cause })
  }
}

function rowKey(sequence: number): string {
  return `row/${String(sequence).padStart(16, '0')}`
}

function broken(sequence: number, what: string): Refusal {
  return new Refusal('audit-broken', `row ${sequence}: ${what}`)
}
