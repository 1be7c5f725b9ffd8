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
import { type Checkpoint, keptHash, readCheckpoint } from '#host/crypto/checkpoint.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { PRUNE_ROWS_MAX } from './limits.ts'
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
const CHECKPOINT_KEY = 'checkpoint'
export const BASE_KEY = 'base'

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

/** Where a pruned trail begins, and the one pruning that the vault stands for. */
export type TrailBase = Pick<Checkpoint, 'sequence' | 'hash' | 'kept'>

/**
 * Checks a whole trail up to its head: from row 1, or, when it was pruned, from its base. The rows that stayed before
 * the base must be those that it names.
 *
 * @throws Refusal `audit-broken` naming the first row that was edited, removed, moved, or is missing before the head
 */
export function verifyTrail(rows: Iterable<AuditRow>, head: AuditHead, base?: TrailBase): void {
  const walk = walkTrail(base)
  for (const row of rows) {
    if (walk.next > head.sequence && row.sequence >= walk.next)
      throw broken(walk.next, `lies behind the head, which is row ${head.sequence}`)
    walk.take(row)
  }
  const last = walk.end()
  if (last.sequence < head.sequence) throw broken(last.sequence + 1, `is missing, the head is row ${head.sequence}`)
  if (!equalBytes(last.hash, head.hash)) throw broken(head.sequence, 'is not the row that the head names')
}

/** A verification that is given one row after the other. */
export interface TrailWalk {
  /** The number that the next row must have, once those that pruning kept are through. */
  readonly next: number
  /** @throws Refusal `audit-broken` */
  take(row: AuditRow): void
  /** The last row, or the base when there is none after it. @throws Refusal `audit-broken` */
  end(): AuditHead
}

export function walkTrail(base?: TrailBase): TrailWalk {
  let last: AuditHead = base ?? NO_HEAD
  let kept: AuditRow[] | undefined = base ? [] : undefined

  /** The rows before the base are all there. */
  function closeKept(): void {
    if (!base || !kept) return
    if (base.kept && !equalBytes(keptHash(nativeCrypto, kept), base.kept)) {
      throw broken(kept.at(-1)?.sequence ?? 1, 'is not among the rows that pruning kept, or one of them is missing')
    }
    kept = undefined
  }
  return {
    get next() {
      return last.sequence + 1
    },
    take(row) {
      const sequence = last.sequence + 1
      const isKept = kept !== undefined && row.sequence < sequence
      if (!isKept) {
        closeKept()
        if (row.sequence !== sequence) throw broken(sequence, `is missing, row ${row.sequence} is in its place`)
      }
      if (!equalBytes(row.hash, hashOf(row.previous, contentOf(row.sequence, row)))) {
        throw broken(row.sequence, 'was changed')
      }
      if (isKept) return void kept?.push(row)
      // The row is whole and remembers another row before it: that one was exchanged together with its hash.
      if (!equalBytes(row.previous, last.hash)) throw broken(Math.max(last.sequence, 1), 'was exchanged')
      last = row
    },
    end() {
      closeKept()
      return last
    },
  }
}

/** Where the trail of a store begins; `undefined` for one that was never pruned. */
export function trailBase(namespace: Namespace): Checkpoint | undefined {
  const bytes = trailBaseBytes(namespace)
  return bytes && readCheckpoint(bytes)
}

/** The same as it was signed. */
export function trailBaseBytes(namespace: Namespace): Uint8Array | undefined {
  return namespace.get(BASE_KEY)?.value
}

/** The latest signed checkpoint of a store, as it was signed. */
export function latestCheckpoint(namespace: Namespace): Uint8Array | undefined {
  return namespace.get(CHECKPOINT_KEY)?.value
}

/** The change that keeps a checkpoint as the latest. */
export function checkpointChange(bytes: Uint8Array): Change {
  return { namespace: 'audit', key: CHECKPOINT_KEY, value: bytes }
}

/** What pruning would leave: its signed part, and the keys that go. */
export interface Pruning {
  readonly base: { readonly sequence: number; readonly hash: Uint8Array; readonly kept: Uint8Array }
  readonly gone: readonly string[]
}

/**
 * Looks for rows to prune: the oldest up to the first that must stay as `until` says, except those that `keeps` names.
 * The chain up to there is verified first, since the vault is to sign for it. `undefined` when nothing would go.
 *
 * @throws Refusal `audit-broken`
 */
export function planPruning(
  namespace: Namespace,
  { until, keeps }: { until: (row: AuditRow) => boolean; keeps: (row: AuditRow) => boolean },
): Pruning | undefined {
  const base = trailBase(namespace)
  const walk = walkTrail(base)
  const kept: AuditRow[] = []
  const gone: string[] = []
  let last: AuditHead | undefined = base
  for (const row of allRows(namespace)) {
    const isNew = row.sequence > (base?.sequence ?? 0)
    const stays = keeps(row)
    // Rows that stay do not count: those behind them would never go.
    if (isNew && (until(row) || (!stays && gone.length >= PRUNE_ROWS_MAX))) break
    walk.take(row)
    if (isNew) last = row
    if (stays) kept.push(row)
    else gone.push(rowKey(row.sequence))
  }
  walk.end()
  if (gone.length === 0 || !last) return undefined
  return { base: { sequence: last.sequence, hash: last.hash, kept: keptHash(nativeCrypto, kept) }, gone }
}

/** The changes of a pruning whose base is signed. */
export function pruneChanges({ gone }: Pruning, signedBase: Uint8Array): Change[] {
  const deletes = gone.map((key): Change => ({ namespace: 'audit', key, value: null }))
  return [...deletes, { namespace: 'audit', key: BASE_KEY, value: signedBase }]
}

function rowKey(sequence: number): string {
  return `${ROW_PREFIX}${String(sequence).padStart(16, '0')}`
}

function broken(sequence: number, what: string): Refusal {
  return new Refusal('audit-broken', `row ${sequence}: ${what}`)
}
