import { describe, expect, it } from 'vitest'

import { allRows, type AuditTrail, auditTrail, readTrail, trailHead, verifyTrail } from './audit.ts'
import { type AuditEntry, type AuditHead, type AuditRow, contentOf, hashOf } from './audit-row.ts'
import { openLog } from './group.ts'
import { type MemoryLog, memoryLog } from './memory-log.fixture.ts'
import type { VaultStore } from './port.ts'
import { makeVault, recover, utf8 } from './vault-store.fixture.ts'

const entry = (at: number, more: Partial<AuditEntry> = {}): AuditEntry => ({
  at,
  connection: 'acme',
  who: 'Acme Retail',
  eventId: null,
  eventType: 'data.request',
  fields: ['email', 'phone'],
  purpose: 'to ship',
  contractVersion: 1,
  result: 'replied',
  reason: null,
  askedAt: at,
  answeredAt: at,
  link: null,
  count: 1,
  ...more,
})

async function setUp(): Promise<{ memory: MemoryLog; store: VaultStore; trail: AuditTrail }> {
  const memory = memoryLog()
  const store = await makeVault(await openLog(memory))
  return { memory, store, trail: auditTrail(store) }
}

/** Ten rows, whole. */
async function tenRows(): Promise<{ rows: AuditRow[]; head: AuditHead }> {
  const { store, trail } = await setUp()
  for (let at = 1; at <= 10; at++) await store.commit(trail.append(entry(at)).changes, { now: at })
  return { rows: [...allRows(store.namespace('audit'))], head: trail.head }
}

async function expectBroken(change: (rows: AuditRow[]) => AuditRow[], message: RegExp): Promise<void> {
  const { rows, head } = await tenRows()
  const verify = () => verifyTrail(change(rows), head)
  expect(verify).toThrow(expect.objectContaining({ code: 'audit-broken', message: expect.stringMatching(message) }))
}

/** A row with a hash that fits it, as an insider would write it. */
const rehashed = (row: AuditRow): AuditRow => ({ ...row, hash: hashOf(row.previous, contentOf(row.sequence, row)) })

const renumbered = (row: AuditRow): AuditRow => (row.sequence > 7 ? { ...row, sequence: row.sequence - 1 } : row)

describe('a trail', () => {
  it('numbers its rows in the order appended, many in flight and several in one commit', async () => {
    const { memory, store, trail } = await setUp()
    const commits = Array.from({ length: 20 }, (_, at) => {
      const first = trail.append(entry(at, { result: 'pending' }))
      const second = trail.append(entry(at, { result: 'approved', link: first.row.sequence }))
      expect(second.row.sequence).toBe(2 * at + 2)
      return store.commit([...first.changes, ...second.changes], { now: at })
    })
    await Promise.all(commits)
    const { store: again } = await recover(memory.crash())
    const rows = [...allRows(again.namespace('audit'))]
    expect(rows.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 40 }, (_, at) => at + 1))
    expect(rows[39]).toMatchObject({ ...entry(19), result: 'approved', link: 39 })
    verifyTrail(rows, trail.head)
    expect(trailHead(again.namespace('audit'))).toEqual(trail.head)
    expect(auditTrail(again).append(entry(1)).row).toMatchObject({ sequence: 41, previous: trail.head.hash })
  })

  it('goes on without a gap after a commit that was refused, before anyone has heard of it', async () => {
    const { store, trail } = await setUp()
    await store.commit(trail.append(entry(1)).changes, { now: 1 })
    const lost = trail.append(entry(2))
    const refused = store.commit([...lost.changes, { namespace: 'personal', key: '', value: null }], { now: 2 })
    const next = trail.append(entry(3))
    const done = store.commit(next.changes, { now: 3 })
    await expect(refused).rejects.toThrow()
    await done
    expect([lost.row.sequence, next.row.sequence]).toEqual([2, 2])
    expect(trail.head).toEqual({ sequence: 2, hash: next.row.hash })
    verifyTrail(allRows(store.namespace('audit')), trail.head)
  })

  it('is read a page at a time, from any row', async () => {
    const { store, trail } = await setUp()
    expect(trail.head).toEqual({ sequence: 0, hash: new Uint8Array(32) })
    for (let at = 1; at <= 300; at++) void store.commit(trail.append(entry(at)).changes, { now: at })
    const namespace = store.namespace('audit')
    expect(readTrail(namespace, { limit: 3 }).map(({ at }) => at)).toEqual([1, 2, 3])
    expect(readTrail(namespace, { after: 298, limit: 3 }).map(({ at }) => at)).toEqual([299, 300])
    expect([...allRows(namespace)]).toHaveLength(300)
  })

  it('says which row’s bytes are none', async () => {
    const { store, trail } = await setUp()
    for (let at = 1; at <= 3; at++) await store.commit(trail.append(entry(at)).changes, { now: at })
    const key = 'row/0000000000000002'
    const good = store.namespace('audit').get(key)?.value ?? new Uint8Array(0)
    for (const value of [utf8('no row'), new Uint8Array(0), good.subarray(1)]) {
      await store.commit([{ namespace: 'audit', key, value }], { now: 4 })
      const read = () => readTrail(store.namespace('audit'), { limit: 3 })
      expect(read).toThrow(
        expect.objectContaining({ code: 'audit-broken', message: expect.stringMatching(/^row 2: /) }),
      )
    }
  })
})

describe('a verification', () => {
  const edits: { [column in keyof AuditEntry]: AuditEntry[column] } = {
    at: 99,
    connection: 'other',
    who: 'Other',
    eventId: 'ff',
    eventType: 'data.erase',
    fields: ['email'],
    purpose: 'to sell',
    contractVersion: 2,
    result: 'denied',
    reason: 'consent-denied',
    askedAt: null,
    answeredAt: null,
    link: 1,
    count: 2,
  }

  it('passes what was appended', async () => {
    const { rows, head } = await tenRows()
    verifyTrail(rows, head)
    verifyTrail([], { sequence: 0, hash: new Uint8Array(32) })
  })

  it.each(Object.entries(edits))('names a row whose %s was edited', async (column, value) => {
    await expectBroken(
      (rows) => rows.map((row) => (row.sequence === 7 ? { ...row, [column]: value } : row)),
      /^row 7: /,
    )
  })

  it('names a row that was edited together with its hash, also the first and the last', async () => {
    for (const edited of [1, 7, 10]) {
      const change = (row: AuditRow) => (row.sequence === edited ? rehashed({ ...row, who: 'nobody' }) : row)
      await expectBroken((rows) => rows.map(change), new RegExp(`^row ${edited}: `))
    }
  })

  it('names the head’s row when everything from an edit on was hashed anew', async () => {
    await expectBroken((rows) => {
      let previous = new Uint8Array(32) as Uint8Array
      return rows.map((row) => {
        const next = rehashed({ ...row, who: 'nobody', previous })
        previous = next.hash
        return next
      })
    }, /^row 10: is not the row that the head names/)
  })

  it('names a deleted row, also one whose followers were renumbered', async () => {
    await expectBroken((rows) => rows.filter(({ sequence }) => sequence !== 7), /^row 7: is missing/)
    await expectBroken((rows) => rows.slice(1), /^row 1: is missing/)
    await expectBroken((rows) => rows.filter(({ sequence }) => sequence !== 7).map(renumbered), /^row 7: /)
  })

  it('names the first of two rows that were swapped', async () => {
    await expectBroken((rows) => [...rows.slice(0, 6), ...rows.slice(6, 8).toReversed(), ...rows.slice(8)], /^row 7: /)
  })

  it('names the first row that is missing before the head, and the first behind it', async () => {
    for (const kept of [0, 1, 9])
      await expectBroken((rows) => rows.slice(0, kept), new RegExp(`^row ${kept + 1}: is missing`))
    const { rows } = await tenRows()
    const head = { sequence: 6, hash: rows[5]?.hash ?? new Uint8Array(32) }
    expect(() => verifyTrail(rows, head)).toThrow(/^row 7: lies behind the head/)
  })
})
