import { beforeEach, describe, expect, it } from 'vitest'

import { FRAME_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX } from '#host/limits.ts'
import { openLog } from './group.ts'
import { type MemoryLog, memoryLog } from './memory-log.fixture.ts'
import type { Change, VaultStore } from './port.ts'
import { dump, framesIn, makeVault, recover, utf8 } from './vault-store.fixture.ts'

const put = (key: string, value = key): Change => ({ namespace: 'personal', key, value: utf8(value) })

const expectedAt = (key: string, revision: number) => ({ namespace: 'personal', key, revision }) as const

let memory: MemoryLog
let store: VaultStore

beforeEach(async () => {
  memory = memoryLog()
  store = await makeVault(await openLog(memory))
})

async function kept(value: Uint8Array): Promise<Uint8Array | undefined> {
  await store.commit([{ namespace: 'personal', key: 'a', value }], { now: 1 })
  return store.namespace('personal').get('a')?.value
}

describe('a commit', () => {
  it('shows in memory at once, and resolves when it is durable', async () => {
    const before = memory.size
    const pending = store.commit([put('a')], { now: 5 })
    expect(store.namespace('personal').get('a')).toMatchObject({ value: utf8('a'), revision: 1, updatedAt: 5 })
    expect(store.head.sequence).toBe(1)
    expect(memory.size).toBe(before)
    const receipt = await pending
    expect(memory.size).toBeGreaterThan(before)
    expect(receipt.sequence).toBe(2)
    expect(receipt).toEqual(store.head)
    expect(receipt.chain).toHaveLength(32)
  })

  it('takes a value over as it is, and copies what is a part of something larger, or shared', async () => {
    const whole = utf8('right').slice()
    expect(await kept(whole)).toBe(whole)
    const parts = [
      new Uint8Array(64).subarray(8, 16),
      Buffer.from('right'),
      new Uint8Array(new SharedArrayBuffer(8)),
      Buffer.from(new ArrayBuffer(8)),
    ]
    for (const part of parts) {
      const before = new Uint8Array(part)
      const copy = await kept(part)
      part.fill(1)
      expect(copy).toStrictEqual(before)
    }
  })

  it('takes the last of several writes of one key, and counts each', async () => {
    await store.commit([put('a', '1'), { ...put('b'), namespace: 'system' }, put('a', '2'), put('a', '3')], { now: 1 })
    expect(store.namespace('personal').get('a')).toMatchObject({ value: utf8('3'), revision: 3 })
    await store.commit([put('a', '4'), { ...put('a'), value: null }], { now: 2 })
    expect(store.namespace('personal').get('a')).toBeUndefined()
    expect(store.namespaces()).toEqual(['system'])
  })

  it('comes back from the log with revisions, times and metadata', async () => {
    await store.commit([{ ...put('a'), visibility: 'opaque', sensitivity: 'secret' }, put('gone')], { now: 10 })
    await store.commit([put('a', 'x'), put('a', 'y'), { ...put('gone'), value: null }], { now: 20 })
    await store.commit([{ ...put('a'), namespace: 'connection/acme', sensitivity: 'critical' }], { now: 30 })
    await store.commit([], { now: 40 })
    const { store: again } = await recover(memory.crash())
    expect(dump(again)).toEqual(dump(store))
    expect(again.head).toEqual(store.head)
    expect(again.namespace('personal').get('a')).toMatchObject({ revision: 3, updatedAt: 20, visibility: 'opaque' })
    expect(again.namespace('personal').get('gone')).toBeUndefined()
    expect(again.namespaces()).toEqual(['connection/acme', 'personal'])
  })
})

describe('commits made at the same time', () => {
  it('share one frame, and come back as they were: each with its own time, in their order', async () => {
    const receipts = await Promise.all([
      store.commit([put('a', '1'), { ...put('b'), namespace: 'system' }], { now: 10 }),
      store.commit([], { now: 15 }),
      store.commit([put('a', '2'), put('c')], { now: 20 }),
      store.commit([{ ...put('b'), namespace: 'system', value: null }, put('a', '3')], { now: 30 }),
    ])
    expect(await framesIn(memory)).toHaveLength(2)
    for (const receipt of receipts) expect(receipt).toEqual(store.head)
    expect(store.head.sequence).toBe(5)
    const { store: again } = await recover(memory.crash(), { anchor: store.head })
    expect(dump(again)).toEqual(dump(store))
    expect(again.head).toEqual(store.head)
    expect(again.namespace('personal').get('a')).toMatchObject({ value: utf8('3'), revision: 3, updatedAt: 30 })
    expect(again.namespace('personal').get('c')).toMatchObject({ updatedAt: 20 })
    expect(again.namespaces()).toEqual(['personal'])
  })

  it('are gone together when their frame is torn', async () => {
    const whole = memory.size
    await Promise.all(['a', 'b', 'c'].map((key) => store.commit([put(key)], { now: 1 })))
    const bytes = await memory.read()
    for (const size of [whole, whole + 1, bytes.length - 1]) {
      const { store: again } = await recover(memoryLog({ bytes: bytes.subarray(0, size) }))
      expect(again.head.sequence).toBe(1)
      expect(again.namespaces()).toEqual([])
    }
  })

  it('take another frame when one is full', async () => {
    const value = new Uint8Array(VALUE_BYTES_MAX)
    const half = Array.from({ length: FRAME_BYTES_MAX / VALUE_BYTES_MAX / 2 }, (_, at) => at)
    const halfFrame = (name: string) =>
      half.map((at): Change => ({ namespace: 'personal', key: `${name}${at}`, value }))
    const commits = ['x', 'y', 'z'].map((name) => store.commit(halfFrame(name), { now: 1 }))
    const receipts = await Promise.all(commits)
    expect(receipts.map(({ sequence }) => sequence)).toEqual([2, 3, 4])
    expect(await framesIn(memory)).toHaveLength(4)
    expect(dump((await recover(memory.crash())).store)).toEqual(dump(store))
  })
})

describe('a commit that is refused', () => {
  const cases: [string, string, readonly Change[]][] = [
    ['a key over its limit', 'too-large', [put('k'.repeat(KEY_BYTES_MAX + 1))]],
    ['a key over its limit in bytes', 'too-large', [put('é'.repeat(KEY_BYTES_MAX / 2 + 1))]],
    ['a value over its limit', 'too-large', [{ ...put('a'), value: new Uint8Array(VALUE_BYTES_MAX + 1) }]],
    [
      'a frame over its limit',
      'too-large',
      Array.from({ length: FRAME_BYTES_MAX / VALUE_BYTES_MAX }, (_, at) => ({
        ...put(`${at}`),
        value: new Uint8Array(VALUE_BYTES_MAX),
      })),
    ],
    ['an empty key', 'malformed', [put('')]],
    ['a key that is not text', 'malformed', [put('\ud800')]],
    ['a namespace there cannot be', 'malformed', [{ ...put('a'), namespace: 'connection/../system' }]],
    ['a connection without an id', 'malformed', [{ ...put('a'), namespace: 'connection/' }]],
  ]
  it.each(cases)('%s: %s, and nothing has happened', async (_, code, changes) => {
    await store.commit([put('a', 'old')], { now: 1 })
    const before = { state: dump(store), head: store.head, size: memory.size }
    await expect(store.commit([put('b'), ...changes], { now: 2 })).rejects.toMatchObject({ code })
    expect({ state: dump(store), head: store.head, size: memory.size }).toEqual(before)
    await store.commit([put('c')], { now: 3 })
    expect(dump((await recover(memory.crash())).store)).toEqual(dump(store))
  })

  it('may have keys and values at their limits', async () => {
    const key = 'é'.repeat(KEY_BYTES_MAX / 2)
    await store.commit([{ ...put(key), value: new Uint8Array(VALUE_BYTES_MAX) }], { now: 1 })
    expect(store.namespace('personal').get(key)?.revision).toBe(1)
  })

  it('an expectation that fails: conflict; all that hold: done', async () => {
    await store.commit([put('a')], { now: 1 })
    for (const wrong of [expectedAt('a', 0), expectedAt('a', 2), expectedAt('b', 1)]) {
      const commit = store.commit([put('a', 'new')], { now: 2, expected: [expectedAt('a', 1), wrong] })
      await expect(commit).rejects.toMatchObject({ code: 'conflict' })
    }
    expect(store.head.sequence).toBe(2)
    await store.commit([put('a', 'new')], { now: 2, expected: [expectedAt('a', 1), expectedAt('b', 0)] })
    expect(store.namespace('personal').get('a')).toMatchObject({ value: utf8('new'), revision: 2 })
  })

  it('lets one of two writers win who read the same revision', async () => {
    const expected = [{ namespace: 'personal', key: 'a', revision: 0 }] as const
    const both = [
      store.commit([put('a', '1')], { now: 1, expected }),
      store.commit([put('a', '2')], { now: 1, expected }),
    ]
    expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(store.namespace('personal').get('a')?.value).toEqual(utf8('1'))
  })

  it('counts as an attempt like any other', async () => {
    const before = store.attempts
    await store.commit([put('a')], { now: 1 })
    await expect(store.commit([put('')], { now: 1 })).rejects.toThrow()
    expect(store.attempts).toBe(before + 2)
  })
})

it('closes once what was committed is durable, and takes nothing after', async () => {
  const pending = store.commit([put('a')], { now: 1 })
  await store[Symbol.asyncDispose]()
  expect(memory.unsynced).toBe(0)
  await pending
  await expect(store.commit([put('b')], { now: 2 })).rejects.toMatchObject({ code: 'vault-locked' })
})
