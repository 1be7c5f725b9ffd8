/** The owner's reading of the audit trail, its checkpoints, and how long its rows are kept. */
import { Refusal } from '#host/errors.ts'
import { timestamp, z } from '#host/schema.ts'
import { planPruning, pruneChanges, readTrail } from '#host/storage/audit.ts'
import type { AuditRow } from '#host/storage/audit-row.ts'
import { signCheckpoint } from '#host/crypto/checkpoint.ts'
import { AUDIT_PAGE_ROWS_MAX, AUDIT_SCAN_ROWS_MAX } from '#host/storage/limits.ts'
import type { Cbor } from '#host/wire/cbor.ts'
import { type Command, type Done, readCommand } from './command.ts'
import { eventRow } from './rows.ts'
import { freshCheckpoint, stored } from './trail.ts'
import type { Vault } from './vault.ts'

const nothing = z.strictObject({})
const paged = z.strictObject({
  /** Rows about this connection alone, severed or not. */
  connection: z.exactOptional(z.string()),
  after: z.exactOptional(z.number().int().min(0)),
  limit: z.exactOptional(z.number().int().min(1).max(AUDIT_PAGE_ROWS_MAX)),
})
const before = z.strictObject({ before: timestamp })

/** A page of rows; `next` goes into the following request as `after`, also when a page holds none. */
export function auditRows(command: Command): Done {
  const { vault, device, opened, now } = command
  const { connection, after = 0, limit = AUDIT_PAGE_ROWS_MAX } = readCommand(paged, command)
  const namespace = vault.store.namespace('audit')
  const rows: Cbor[] = []
  let last = after
  let seen = 0
  let ended = false
  while (rows.length < limit && seen < AUDIT_SCAN_ROWS_MAX && !ended) {
    const page = readTrail(namespace, { after: last, limit: AUDIT_PAGE_ROWS_MAX })
    ended = page.length === 0
    for (const row of page) {
      if (rows.length === limit) break
      last = row.sequence
      seen++
      if (connection === undefined || row.connection === connection) rows.push(shown(row))
    }
  }
  return {
    body: { rows, next: ended ? null : last },
    rows: [eventRow(device, opened.event, { at: now, result: 'replied', connection: connection ?? null })],
  }
}

/** Signs everything up to now: the device keeps it, and nobody cuts the trail behind it unnoticed. */
export function auditCheckpoint(command: Command): Done {
  const { vault, device, opened, now } = command
  readCommand(nothing, command)
  const checkpoint = freshCheckpoint(vault, now)
  return {
    body: { checkpoint },
    ...stored(vault, checkpoint),
    rows: [eventRow(device, opened.event, { at: now, result: 'replied' })],
  }
}

/**
 * Drops rows from before a time, the oldest first, a bounded number at once; none pruned means that none is left. Rows
 * of connections that have ended stay: they are what is left of them. A signed base takes the place of what goes.
 */
export function auditPrune(command: Command): Done {
  const { vault, device, opened, now } = command
  const { before: end } = readCommand(before, command)
  if (end > now) throw new Refusal('command-invalid', 'rows of the future cannot be pruned: name an earlier time')
  const plan = planPruning(vault.store.namespace('audit'), {
    until: ({ at }) => at >= end,
    keeps: (row) => isOver(vault, row),
  })
  const base = plan && signCheckpoint({ vault: vault.id, at: now, ...plan.base }, vault.signing)
  const pruned = plan?.gone.length ?? 0
  return {
    body: { pruned, through: plan?.base.sequence ?? 0 },
    changes: plan && base ? pruneChanges(plan, base) : [],
    rows: [eventRow(device, opened.event, { at: now, result: 'changed', reason: `${pruned} rows pruned` })],
  }
}

/** About a connection that has ended, or that was removed. */
function isOver({ connections }: Vault, { connection }: AuditRow): boolean {
  if (connection === null) return false
  const found = [...connections.values()].find(({ id }) => id === connection)
  return found === undefined || found.record.status === 'severed'
}

function shown({ hash, previous, fields, ...row }: AuditRow): Cbor {
  return { ...row, fields: [...fields], hash, previous }
}
