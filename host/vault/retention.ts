/** How long rows of the audit trail are kept: pruned by hand or by age, as the owner says, under a signed base. */
import { signCheckpoint } from '#host/crypto/checkpoint.ts'
import { Refusal } from '#host/errors.ts'
import { planPruning, pruneChanges } from '#host/storage/audit.ts'
import type { AuditRow } from '#host/storage/audit-row.ts'
import { AUDIT_PRUNE_EVERY_MS, PRUNE_ROWS_MAX } from '#host/storage/limits.ts'
import type { Change } from '#host/storage/port.ts'
import { commit, type Leaving } from './commit.ts'
import { decodeRecord, encodeRecord, type RetentionRecord } from './records.ts'
import { row } from './rows.ts'
import type { Vault } from './vault.ts'

const KEY = 'audit-retention'
const DAY_MS = 86_400_000

/** What a pruning leaves. */
interface Pruned {
  readonly pruned: number
  /** The last row of which the base alone is left; 0 for none. */
  readonly through: number
  readonly changes: readonly Change[]
}

/**
 * Drops rows from before a time, the oldest first, a bounded number at once. Rows of connections that have ended stay:
 * they are what is left of them. A signed base takes the place of what goes, so that the chain verifies without it.
 *
 * @throws Refusal `audit-broken`
 */
export function pruneBefore(vault: Vault, { end, now }: { readonly end: number; readonly now: number }): Pruned {
  const plan = planPruning(vault.store.namespace('audit'), {
    until: ({ at }) => at >= end,
    keeps: (kept) => isOver(vault, kept),
  })
  if (!plan) return { pruned: 0, through: 0, changes: [] }
  const base = signCheckpoint({ vault: vault.id, at: now, ...plan.base }, vault.signing)
  return { pruned: plan.gone.length, through: plan.base.sequence, changes: pruneChanges(plan, base) }
}

/** What the owner said, if they did. */
export function retention({ system }: Pick<Vault, 'system'>): RetentionRecord | undefined {
  const item = system.get(KEY)
  return item && decodeRecord('retention', item.value)
}

export function retentionChange(record: RetentionRecord | null): Change {
  return { namespace: 'system', key: KEY, value: record && encodeRecord('retention', record) }
}

/** Once a day what is older than the owner wants goes; the rest of many goes in the rounds that follow. */
export async function pruneWhenDue(vault: Vault, moment: Pick<Leaving, 'now' | 'random'>): Promise<void> {
  const { now } = moment
  const record = retention(vault)
  if (!record || record.next > now) return
  const { days } = record
  const { pruned, changes } = pruneUnbroken(vault, { end: now - days * DAY_MS, now })
  const next = pruned >= PRUNE_ROWS_MAX ? now : now + AUDIT_PRUNE_EVERY_MS
  const reason = `${pruned} rows older than ${days} days pruned`
  await commit({
    vault,
    ...moment,
    changes: [...changes, retentionChange({ days, next })],
    rows: pruned === 0 ? [] : [row({ at: now, who: 'vault', eventType: 'audit.prune', result: 'changed', reason })],
  })
}

/** A trail that somebody changed stays as it is: who verifies it is told where. */
function pruneUnbroken(vault: Vault, when: Parameters<typeof pruneBefore>[1]): Pruned {
  try {
    return pruneBefore(vault, when)
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== 'audit-broken') throw error
    return { pruned: 0, through: 0, changes: [] }
  }
}

/** About a connection that has ended, or that was removed. */
function isOver({ connections }: Vault, { connection }: AuditRow): boolean {
  if (connection === null) return false
  const found = [...connections.values()].find(({ id }) => id === connection)
  return found === undefined || found.record.status === 'severed'
}
