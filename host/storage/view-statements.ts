/** Every statement that is ever put to a view: fixed texts, and conditions out of fixed parts. */
import { VIEW_EXCERPT_CHARS } from './limits.ts'
import type { Condition, ViewTable } from './view-filter.ts'

export interface Query {
  readonly sql: string
  readonly values: readonly (string | number)[]
}

/** The tables of a view, in the order of their projected columns. */
export const viewSchema = [
  `CREATE TABLE items ("namespace" TEXT, "key" TEXT, "alias" TEXT, "category" TEXT, "visibility" TEXT,
    "sensitivity" TEXT, "size" INTEGER, "revision" INTEGER, "updated" INTEGER, "author" TEXT,
    "text" TEXT)`,
  `CREATE TABLE audit ("row" INTEGER, "at" INTEGER, "connection" TEXT, "who" TEXT, "event" TEXT, "fields" TEXT,
    "purpose" TEXT, "version" INTEGER, "result" TEXT, "reason" TEXT, "count" INTEGER)`,
  'CREATE UNIQUE INDEX items_by_key ON items ("namespace", "key")',
  'CREATE UNIQUE INDEX audit_by_row ON audit ("row")',
]
export const viewInserts: Readonly<Record<ViewTable, string>> = {
  items: 'INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  audit: 'INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
}

export const searchColumns = {
  items: [
    'namespace',
    'key',
    'alias',
    'category',
    'visibility',
    'sensitivity',
    'size',
    'revision',
    'updated',
    'author',
    'excerpt',
  ],
  audit: ['row', 'at', 'connection', 'who', 'event', 'fields', 'purpose', 'version', 'result', 'reason', 'count'],
} as const

const searches: Readonly<Record<ViewTable, { select: string; after: string; order: string }>> = {
  items: {
    select: `SELECT "namespace", "key", "alias", "category", "visibility", "sensitivity", "size", "revision", "updated",
      "author", substr("text", 1, ${VIEW_EXCERPT_CHARS}) FROM items`,
    after: '("namespace", "key") > (?, ?)',
    order: 'ORDER BY "namespace", "key" LIMIT ?',
  },
  audit: { select: 'SELECT * FROM audit', after: '"row" > ?', order: 'ORDER BY "row" LIMIT ?' },
}

/** Rows that meet a condition, after a place, in order. */
export function searchQuery(
  table: ViewTable,
  options: { readonly condition: Condition; readonly after: readonly (string | number)[] | undefined; limit: number },
): Query {
  const { condition, after, limit } = options
  const { select, after: place, order } = searches[table]
  const parts = after === undefined ? condition.parts : [...condition.parts, place]
  return { sql: `${select} ${where(parts)} ${order}`, values: [...condition.values, ...(after ?? []), limit] }
}

interface ReportForm {
  readonly table: ViewTable
  readonly columns: readonly string[]
  readonly select: string
  readonly group: string
}

const reports = {
  namespaces: {
    table: 'items',
    columns: ['namespace', 'alias', 'items', 'bytes', 'updated'],
    select: 'SELECT "namespace", max("alias"), count(*), sum("size"), max("updated") FROM items',
    group: 'GROUP BY "namespace" ORDER BY 4 DESC, 1 LIMIT ? OFFSET ?',
  },
  categories: {
    table: 'items',
    columns: ['category', 'items', 'bytes'],
    select: 'SELECT "category", count(*), sum("size") FROM items',
    group: 'GROUP BY "category" ORDER BY 3 DESC, 1 LIMIT ? OFFSET ?',
  },
  askers: {
    table: 'audit',
    columns: ['who', 'result', 'events', 'last'],
    select: 'SELECT "who", "result", sum("count"), max("at") FROM audit',
    group: 'GROUP BY "who", "result" ORDER BY 3 DESC, 1, 2 LIMIT ? OFFSET ?',
  },
  refusals: {
    table: 'audit',
    columns: ['who', 'reason', 'times', 'last'],
    select: 'SELECT "who", "reason", sum("count"), max("at") FROM audit',
    group: 'GROUP BY "who", "reason" HAVING "reason" IS NOT NULL ORDER BY 3 DESC, 1, 2 LIMIT ? OFFSET ?',
  },
  days: {
    table: 'audit',
    columns: ['day', 'result', 'events'],
    select: `SELECT date("at" / 1000, 'unixepoch'), "result", sum("count") FROM audit`,
    group: 'GROUP BY 1, 2 ORDER BY 1 DESC, 2 LIMIT ? OFFSET ?',
  },
} as const satisfies Readonly<Record<string, ReportForm>>

export const reportNames: readonly string[] = Object.keys(reports)

/** What a report is about, or `undefined` when there is none of that name. */
export function reportForm(name: string): ReportForm | undefined {
  return Object.entries(reports).find(([each]) => each === name)?.[1]
}

/** Rows of a report behind the first `skip`. What is counted meanwhile may move one between two pages. */
export function reportQuery(
  { select, group }: ReportForm,
  { condition, limit, skip }: { condition: Condition; limit: number; skip: number },
): Query {
  return { sql: `${select} ${where(condition.parts)} ${group}`, values: [...condition.values, limit, skip] }
}

function where(parts: readonly string[]): string {
  return parts.length === 0 ? '' : `WHERE ${parts.join(' AND ')}`
}
