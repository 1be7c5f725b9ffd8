/** `trellis audit`: prints a vault's trail and says whether its chain holds. */
import { Refusal } from '#host/errors.ts'
import { allRows, trailHead, verifyTrail } from '#host/storage/audit.ts'
import type { AuditRow } from '#host/storage/audit-row.ts'
import { openFolder } from './open.ts'
import { paint } from './paint.ts'
import { table } from './table.ts'

export interface Trail {
  readonly rows: readonly AuditRow[]
  /** The head's hash in hex: note it, and nobody can cut the trail behind it unnoticed. */
  readonly head: string
}

/** @throws Refusal `vault-unknown`, `audit-broken` naming the first bad row, or why the folder cannot be opened */
export async function readAudit(folder: string, id: string): Promise<Trail> {
  await using opened = await openFolder(folder, { create: false })
  const vault = await opened.vaults.find(id)
  if (!vault) throw new Refusal('vault-unknown', `no vault ${id} in ${folder}: it has ${await names(opened.vaults)}`)
  const namespace = vault.store.namespace('audit')
  const head = trailHead(namespace)
  const rows = [...allRows(namespace)]
  verifyTrail(rows, head)
  return { rows, head: head.hash.toHex() }
}

/** The trail as a table that fits `columns`. Rows in a row that differ in time alone are one line. */
export function printTrail({ rows, head }: Trail, columns: number): string {
  const header = ['row', 'time', 'who', 'event', 'fields', 'v', 'result', 'link']
  const lines: { cells: string[]; first: number; last: number }[] = []
  for (const row of rows) {
    const cells = cellsOf(row)
    const line = lines.at(-1)
    if (line && line.cells.slice(1).join('\0') === cells.slice(1).join('\0')) line.last = row.sequence
    else lines.push({ cells, first: row.sequence, last: row.sequence })
  }
  const cells = lines.map(({ cells, first, last }) => [first === last ? `${first}` : `${first}–${last}`].concat(cells))
  const verified = `${paint.good('chain verified')}  ${rows.length} rows, head ${head.slice(0, 16)}…`
  return `${table([header, ...cells], columns)}\n${verified}`
}

/** All columns but the row's number. */
function cellsOf(row: AuditRow): string[] {
  return [
    new Date(row.at).toISOString().slice(11, 23),
    row.who,
    row.eventType ?? '',
    row.fields.join(' '),
    row.contractVersion === null ? '' : String(row.contractVersion),
    row.reason === null ? row.result : `${row.reason}${row.count > 1 ? ` ×${row.count}` : ''}`,
    row.link === null ? '' : `→${row.link}`,
  ]
}

async function names(vaults: { names(): Promise<readonly string[]> }): Promise<string> {
  return (await vaults.names()).join(', ') || 'none'
}

/** Every column of every row, one JSON object per line, hashes in hex. */
export function trailAsJson({ rows }: Trail): string {
  return rows
    .map((row) => JSON.stringify({ ...row, previous: row.previous.toHex(), hash: row.hash.toHex() }))
    .join('\n')
}
