/**
 * How many rows a flood of refusals may cost.
 *
 * Per connection, reason and clock hour, the first `REFUSAL_ROWS_PER_HOUR` refusals get a row each. The rest are
 * counted in memory. A row with their number is due when those counted since the last row reach 64, then 128, 256 and
 * so on within the hour; when the hour is over; and when the host drains. So n refusals cost at most 62 + log2(n / 64)
 * rows, and the sum of `count` over all rows is exact, except that a crash loses what was counted since the last row:
 * fewer than that hour's rows already stand for, plus 64. Identical means connection and reason: event types and fields
 * are the sender's to choose, and a flood of varied ones is a flood.
 */
import { REFUSAL_ROWS_PER_HOUR, REFUSALS_COUNTED_FIRST } from '#host/limits.ts'
import type { AuditEntry } from './audit-row.ts'

export interface RefusalMeter {
  /** The rows to append for one refusal, now: its own, a number of earlier ones, both, or none. */
  rowsFor(entry: AuditEntry): AuditEntry[]
  /** `counts`: some of it is in no row yet. `remembers`: a fresh meter would begin an hour anew. */
  readonly standing: 'counts' | 'remembers' | 'empty'
  /** Rows of hours that are over at `now`: call it now and then, since a flood may end without a last event. */
  due(now: number): AuditEntry[]
  /** Rows of everything counted: call it before the store closes. */
  drain(): AuditEntry[]
}

interface Tally {
  readonly hour: number
  /** Rows of their own so far. */
  rows: number
  /** Stands for everything counted since the last row. */
  counted: AuditEntry | undefined
  /** Counted refusals that make a row due. */
  limit: number
}

const HOUR_MS = 3_600_000

/** One per open vault. Its memory is bounded by connections times reasons, and shrinks as hours end. */
export function refusalMeter(): RefusalMeter {
  const tallies = new Map<string, Tally>()

  function end(over: (tally: Tally) => boolean): AuditEntry[] {
    const rows: AuditEntry[] = []
    for (const [key, tally] of tallies) {
      if (!over(tally)) continue
      tallies.delete(key)
      if (tally.counted !== undefined) rows.push(tally.counted)
    }
    return rows
  }

  return {
    get standing() {
      if (tallies.size === 0) return 'empty'
      return tallies.values().some(({ counted }) => counted !== undefined) ? 'counts' : 'remembers'
    },
    rowsFor(entry) {
      const key = JSON.stringify([entry.connection, entry.reason])
      const hour = Math.floor(entry.at / HOUR_MS)
      const before = tallies.get(key)
      const rows = before === undefined ? [] : end((tally) => tally === before && tally.hour < hour)
      const tally = tallies.get(key) ?? { hour, rows: 0, counted: undefined, limit: REFUSALS_COUNTED_FIRST }
      tallies.set(key, tally)
      if (tally.rows < REFUSAL_ROWS_PER_HOUR) {
        tally.rows++
        return [...rows, entry]
      }
      tally.counted = tally.counted === undefined ? entry : together(tally.counted, entry)
      if (tally.counted.count < tally.limit) return rows
      rows.push(tally.counted)
      tally.counted = undefined
      tally.limit *= 2
      return rows
    },
    due: (now) => end((tally) => tally.hour < Math.floor(now / HOUR_MS)),
    drain: () => end(() => true),
  }
}

/** One entry for both: asked when the first was, answered when the last was; what differs is left out. */
function together(first: AuditEntry, last: AuditEntry): AuditEntry {
  return {
    ...last,
    eventId: null,
    eventType: same(first.eventType, last.eventType),
    fields: JSON.stringify(first.fields) === JSON.stringify(last.fields) ? last.fields : [],
    purpose: same(first.purpose, last.purpose),
    contractVersion: same(first.contractVersion, last.contractVersion),
    askedAt: first.askedAt,
    link: same(first.link, last.link),
    count: first.count + last.count,
  }
}

function same<T>(a: T, b: T): T | null {
  return a === b ? a : null
}
