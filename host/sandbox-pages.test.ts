/** How much of a sandbox is told at a time, and for how long. */
import { afterAll, beforeAll, expect, test } from 'vitest'

import { SANDBOX_PAGE_ITEMS_MAX, SANDBOX_VALUE_BYTES_MAX, SANDBOX_WATCH_MS } from '#host/contracts/limits.ts'
import { noticesOf } from './peers.fixture.ts'
import { bytes, codeOf, type SandboxPeers, startSandboxes } from './sandbox.fixture.ts'

let all: SandboxPeers
beforeAll(async () => {
  all = await startSandboxes()
})
afterAll(() => all[Symbol.asyncDispose]())

const MINE = { place: 'mine', expected: 0 } as const
const MUTUAL = { place: 'mutual', expected: 0 } as const
const largest = new Uint8Array(SANDBOX_VALUE_BYTES_MAX)

test('who watches is told for ten minutes, and whoever was away reads on from the last change', async () => {
  const { id, hers, his } = await all.share()
  const changed = noticesOf(all.peers.bob, 'sandbox.changed')
  await hers.write({ ...MUTUAL, key: 'a' }, bytes('1'))
  const before = await his.watch(0)
  expect(before.history).toHaveLength(1)
  const { change } = await hers.write({ ...MUTUAL, key: 'b' }, bytes('2'))
  expect(await changed.take()).toEqual({ sandbox: id, change })
  expect((await his.watch(before.change)).history).toMatchObject([{ change, key: 'b', value: bytes('2') }])
  const private_ = noticesOf(all.peers.bob, 'sandbox.changed')
  await hers.write({ ...MINE, key: 'c' }, bytes('3'))
  const next = await hers.write({ ...MUTUAL, key: 'd' }, bytes('4'))
  expect(await private_.take()).toEqual({ sandbox: id, change: next.change })
  all.peers.pass(SANDBOX_WATCH_MS - 1)
  const last = await hers.write({ ...MUTUAL, key: 'e' }, bytes('5'))
  expect(await private_.take()).toEqual({ sandbox: id, change: last.change })
  all.peers.pass(1)
  await hers.write({ ...MUTUAL, key: 'f' }, bytes('6'))
  await his.watch(last.change)
  const renewed = await hers.write({ ...MUTUAL, key: 'g' }, bytes('7'))
  expect(await private_.take()).toEqual({ sandbox: id, change: renewed.change })
  await hers.end()
})

test('proposals show as many values as half a message holds, and history has them page by page', async () => {
  const { hers, his } = await all.share({ rights: { creator: 'approval', guest: 'write' }, bytesMax: 1_000_000 })
  for (const key of ['a', 'b', 'c']) await hers.write({ ...MUTUAL, key }, largest)
  const proposals = await hers.proposals()
  expect(proposals.map(({ value, size }) => [value?.length, size])).toEqual([
    [largest.length, largest.length],
    [largest.length, largest.length],
    [undefined, largest.length],
  ])
  for (const { proposal } of proposals) await his.decide(proposal, true)
  const first = await hers.history()
  expect(first.history.map(({ key }) => key)).toEqual(['a'])
  const second = await hers.history(first.next ?? 0)
  expect(second.history.map(({ key }) => key)).toEqual(['b'])
  const third = await hers.history(second.next ?? 0)
  expect([third.history.map(({ key }) => key), third.next]).toEqual([['c'], null])
  await hers.end()
})

test('a page has so many keys, whoever asks for more', async () => {
  const { hers } = await all.share()
  for (let count = 0; count <= SANDBOX_PAGE_ITEMS_MAX; count++) {
    await hers.write({ ...MUTUAL, key: String(count) }, bytes(''))
  }
  const page = await hers.list('mutual')
  expect(page.items).toHaveLength(SANDBOX_PAGE_ITEMS_MAX)
  expect((await hers.list('mutual', { after: page.next ?? '' })).items).toHaveLength(1)
  expect((await hers.list('mutual', { limit: SANDBOX_PAGE_ITEMS_MAX })).items).toHaveLength(SANDBOX_PAGE_ITEMS_MAX)
  expect(await codeOf(hers.list('mutual', { limit: SANDBOX_PAGE_ITEMS_MAX + 1 }))).toBe('malformed-request')
  const past = await hers.history()
  expect(past.history).toHaveLength(SANDBOX_PAGE_ITEMS_MAX)
  expect((await hers.history(past.next ?? 0)).history).toHaveLength(1)
  await hers.end()
})
