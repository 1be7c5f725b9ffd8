/** `trellis audit`: a vault's trail printed and verified, exported, and a file of one verified. */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'

import { Refusal } from '#host/errors.ts'
import { allRows, trailBase, trailHead, verifyTrail } from '#host/storage/audit.ts'
import { exportTrail, type VerifiedTrail, verifyExport } from '#host/storage/audit-export.ts'
import type { AuditHead, AuditRow } from '#host/storage/audit-row.ts'
import { exportedTrail } from '#host/vault/trail.ts'
import type { Vault } from '#host/vault/vault.ts'
import { z } from '#host/schema.ts'
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
  return withVault(folder, id, ({ store }) => {
    const namespace = store.namespace('audit')
    const head = trailHead(namespace)
    const rows = [...allRows(namespace)]
    verifyTrail(rows, head, trailBase(namespace))
    return { rows, head: head.hash.toHex() }
  })
}

/**
 * Prints a trail as JSON lines, with a checkpoint signed now at its end.
 *
 * @throws Refusal as `readAudit`
 */
export async function exportAudit(folder: string, id: string, options: { now: number; print: (line: string) => void }) {
  await readAudit(folder, id)
  await withVault(folder, id, (vault) => {
    for (const line of exportTrail(exportedTrail(vault, options.now))) options.print(line)
  })
}

/** What the verifier of a file knows from elsewhere, as it is typed. */
export interface Known {
  /** The vault's fingerprint in hex. */
  readonly identity?: string
  /** `SEQUENCE:HASH` of a row that a device was told of, the hash in hex. */
  readonly row?: string
}

/** @throws Refusal `audit-broken` naming the first bad row, `command-invalid` for what is typed wrongly */
export async function verifyFile(path: string, known: Known): Promise<VerifiedTrail> {
  const input = createReadStream(path)
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
  const failed = new Promise<never>((_resolve, reject) => {
    input.once('error', (cause) =>
      reject(new Refusal('command-invalid', `${path} cannot be read: name an exported trail`, { cause })),
    )
  })
  const identity = known.identity === undefined ? {} : { identity: hexOf(known.identity) }
  const head = known.row === undefined ? {} : { head: rowOf(known.row) }
  return Promise.race([verifyExport(lines, { ...identity, ...head }), failed])
}

/** One line that says what a verified file proves. */
export function printVerified({ vault, identity, rows, base, head }: VerifiedTrail): string {
  const from = base ? `, pruned up to row ${base.sequence}` : ''
  const end = `last row ${head.sequence}, signed ${new Date(head.at).toISOString()}`
  return [
    `${paint.good('trail verified')}  vault ${vault}, ${rows} rows${from}, ${end}`,
    `fingerprint ${identity.toHex()}`,
    `row ${head.sequence}:${head.hash.toHex()}`,
  ].join('\n')
}

function rowOf(text: string): AuditHead {
  const found = /^(\d{1,15}):([0-9a-f]{64})$/u.exec(text)
  if (!found) throw new Refusal('command-invalid', 'a row is typed as NUMBER:HASH, the hash in 64 hex digits')
  return { sequence: Number(found[1]), hash: hexOf(found[2] ?? '') }
}

function hexOf(text: string): Uint8Array {
  const result = z
    .string()
    .regex(/^[0-9a-f]{64}$/u)
    .safeParse(text)
  if (!result.success) throw new Refusal('command-invalid', 'a fingerprint is typed as 64 hex digits')
  return Uint8Array.fromHex(result.data)
}

async function withVault<T>(folder: string, id: string, use: (vault: Vault) => T): Promise<T> {
  await using opened = await openFolder(folder, { create: false })
  const vault = await opened.vaults.find(id)
  if (!vault) throw new Refusal('vault-unknown', `no vault ${id} in ${folder}: it has ${await names(opened.vaults)}`)
  return use(vault)
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
