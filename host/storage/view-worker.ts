/**
 * The thread of one vault's view: SQLite in a module and a memory of its own, filled once for each state, then read.
 * It sees no key and no bytes of another vault, and ends with its view.
 */
import { parentPort } from 'node:worker_threads'

import initSqlJs, { type Database, type SqlValue } from 'sql.js'

import { unpack } from '#host/wire/pack.ts'
import { viewInserts, viewSchema } from './view-statements.ts'

export type ViewTask =
  /** A projection begins, in the place of the one before. */
  | { readonly kind: 'begin' }
  | { readonly kind: 'rows'; readonly packed: Uint8Array }
  | { readonly kind: 'end' }
  | { readonly kind: 'ask'; readonly task: number; readonly sql: string; readonly values: readonly (string | number)[] }

export interface ViewAnswer {
  readonly task: number
  readonly rows: readonly (readonly SqlValue[])[]
}

const COLUMNS = { items: 11, audit: 11 } as const
const engine = initSqlJs()
let database: Database | undefined

parentPort?.on('message', (task: ViewTask) => void take(task))

async function take(task: ViewTask): Promise<void> {
  const { Database } = await engine
  // Without bytes it would open a file by a name that another database may have.
  if (task.kind === 'begin') database = begun(new Database(new Uint8Array(0)), database)
  else if (!database) throw new Error('a view was asked before it was built')
  else if (task.kind === 'rows') insert(database, task.packed)
  else if (task.kind === 'end') finish(database)
  else parentPort?.postMessage({ task: task.task, rows: ask(database, task) } satisfies ViewAnswer)
}

function begun(fresh: Database, before: Database | undefined): Database {
  before?.close()
  for (const sql of viewSchema) fresh.run(sql)
  fresh.run('BEGIN')
  return fresh
}

function insert(filled: Database, packed: Uint8Array): void {
  const [table, cells] = unpack(packed) as [keyof typeof COLUMNS, SqlValue[]]
  const statement = filled.prepare(viewInserts[table])
  for (let at = 0; at < cells.length; at += COLUMNS[table]) statement.run(cells.slice(at, at + COLUMNS[table]))
  statement.free()
}

function finish(filled: Database): void {
  filled.run('COMMIT')
  filled.run('PRAGMA query_only = ON')
}

function ask(
  filled: Database,
  { sql, values }: { readonly sql: string; readonly values: readonly (string | number)[] },
): SqlValue[][] {
  const statement = filled.prepare(sql)
  const rows: SqlValue[][] = []
  statement.bind(values)
  while (statement.step()) rows.push(statement.get())
  statement.free()
  return rows
}
