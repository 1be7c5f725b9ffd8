/**
 * What an owner types to find things, as a condition with bound values. No word of it gets into the statement.
 *
 *     filter = [term *(space term)]          every term holds
 *     term   = ["-"] (column operator value / value)
 *     operator = ":" / "~" / "<" / "<=" / ">" / ">="
 *     value  = 1*(any character but space and ") / quoted    quoted = DQUOTE *(char / "\" DQUOTE / "\\") DQUOTE
 *
 * `:` is equal, `~` contains (text columns, case of a-z ignored), `<` and the like are for numbers and times. A time is
 * milliseconds since the epoch or a day, `2026-01-31` (UTC). A value by itself is contained in any of the table's main
 * columns. `-` in front: the term does not hold.
 */
import { Refusal } from '#host/errors.ts'
import { FILTER_CHARS_MAX, FILTER_TERMS_MAX } from './limits.ts'

export type ViewTable = 'items' | 'audit'

/** A condition out of fixed parts, and what is bound to its question marks. */
export interface Condition {
  readonly parts: readonly string[]
  readonly values: readonly (string | number)[]
}

interface Columns {
  readonly text: readonly string[]
  readonly number: readonly string[]
  readonly time: readonly string[]
  /** Looked into by a value without a column. */
  readonly main: readonly string[]
}

const tables: Readonly<Record<ViewTable, Columns>> = {
  items: {
    text: ['namespace', 'key', 'category', 'visibility', 'sensitivity', 'alias', 'author', 'text'],
    number: ['size', 'revision'],
    time: ['updated'],
    main: ['key', 'category', 'alias', 'text'],
  },
  audit: {
    text: ['connection', 'who', 'event', 'fields', 'purpose', 'result', 'reason'],
    number: ['row', 'version', 'count'],
    time: ['at'],
    main: ['who', 'event', 'fields', 'purpose', 'reason'],
  },
}

const comparisons = new Map([
  [':', '='],
  ['<', '<'],
  ['<=', '<='],
  ['>', '>'],
  ['>=', '>='],
])
const TERM = /(-?)(?:([a-z]+)(:|~|<=?|>=?))?("(?:[^"\\]|\\["\\])*"|[^\s"]+)(?=\s|$)/y
const SPACE = /\s*/y
const DAY = /^\d{4}-\d{2}-\d{2}$/

/** @throws Refusal `filter-invalid` saying which term, and what may stand there */
export function compileFilter(filter: string, table: ViewTable): Condition {
  if (filter.length > FILTER_CHARS_MAX) throw invalid(`over ${FILTER_CHARS_MAX} characters`)
  if (!filter.isWellFormed()) throw invalid('not well-formed text')
  const parts: string[] = []
  const values: (string | number)[] = []
  let at = skip(filter, 0)
  while (at < filter.length) {
    TERM.lastIndex = at
    const match = TERM.exec(filter)
    if (!match) throw invalid(`character ${at + 1}: no term begins there, or its quotes do not end`)
    const [whole, minus, column, operator, text = ''] = match
    const term = termOf(unquoted(text), { column, operator, columns: tables[table] })
    parts.push(minus === '-' ? negated(term.part) : term.part)
    values.push(...term.values)
    if (parts.length > FILTER_TERMS_MAX) throw invalid(`over ${FILTER_TERMS_MAX} terms`)
    at = skip(filter, at + whole.length)
  }
  return { parts, values }
}

/** Every part there is for a table: what a filter compiles to is made of these. */
export function filterParts(table: ViewTable): ReadonlySet<string> {
  const { text, number, time, main } = tables[table]
  const plain = [
    ...text.flatMap((column) => [equals(column), contains([column])]),
    ...[...number, ...time].flatMap((column) => [...comparisons.values()].map((sign) => compares(column, sign))),
    contains(main),
  ]
  return new Set([...plain, ...plain.map(negated)])
}

interface Named {
  readonly column: string | undefined
  readonly operator: string | undefined
  readonly columns: Columns
}

function termOf(
  value: string,
  { column, operator = '', columns }: Named,
): { part: string; values: (string | number)[] } {
  const { text, number, time, main } = columns
  if (column === undefined) return { part: contains(main), values: main.map(() => value) }
  if (text.includes(column)) {
    if (operator === ':') return { part: equals(column), values: [value] }
    if (operator === '~') return { part: contains([column]), values: [value] }
    throw invalid(`${column} is text: use : or ~`)
  }
  const isTime = time.includes(column)
  if (!isTime && !number.includes(column)) {
    throw invalid(`there is no column ${column}: there are ${[...text, ...number, ...time].join(', ')}`)
  }
  const sign = comparisons.get(operator)
  if (sign === undefined) throw invalid(`${column} is a number: use : < <= > or >=`)
  return { part: compares(column, sign), values: [numberOf(value, { column, isTime })] }
}

function equals(column: string): string {
  return `ifnull("${column}", '') = ?`
}

function compares(column: string, sign: string): string {
  return `ifnull("${column}" ${sign} ?, 0)`
}

/** No pattern: what is looked for has no wildcards. */
function contains(columns: readonly string[]): string {
  return `(${columns.map((column) => `instr(lower(ifnull("${column}", '')), lower(?)) > 0`).join(' OR ')})`
}

function negated(part: string): string {
  return `NOT (${part})`
}

function numberOf(value: string, { column, isTime }: { column: string; isTime: boolean }): number {
  const number = isTime && DAY.test(value) ? Date.parse(value) : /^\d{1,15}$/.test(value) ? Number(value) : NaN
  if (!Number.isNaN(number)) return number
  throw invalid(`${column} is ${isTime ? 'a day like 2026-01-31 or milliseconds' : 'a whole number'}`)
}

function unquoted(value: string): string {
  return value.startsWith('"') ? value.slice(1, -1).replaceAll(/\\(["\\])/g, '$1') : value
}

function skip(filter: string, at: number): number {
  SPACE.lastIndex = at
  return at + (SPACE.exec(filter)?.[0].length ?? 0)
}

function invalid(what: string): Refusal {
  return new Refusal('filter-invalid', `the filter: ${what}`)
}
