/** The owner's reading of the audit trail, its checkpoints, and how long its rows are kept. */
import { Refusal } from '#host/errors.ts'
import { timestamp, z } from '#host/schema.ts'
import { readTrail } from '#host/storage/audit.ts'
import type { AuditRow } from '#host/storage/audit-row.ts'
import { AUDIT_PAGE_ROWS_MAX, AUDIT_RETAIN_DAYS_MAX, AUDIT_SCAN_ROWS_MAX } from '#host/storage/limits.ts'
import type { Cbor } from '#host/wire/cbor.ts'
import { type Command, type Done, readCommand } from './command.ts'
import { pruneBefore, retentionChange } from './retention.ts'
import { eventRow } from './rows.ts'
import { freshCheckpoint, stored } from './trail.ts'

const nothing = z.strictObject({})
const paged = z.strictObject({
  /** Rows about this connection alone, severed or not. */
  connection: z.exactOptional(z.string()),
  after: z.exactOptional(z.number().int().min(0)),
  limit: z.exactOptional(z.number().int().min(1).max(AUDIT_PAGE_ROWS_MAX)),
})
const before = z.strictObject({ before: timestamp })
const retained = z.strictObject({ days: z.int().min(1).max(AUDIT_RETAIN_DAYS_MAX).nullable() })

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

/** Drops rows from before a time, a bounded number at once; none pruned means that none is left. */
export function auditPrune(command: Command): Done {
  const { vault, device, opened, now } = command
  const { before: end } = readCommand(before, command)
  if (end > now) throw new Refusal('command-invalid', 'rows of the future cannot be pruned: name an earlier time')
  const { changes, ...body } = pruneBefore(vault, { end, now })
  const reason = `${body.pruned} rows pruned`
  return { body, changes, rows: [eventRow(device, opened.event, { at: now, result: 'changed', reason })] }
}

/** From now on rows that are older go by themselves; `null`: they stay until they are pruned. */
export function auditRetain(command: Command): Done {
  const { device, opened, now } = command
  const { days } = readCommand(retained, command)
  const reason = days === null ? 'rows are kept' : `rows are kept for ${days} days`
  return {
    changes: [retentionChange(days === null ? null : { days, next: now })],
    rows: [eventRow(device, opened.event, { at: now, result: 'changed', reason })],
  }
}

function shown({ hash, previous, fields, ...row }: AuditRow): Cbor {
  return { ...row, fields: [...fields], hash, previous }
}
