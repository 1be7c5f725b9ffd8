import { afterAll, beforeAll, expect, test } from 'vitest'

import { connectService } from '#host/service.fixture.ts'
import { VIEW_PAGE_ROWS_MAX } from '#host/storage/limits.ts'
import type { Change } from '#host/storage/port.ts'
import { startWorld, type World } from '#host/world.fixture.ts'

let world: World

beforeAll(async () => {
  world = await startWorld({ handlers: ['counts'] })
  await (await connectService(world, 'Acme')).ask('counts.run')
})
afterAll(() => world[Symbol.asyncDispose]())

test('the owner finds what a connection keeps, under the name they gave it', async () => {
  const { columns, rows, next } = await world.alice.search('items', { filter: 'alias:Acme' })
  const row = Object.fromEntries(columns.map((column, at) => [column, rows[0]?.[at]]))
  expect(rows).toHaveLength(1)
  expect(row).toMatchObject({ key: 'n', alias: 'Acme', visibility: 'transparent', size: 1, excerpt: '1' })
  expect(next).toBeNull()
})

test('a personal field is found by its name, and its value is not shown', async () => {
  const { rows } = await world.alice.search('items', { filter: 'field/email' })
  expect(rows).toHaveLength(1)
  expect(JSON.stringify(rows)).not.toContain('alice@example.org')
  expect((await world.alice.search('items', { filter: 'alice@example.org' })).rows).toEqual([])
})

test('pages follow one another, over the trail too', async () => {
  const all = await world.alice.search('audit')
  const first = await world.alice.search('audit', { limit: 2 })
  expect(first.rows).toEqual(all.rows.slice(0, 2))
  const second = await world.alice.search('audit', { limit: 2, after: first.next })
  expect(second.rows).toEqual(all.rows.slice(2, 4))
})

test('reports count; what is no filter, no report or no place is refused', async () => {
  const { columns, rows } = await world.alice.report('askers', 'who:Acme')
  expect(columns).toEqual(['who', 'result', 'events', 'last'])
  expect(rows.length).toBeGreaterThan(0)
  await expect(world.alice.report('secrets')).rejects.toThrow('there are namespaces')
  await expect(world.alice.search('items', { filter: 'who:Acme' })).rejects.toThrow('filter-invalid')
  await expect(world.alice.search('items', { after: ['a'] })).rejects.toThrow('not a place')
})

test('a page, and a report, have so many rows at most', async () => {
  const { store } = await world.vault()
  const many = Array.from({ length: VIEW_PAGE_ROWS_MAX + 1 }, (_, at): Change => {
    return { namespace: 'personal', key: `many/${at}`, value: new Uint8Array(1), category: `category ${at}` }
  })
  await store.commit(many, { now: world.now() })
  const filter = 'key~many/'
  const { rows, next } = await world.alice.search('items', { filter })
  expect(rows).toHaveLength(VIEW_PAGE_ROWS_MAX)
  expect((await world.alice.search('items', { filter, after: next })).rows).toHaveLength(1)
  const counted = await world.alice.report('categories', filter)
  expect(counted.rows).toHaveLength(VIEW_PAGE_ROWS_MAX)
  const rest = await world.alice.report('categories', filter, counted.next)
  expect(rest).toMatchObject({ next: null })
  const named = [...counted.rows, ...rest.rows].map(([category]) => category)
  expect(new Set(named).size).toBe(VIEW_PAGE_ROWS_MAX + 1)
  await expect(world.alice.report('categories', filter, [-1])).rejects.toThrow('command-invalid')
  const more = world.alice.search('items', { filter, limit: VIEW_PAGE_ROWS_MAX + 1 })
  await expect(more).rejects.toThrow('command-invalid')
})
