import { setImmediate as begun } from 'node:timers/promises'

import * as fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'

import { Refusal } from '#host/errors.ts'
import { auditTrail } from './audit.ts'
import { openLog } from './group.ts'
import { VIEW_ANSWER_MS_MAX, VIEW_EXCERPT_CHARS, VIEW_IDLE_MS, VIEW_TEXT_BYTES_MAX, VIEWS_MAX } from './limits.ts'
import { memoryLog } from './memory-log.fixture.ts'
import type { Change, VaultStore } from './port.ts'
import { makeVault, utf8 } from './vault-store.fixture.ts'
import { compileFilter, type ViewTable } from './view-filter.ts'
import { projectStore } from './view-project.ts'
import { reportForm, reportNames, reportQuery, searchQuery } from './view-statements.ts'
import { openViews, type ViewSource } from './view.ts'

const views = openViews()
let store: VaultStore

const changes: Change[] = [
  {
    namespace: 'connection/c-1',
    key: 'a',
    value: utf8('a Blue invoice'),
    category: 'receipts',
    author: 'handler/keychain',
  },
  { namespace: 'connection/c-1', key: 'b', value: utf8('hidden'), visibility: 'opaque', category: 'receipts' },
  { namespace: 'connection/c-1', key: 'c%', value: utf8('critical'), sensitivity: 'critical' },
  { namespace: 'connection/c-1', key: 'd', value: Uint8Array.of(0xff, 0xfe) },
  { namespace: 'personal', key: 'e', value: utf8('x'.repeat(5_000)) },
  { namespace: 'system', key: 'identity/signing', value: utf8('never') },
]

beforeAll(async () => {
  store = await makeVault(await openLog(memoryLog()))
  await store.commit(changes, { now: 1_000 })
  const entry = { connection: 'c-1', who: 'Acme', eventId: null, eventType: 'data.request', fields: ['email'] }
  const rest = { purpose: null, contractVersion: 1, askedAt: null, answeredAt: null, link: null, count: 3 }
  const trail = auditTrail(store)
  const row = trail.append({ ...entry, ...rest, at: Date.UTC(2026, 0, 2), result: 'refused', reason: 'rate-limited' })
  await store.commit(row.changes, { now: 2_000 })
})
afterAll(async () => {
  await views[Symbol.asyncDispose]()
  await store[Symbol.asyncDispose]()
})

function source(vault = 'alice'): ViewSource {
  const project = () => projectStore(store, (name) => (name === 'connection/c-1' ? 'Acme' : null))
  return { vault, version: store.attempts, project }
}
async function find(filter: string, table: ViewTable = 'items', limit = 100): Promise<unknown[]> {
  const condition = compileFilter(filter, table)
  const rows = await views.select(source(), searchQuery(table, { condition, after: undefined, limit }))
  return rows.map((row) => (table === 'items' ? row[1] : row[0]))
}

describe('a search', () => {
  test.each([
    ['', ['a', 'b', 'c%', 'd', 'e']],
    ['category:receipts', ['a', 'b']],
    ['-category:receipts', ['c%', 'd', 'e']],
    ['blue', ['a']],
    ['text~"a blue"', ['a']],
    ['%', ['c%']],
    ['alias:Acme size<=6', ['b', 'd']],
    ['size>1000', ['e']],
    ['author:handler/keychain', ['a']],
    ['hidden', []],
    ['critical', []],
    ['text~x', []],
    ['never', []],
    ['identity', []],
  ])('%j finds what is there and may be seen', async (filter, keys) => {
    expect(await find(filter)).toEqual(keys)
  })

  test('goes a page at a time, in order', async () => {
    const condition = compileFilter('', 'items')
    const first = await views.select(source(), searchQuery('items', { condition, after: undefined, limit: 2 }))
    expect(first.map((row) => row[1])).toEqual(['a', 'b'])
    const after = ['connection/c-1', 'b']
    const second = await views.select(source(), searchQuery('items', { condition, after, limit: 9 }))
    expect(second.map((row) => row[1])).toEqual(['c%', 'd', 'e'])
  })

  test('sees what was committed since, and the trail', async () => {
    expect(await find('at>=2026-01-01 reason:rate-limited', 'audit')).toEqual([1])
    expect(await find('new')).toEqual([])
    await store.commit([{ namespace: 'personal', key: 'new', value: utf8('1') }], { now: 3_000 })
    expect(await find('new')).toEqual(['new'])
    await store.commit([{ namespace: 'personal', key: 'new', value: null }], { now: 3_000 })
    expect(await find('new')).toEqual([])
  })

  test('of whatever compiles runs', async () => {
    const terms = fc.constantFrom(
      'a',
      '-b',
      'key~"%"',
      'size>3',
      '-updated<=2026-01-01',
      'category:x',
      '"\'; DROP"',
      '?',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(terms, { maxLength: 8 }), async (parts) => {
        expect((await find(parts.join(' '))).length).toBeLessThanOrEqual(5)
      }),
      { numRuns: 100 },
    )
  })
})

test('every report runs, with a filter and without', async () => {
  for (const name of reportNames) {
    const form = reportForm(name)
    if (!form) throw new Error(name)
    for (const filter of ['', form.table === 'items' ? 'size>=0' : 'row>=0']) {
      const condition = compileFilter(filter, form.table)
      const rows = await views.select(source(), reportQuery(form, { condition, limit: 9, skip: 0 }))
      expect(rows.length, name).toBeGreaterThan(0)
      for (const row of rows) expect(row).toHaveLength(form.columns.length)
    }
  }
  expect(reportForm('constructor')).toBeUndefined()
  const days = reportForm('days')
  const found =
    days &&
    (await views.select(source(), reportQuery(days, { condition: compileFilter('', 'audit'), limit: 9, skip: 0 })))
  expect(found).toEqual([['2026-01-02', 'refused', 3]])
})

test('a view is read only', async () => {
  const attempt = views.select(source(), { sql: 'DELETE FROM items', values: [] })
  await expect(attempt).rejects.toMatchObject({ code: 'busy' })
  expect(await find('')).toHaveLength(5)
})

test('a trail that is broken is told, and the view is not kept', async () => {
  const condition = compileFilter('', 'items')
  const broken = {
    vault: 'erin',
    version: 1,
    project(): Uint8Array[] {
      throw new Refusal('audit-broken', 'row 1')
    },
  }
  const query = searchQuery('items', { condition, after: undefined, limit: 1 })
  await expect(views.select(broken, query)).rejects.toMatchObject({ code: 'audit-broken' })
  expect(await views.select({ ...source('erin'), version: 1 }, query)).toHaveLength(1)
})

test('few views are kept, and dropped ones are built again', async () => {
  const condition = compileFilter('', 'items')
  for (const vault of ['bob', 'carol', 'dave']) {
    await views.select(source(vault), searchQuery('items', { condition, after: undefined, limit: 1 }))
  }
  expect(views.count).toBe(VIEWS_MAX)
  await views.drop()
  expect(views.count).toBe(0)
  expect(await find('')).toHaveLength(5)
})

test('a value is found by its text up to a size, and its first characters are shown', async () => {
  await using large = await makeVault(await openLog(memoryLog()), 'large')
  await large.commit(
    [
      { namespace: 'personal', key: 'most', value: utf8('é'.repeat(VIEW_TEXT_BYTES_MAX / 2)) },
      { namespace: 'personal', key: 'more', value: utf8('é'.repeat(VIEW_TEXT_BYTES_MAX / 2 + 1)) },
    ],
    { now: 0 },
  )
  const condition = compileFilter('text~é', 'items')
  const whole = { vault: 'large', version: 1, project: () => projectStore(large, () => null) }
  const rows = await views.select(whole, searchQuery('items', { condition, after: undefined, limit: 9 }))
  expect(rows.map((row) => [row[1], row.at(-1)])).toEqual([['most', 'é'.repeat(VIEW_EXCERPT_CHARS)]])
})

describe('in time', () => {
  beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => vi.useRealTimers())

  test('a view that nobody asks is dropped, and each question keeps it for as long again', async () => {
    await using own = openViews()
    const ask = () => own.select(source(), { sql: 'SELECT 1', values: [] })
    for (let count = 0; count < 2; count++) {
      await ask()
      vi.advanceTimersByTime(VIEW_IDLE_MS - 1)
      expect(own.count).toBe(1)
    }
    vi.advanceTimersByTime(1)
    expect(own.count).toBe(0)
  })

  test('a statement that does not end is ended, and its view with it', async () => {
    await using own = openViews()
    const sql = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n'
    await own.select(source(), { sql: 'SELECT 1', values: [] })
    const endless = own.select(source(), { sql, values: [] })
    await begun()
    vi.advanceTimersByTime(VIEW_ANSWER_MS_MAX)
    await expect(endless).rejects.toMatchObject({ code: 'busy' })
    expect(own.count).toBe(0)
  })
})

function item(at: number): Change {
  return { namespace: 'personal', key: `item/${at}`, value: utf8(`value ${at}`.padEnd(300)) }
}

test('a projection of 5,000 items comes in parts, and is whole in the view', async () => {
  await using many = await makeVault(await openLog(memoryLog()), 'many')
  await many.commit(
    Array.from({ length: 5_000 }, (_, at) => item(at)),
    { now: 0 },
  )
  const parts = [...projectStore(many, () => null)]
  expect(parts.length).toBeGreaterThan(19)
  const whole = { vault: 'many', version: 1, project: () => parts }
  const form = reportForm('namespaces')
  const condition = compileFilter('', 'items')
  const ask = () => (form ? views.select(whole, reportQuery(form, { condition, limit: 9, skip: 0 })) : undefined)
  const [first, second] = await Promise.all([ask(), ask()])
  expect(first?.map((row) => row.slice(0, 3))).toEqual([['personal', null, 5_000]])
  expect(second).toEqual(first)
})
