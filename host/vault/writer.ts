/**
 * The one way a vault writes: what is committed is durable within a deadline, or its sender is told to come back.
 *
 * A write that is overdue is not taken back: the system has it, and may still bring it to the disk. So the vault takes
 * nothing more up until it is known how that ended. Then the same event id gets the answer that was stored with it, or
 * runs as new; in either case its effects are there once or not at all.
 */
import { Refusal } from '#host/errors.ts'
import type { AuditEntry } from '#host/storage/audit-row.ts'
import type { Change, VaultStore } from '#host/storage/port.ts'

export interface Writer {
  /** A write is overdue. */
  readonly stalled: boolean
  /** @throws Refusal `audit-unavailable` while a write is overdue: nothing has happened then */
  check(): void
  /**
   * `durable` is called once the changes are, however late.
   *
   * @throws Refusal `audit-unavailable` past the deadline, or what the store throws
   */
  commit(changes: readonly Change[], options: { now: number; durable: () => void }): Promise<void>
  /**
   * Resolves when everything that was committed so far is durable: what was read from it may leave.
   *
   * @throws Refusal as `commit`
   */
  settled(): Promise<void>
  /** Rows wait to be written. */
  readonly owes: boolean
  /** Keeps rows until they can be written. */
  owe(rows: readonly AuditEntry[]): void
  /** Those rows, to be written now. */
  owed(): AuditEntry[]
}

export function openWriter(store: Pick<VaultStore, 'commit'>, options: { deadlineMs: number }): Writer {
  const rows: AuditEntry[] = []
  let overdue = 0
  let last = Promise.resolve()

  return {
    get stalled() {
      return overdue > 0
    },
    check() {
      if (overdue > 0) throw unavailable('nothing was done')
    },
    async commit(changes, { now, durable }) {
      const written = store.commit(changes, { now })
      const late = Promise.withResolvers<never>()
      let isLate = false
      const timer = setTimeout(() => {
        isLate = true
        overdue++
        late.reject(unavailable('whether it was done is known when the disk answers'))
      }, options.deadlineMs)
      const ended = written.then(durable).finally(() => {
        clearTimeout(timer)
        if (isLate) overdue--
      })
      const inTime = Promise.race([ended, late.promise])
      last = inTime
      // Once it is late nobody waits for it: the next write hears of a log that failed.
      ended.then(
        () => {
          if (last === inTime) last = Promise.resolve()
        },
        () => {},
      )
      await inTime
    },
    settled: () => last,
    get owes() {
      return rows.length > 0
    },
    owe: (more) => void rows.push(...more),
    owed: () => rows.splice(0),
  }
}

function unavailable(what: string): Refusal {
  return new Refusal('audit-unavailable', `the audit trail cannot be written: ${what}; send the same event again later`)
}
