/**
 * The audit trail: append-only rows in namespace `audit`, each with the hash of the one before.
 *
 * The journal's seals keep outsiders from touching a row; the chain shows whoever holds a head (the owner, an auditor)
 * what an insider did.
 */
import { Refusal } from '#host/errors.ts'
import { SCAN_ITEMS_MAX } from '#host/limits.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import {
  type AuditEntry,
  type AuditHead,
  type AuditRow,
  contentOf,
  decodeHead,
  decodeRow,
  encodeHead,
  encodeRow,
  hashOf,
  ROW_PREFIX,
} from './audit-row.ts'
import type { Change, Namespace, VaultStore } from './port.ts'

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
        { namespace: 'audit', key: rowKey(sequence), value: encodeRow({ content, previous, hash: row.hash }) },
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

/** Rows after a sequence, in key order. @throws Refusal `audit-broken` for one that is none */
export function readTrail(namespace: Namespace, { after = 0, limit }: { after?: number; limit: number }): AuditRow[] {
  const page = namespace.scan({ prefix: ROW_PREFIX, after: rowKey(after), limit })
  return page.items.map(([key, item]) => decodeRow(key, item.value))
}

/** Every row, a page at a time. */
export function* allRows(namespace: Namespace): Generator<AuditRow> {
  let cursor: { after?: string } = {}
  for (;;) {
    const page = namespace.scan({ prefix: ROW_PREFIX, limit: SCAN_ITEMS_MAX, ...cursor })
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

function rowKey(sequence: number): string {
  return `${ROW_PREFIX}${String(sequence).padStart(16, '0')}`
}

function broken(sequence: number, what: string): Refusal {
  return new Refusal('audit-broken', `row ${sequence}: ${what}`)
}
