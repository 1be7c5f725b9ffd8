/** The owner looks for things in their vault, and has them counted. What is opaque is found by its name alone. */
import { Refusal } from '#host/errors.ts'
import { z } from '#host/schema.ts'
import { FILTER_CHARS_MAX, VIEW_PAGE_ROWS_MAX } from '#host/storage/limits.ts'
import type { NamespaceName } from '#host/storage/port.ts'
import { compileFilter } from '#host/storage/view-filter.ts'
import { projectStore } from '#host/storage/view-project.ts'
import { reportForm, reportNames, reportQuery, searchColumns, searchQuery } from '#host/storage/view-statements.ts'
import type { ViewRow, ViewSource } from '#host/storage/view.ts'
import type { Cbor } from '#host/wire/cbor.ts'
import { parseConnectionId } from '#host/wire/id.ts'
import { type Command, type Done, readCommand } from './command.ts'
import { eventRow } from './rows.ts'
import type { Vault } from './vault.ts'

const filter = z.string().max(FILTER_CHARS_MAX).optional()
const searched = z.strictObject({
  in: z.enum(['items', 'audit']),
  filter,
  after: z.array(z.union([z.string(), z.number()])).optional(),
  limit: z.int().min(1).max(VIEW_PAGE_ROWS_MAX).optional(),
})
const reported = z.strictObject({ name: z.string(), filter, after: z.tuple([z.int().min(0)]).optional() })
/** How many columns a place in a table has. */
const PLACE = { items: 2, audit: 1 } as const

/** A page of rows, and where the next one begins. @throws Refusal `command-invalid`, `filter-invalid`, `busy` */
export async function searchVault(command: Command): Promise<Done> {
  const { in: table, filter: typed = '', after, limit = VIEW_PAGE_ROWS_MAX } = readCommand(searched, command)
  if (after && after.length !== PLACE[table]) throw new Refusal('command-invalid', 'after: not a place in this table')
  const condition = compileFilter(typed, table)
  const { vault } = command
  const rows = await vault.views.select(sourceOf(vault), searchQuery(table, { condition, after, limit }))
  const last = rows.length === limit ? rows.at(-1) : undefined
  return done(command, { columns: searchColumns[table], rows, next: last?.slice(0, PLACE[table]) ?? null })
}

/** A page of a fixed report over what a filter leaves. @throws Refusal `command-invalid`, `filter-invalid`, `busy` */
export async function reportVault(command: Command): Promise<Done> {
  const { name, filter: typed = '', after: [skip] = [0] } = readCommand(reported, command)
  const form = reportForm(name)
  if (!form) throw new Refusal('command-invalid', `no report ${name}: there are ${reportNames.join(', ')}`)
  const condition = compileFilter(typed, form.table)
  const { vault } = command
  const limit = VIEW_PAGE_ROWS_MAX
  const rows = await vault.views.select(sourceOf(vault), reportQuery(form, { condition, limit, skip }))
  return done(command, { columns: form.columns, rows, next: rows.length === limit ? [skip + limit] : null })
}

function sourceOf(vault: Vault): ViewSource {
  const aliasOf = (name: NamespaceName): string | null =>
    name.startsWith('connection/')
      ? (vault.connections.get(parseConnectionId(name.slice('connection/'.length)))?.record.alias ?? null)
      : null
  const { store } = vault
  return { vault: vault.id, version: store.attempts, project: () => projectStore(store, aliasOf) }
}

function done(
  { device, opened, now }: Command,
  { columns, rows, next }: { columns: readonly string[]; rows: readonly ViewRow[]; next: ViewRow | null },
): Done {
  const body: Cbor = { columns, rows, next }
  return { body, rows: [eventRow(device, opened.event, { at: now, result: 'replied' })] }
}
