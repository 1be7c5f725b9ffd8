import { beforeEach, describe, expect, it } from 'vitest'

import { logStoreCases } from './log-store.case.ts'
import { type MemoryLog, memoryLog } from './memory-log.fixture.ts'

describe('as a log store', () => {
  let last: MemoryLog | undefined
  beforeEach(() => {
    last = undefined
  })
  logStoreCases(() => {
    last = last?.crash() ?? memoryLog()
    return Promise.resolve(last)
  })
})

const abc = Uint8Array.from([97, 98, 99])

describe('a crash', () => {
  it('keeps what is durable and any first part of what is not', async () => {
    for (const kept of [0, 1, 3, 100]) {
      const stuck = Promise.withResolvers<void>()
      let syncs = 0
      const store = memoryLog({
        before: (operation) => (operation === 'sync' && ++syncs === 2 ? stuck.promise : undefined),
      })
      await store.append([abc])
      const pending = store.append([abc])
      await expect.poll(() => store.unsynced).toBe(3)
      const after = store.crash(kept)
      stuck.resolve()
      await expect(pending).rejects.toMatchObject({ code: 'storage-failed' })
      expect(after.size).toBe(3 + Math.min(kept, 3))
      expect(store.size).toBe(3)
    }
  })
})

describe('a fault', () => {
  it('ends the log: the operation fails and so do all after it', async () => {
    const store = memoryLog({ fault: { at: 2 } })
    await expect(store.append([abc])).rejects.toThrow('sync 2 fails as asked')
    await expect(store.append([abc])).rejects.toMatchObject({ code: 'storage-failed' })
    expect(store.stats).toEqual({ operations: 2, writes: 1, syncs: 0 })
    expect(store.size).toBe(0)
  })

  it('tears a write where it is told to', async () => {
    const store = memoryLog({ fault: { at: 1, kept: 4 } })
    await expect(store.append([abc, abc])).rejects.toMatchObject({ code: 'storage-failed' })
    expect(store.unsynced).toBe(4)
    expect(await store.crash(9).read()).toEqual(Uint8Array.from([97, 98, 99, 97]))
  })
})
