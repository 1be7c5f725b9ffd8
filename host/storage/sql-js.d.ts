/** The part of sql.js that the view calls; the package brings no types. */
export type SqlValue = number | string | Uint8Array | null

export interface Statement {
  bind(values: readonly SqlValue[]): boolean
  step(): boolean
  get(): SqlValue[]
  run(values: readonly SqlValue[]): void
  free(): boolean
}

export interface Database {
  run(sql: string): void
  prepare(sql: string): Statement
  close(): void
}

export default function initSqlJs(): Promise<{ readonly Database: new (bytes: Uint8Array) => Database }>
