import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { REFUSAL_ROWS_PER_HOUR, REFUSALS_COUNTED_FIRST } from '#host/limits.ts'
import type { AuditEntry } from './audit-row.ts'
import { refusalMeter } from './refusal-meter.ts'

const HOUR = 3_600_000

const refusal = (at: number, more: Partial<AuditEntry> = {}): AuditEntry => ({
  at,
  connection: 'acme',
  who: 'Acme',
  eventId: 'e'.repeat(32),
  eventType: 'data.request',
  fields: ['email'],
  purpose: null,
  contractVersion: 1,
  result: 'refused',
  reason: 'rate-limited',
  askedAt: at,
  answeredAt: at,
  link: null,
  count: 1,
  ...more,
})

const total = (rows: readonly AuditEntry[]) => rows.reduce((sum, { count }) => sum + count, 0)

/** The rows of `count` refusals, a millisecond apart. */
function flood(
  meter: { rowsFor(entry: AuditEntry): AuditEntry[] },
  count: number,
  more?: Partial<AuditEntry>,
): AuditEntry[] {
  return Array.from({ length: count }, (_, at) => meter.rowsFor(refusal(at, more))).flat()
}

describe('a flood', () => {
  it('has rows of its own up to the limit, then one row for many', () => {
    const meter = refusalMeter()
    expect(flood(meter, REFUSAL_ROWS_PER_HOUR).map(({ count }) => count)).toEqual(Array(REFUSAL_ROWS_PER_HOUR).fill(1))
    expect(flood(meter, REFUSALS_COUNTED_FIRST - 1)).toEqual([])
    const [row, ...none] = meter.rowsFor(refusal(1_000, { eventType: 'auth.challenge', fields: [] }))
    expect(none).toEqual([])
    expect(row).toEqual(
      refusal(1_000, { eventId: null, eventType: null, fields: [], askedAt: 0, count: REFUSALS_COUNTED_FIRST }),
    )
  })

  it('costs few rows however long it is, and every refusal is in one of them', () => {
    const meter = refusalMeter()
    const rows = flood(meter, 1_000_000)
    expect(rows.length).toBeLessThanOrEqual(REFUSAL_ROWS_PER_HOUR + 15)
    expect(total([...rows, ...meter.drain()])).toBe(1_000_000)
    expect(meter.drain()).toEqual([])
  })

  it('is no smaller for a sender who varies what the sender may choose', () => {
    const meter = refusalMeter()
    const rows = Array.from({ length: 1_000 }, (_, at) =>
      meter.rowsFor(refusal(at, { eventType: `x.y${at}`, fields: [`f${at}`] })),
    )
    expect(rows.flat().length).toBeLessThan(REFUSAL_ROWS_PER_HOUR + 10)
  })

  it('of one connection or reason takes nothing from another', () => {
    const meter = refusalMeter()
    flood(meter, 500)
    expect(meter.rowsFor(refusal(1, { connection: 'other' }))).toHaveLength(1)
    expect(meter.rowsFor(refusal(1, { connection: null }))).toHaveLength(1)
    expect(meter.rowsFor(refusal(1, { reason: 'field-undeclared' }))).toHaveLength(1)
    expect(meter.rowsFor(refusal(1))).toEqual([])
  })
})

describe('an hour that is over', () => {
  it('gives its count with the first refusal of the next, which has a row again', () => {
    const meter = refusalMeter()
    flood(meter, REFUSAL_ROWS_PER_HOUR + 5)
    const rows = meter.rowsFor(refusal(HOUR))
    expect(rows.map(({ at, count }) => [at, count])).toEqual([
      [REFUSAL_ROWS_PER_HOUR + 4, 5],
      [HOUR, 1],
    ])
  })

  it('gives its count when asked, once, if no refusal comes any more', () => {
    const meter = refusalMeter()
    flood(meter, REFUSAL_ROWS_PER_HOUR + 5)
    flood(meter, REFUSAL_ROWS_PER_HOUR + 7, { connection: 'other' })
    expect(meter.due(HOUR - 1)).toEqual([])
    expect(meter.due(HOUR).map(({ connection, count }) => [connection, count])).toEqual([
      ['acme', 5],
      ['other', 7],
    ])
    expect(meter.due(2 * HOUR)).toEqual([])
  })

  it('does not begin anew when the clock goes back', () => {
    const meter = refusalMeter()
    meter.rowsFor(refusal(HOUR))
    flood(meter, REFUSAL_ROWS_PER_HOUR)
    expect(meter.rowsFor(refusal(HOUR + 1))).toEqual([])
  })
})

it('counts every refusal exactly once, whatever comes when', () => {
  const event = fc.record({
    connection: fc.constantFrom('a', 'b', null),
    reason: fc.constantFrom('r', 's'),
    repeat: fc.integer({ min: 1, max: 200 }),
    step: fc.integer({ min: 0, max: HOUR }),
    due: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), (events) => {
      const meter = refusalMeter()
      const rows: AuditEntry[] = []
      let now = 0
      for (const { connection, reason, repeat, step, due } of events) {
        now += step
        if (due) rows.push(...meter.due(now))
        for (let at = 0; at < repeat; at++) rows.push(...meter.rowsFor(refusal(now, { connection, reason })))
      }
      rows.push(...meter.drain())
      expect(total(rows)).toBe(events.reduce((sum, { repeat }) => sum + repeat, 0))
      for (const reason of ['r', 's']) {
        const asked = events.filter((each) => each.reason === reason).reduce((sum, { repeat }) => sum + repeat, 0)
        expect(total(rows.filter((row) => row.reason === reason))).toBe(asked)
      }
    }),
  )
})
