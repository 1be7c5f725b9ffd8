import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'

import { openLog } from './group.ts'
import { memoryLog } from './memory-log.fixture.ts'
import { openVault } from './open.ts'
import type { VaultStore } from './port.ts'
import { concat, makeVault, optionsOf, recover, utf8 } from './vault-store.fixture.ts'

const commit = (store: VaultStore, key: string) =>
  store.commit([{ namespace: 'personal', key, value: utf8(key) }], { now: 1 })

describe('group commit', () => {
  it('syncs once for many commits, of one vault and of many', async () => {
    const memory = memoryLog()
    const log = await openLog(memory)
    const stores = await Promise.all(['alice', 'bob', 'carol', 'dave'].map((vault) => makeVault(log, vault)))
    const before = memory.stats.syncs
    const rounds = stores.flatMap((store) =>
      Array.from({ length: 16 }, async (_, writer) => {
        for (let at = 0; at < 10; at++) await commit(store, `${writer}/${at}`)
      }),
    )
    await Promise.all(rounds)
    expect(log.stats.frames).toBeLessThan(4 * 40)
    expect(memory.stats.syncs - before).toBeLessThan(40)
    for (const vault of ['alice', 'dave']) {
      const { store } = await recover(memoryLog({ bytes: await memory.read() }), { vault })
      expect(store.head.sequence).toBe(161)
    }
  })

  it('waits in a crowd for those who are a little later', async () => {
    const memory = memoryLog()
    const log = await openLog(memory)
    const store = await makeVault(log)
    const write = async (late: number) => {
      for (let at = 0; at < 10; at++) {
        for (let turn = 0; turn < late; turn++) await Promise.resolve()
        await commit(store, `${late}/${at}`)
      }
    }
    await Promise.all(Array.from({ length: 16 }, (_, late) => write(late * 3)))
    expect(store.head.sequence).toBe(161)
    expect(log.stats.batches).toBeLessThan(30)
  })

  it('makes who is alone wait for nobody', async () => {
    const memory = memoryLog()
    const store = await makeVault(await openLog(memory))
    const turn = nextTurn('later')
    expect(await Promise.race([commit(store, 'a').then(() => 'committed'), turn])).toBe('committed')
  })
})

describe('a log that fails', () => {
  it('rejects what waits and everything after, and changes nothing in memory any more', async () => {
    const memory = memoryLog({ fault: { at: 5 } })
    const log = await openLog(memory)
    const [alice, bob] = [await makeVault(log), await makeVault(log, 'bob')]
    const results = await Promise.allSettled([commit(alice, 'a'), commit(bob, 'b'), commit(alice, 'c')])
    for (const result of results) expect(result).toMatchObject({ reason: { code: 'storage-failed' } })
    await expect(commit(bob, 'd')).rejects.toMatchObject({ code: 'storage-failed' })
    expect(bob.namespace('personal').get('d')).toBeUndefined()
    await bob[Symbol.asyncDispose]()
    await log[Symbol.asyncDispose]()
  })

  it('rejects what was appended while the failing write was under way', async () => {
    let commits: Promise<unknown>[] = []
    const memory = memoryLog({
      fault: { at: 3 },
      before: () => void (memory.stats.operations === 3 && (commits = ['b', 'c'].map((key) => commit(store, key)))),
    })
    const store: VaultStore = await makeVault(await openLog(memory))
    await expect(commit(store, 'a')).rejects.toThrow()
    expect(commits).toHaveLength(2)
    for (const result of await Promise.allSettled(commits)) {
      expect(result).toMatchObject({ reason: { code: 'storage-failed' } })
    }
  })
})

describe('a log', () => {
  it('that is abandoned rejects at once, and is found again as far as it was durable', async () => {
    const memory = memoryLog()
    const log = await openLog(memory)
    const store = await makeVault(log)
    await commit(store, 'a')
    const pending = [commit(store, 'b'), commit(store, 'c')]
    log.abandon()
    for (const result of await Promise.allSettled(pending)) {
      expect(result).toMatchObject({ reason: { code: 'storage-failed' } })
    }
    await expect(commit(store, 'd')).rejects.toMatchObject({ code: 'storage-failed' })
    const again = await recover(memory.crash())
    expect(again.store.namespace('personal').get('a')).toBeDefined()
    expect(again.store.namespace('personal').get('d')).toBeUndefined()
    await log[Symbol.asyncDispose]()
  })

  it('that is closed writes what waited', async () => {
    const memory = memoryLog()
    const log = await openLog(memory)
    const store = await makeVault(log)
    const pending = Array.from({ length: 5 }, (_, at) => commit(store, `${at}`))
    await log[Symbol.asyncDispose]()
    await Promise.all(pending)
    await expect(commit(store, 'late')).rejects.toMatchObject({ code: 'storage-failed' })
  })

  it('has one writer per vault', async () => {
    const log = await openLog(memoryLog())
    const store = await makeVault(log)
    await expect(openVault(log, optionsOf('alice'))).rejects.toThrow('open already')
    await store[Symbol.asyncDispose]()
    await expect(openVault(log, optionsOf('alice'))).resolves.toBeDefined()
  })

  it('of many vaults is read for one of them as far as its own frames go', async () => {
    const memory = memoryLog()
    const log = await openLog(memory)
    const stores = await Promise.all(Array.from({ length: 100 }, (_, at) => makeVault(log, `v${at}`)))
    const value = new Uint8Array(1_000)
    for (let at = 0; at < 10; at++) {
      await Promise.all(
        stores.map((each) => each.commit([{ namespace: 'personal', key: `${at}`, value }], { now: at })),
      )
    }
    const bytes = await memory.read()
    const counted = memoryLog({ bytes })
    const again = await openLog(counted)
    let read = 0
    const original = counted.read.bind(counted)
    counted.read = async (range) => {
      const found = await original(range)
      read += found.length
      return found
    }
    const one = await openVault(again, optionsOf('v50'))
    expect(one.namespace('personal').scan({ prefix: '', limit: 100 }).items).toHaveLength(10)
    // A hundredth of the log is its own; some more lies between frames that are read at once.
    expect(read).toBeGreaterThan(10_000)
    expect(read).toBeLessThan(bytes.length / 50)
  })

  it('that is none is refused and let go', async () => {
    const memory = memoryLog({ bytes: concat([utf8('#!/bin/sh\n'), new Uint8Array(100)]) })
    await expect(openLog(memory)).rejects.toMatchObject({
      code: 'journal-tampered',
      message: 'byte 0 of the log does not start a frame: restore the log from a copy',
    })
    await expect(memory.read()).rejects.toThrow('closed')
  })
})
