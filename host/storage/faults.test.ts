/** Disks that fail, tear, forget and fill up: what was acknowledged stays, what was not is whole or absent. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { create, keysOf, open, openDisk, put, restart } from './disk-vault.fixture.ts'
import { memoryDisk, type MemoryDisk } from './memory-disk.fixture.ts'
import type { VaultStore } from './port.ts'
import { dump, utf8 } from './vault-store.fixture.ts'

interface Done {
  readonly acked: string[]
  asked: number
}

/** Two keys in two namespaces with each commit: half of one would show. */
async function mark(store: VaultStore, id: string, done: Done): Promise<void> {
  done.asked++
  await store.commit(
    [
      { namespace: 'personal', key: `mark/${id}`, value: utf8('x'.repeat(150)) },
      { namespace: 'system', key: 'count', value: utf8(id) },
    ],
    { now: 1, expected: [{ namespace: 'personal', key: `mark/${id}`, revision: 0 }] },
  )
  done.acked.push(id)
}

/** Everything a vault does to a disk: birth, commits over several segments, snapshots, a renewal, a neighbour. */
async function life(disk: MemoryDisk, done: Done): Promise<void> {
  const log = await openDisk(disk)
  const store = await create(log, disk)
  const other = await create(log, disk, 'bob')
  for (let at = 0; at < 6; at++) await Promise.all([mark(store, `a${at}`, done), put(other, `b${at}`)])
  await store.snapshot()
  for (let at = 0; at < 6; at++) await Promise.all([mark(store, `c${at}`, done), mark(store, `d${at}`, done)])
  await Promise.all([store.renew(keysOf(disk, 'alice')), mark(store, 'e', done), other.snapshot()])
  for (let at = 0; at < 6; at++) await mark(store, `f${at}`, done)
  await store[Symbol.asyncDispose]()
  const again = await open(log, disk)
  await mark(again, 'g', done)
  await again.snapshot()
  await mark(again, 'h', done)
  await log[Symbol.asyncDispose]()
}

function expectMarks(store: VaultStore, { acked, asked }: Done): void {
  for (const id of acked) expect(store.namespace('personal').get(`mark/${id}`)?.revision).toBe(1)
  const { items } = store.namespace('personal').scan({ prefix: 'mark/', limit: 256 })
  expect(items.length).toBeLessThanOrEqual(asked)
  expect(store.namespace('system').get('count')?.revision ?? 0).toBe(items.length)
}

const keeps = [() => 0, (most: number) => most >> 1, (most: number) => most]

/** A restart, unless the vault was never acknowledged to be there. */
async function recovered(disk: MemoryDisk, done: Done): Promise<VaultStore | undefined> {
  try {
    return await restart(disk)
  } catch (error) {
    if (done.acked.length > 0) throw error
    return undefined
  }
}

describe('whichever operation of the disk', () => {
  it('fails, it ends in storage-failed or goes on without, and nothing acknowledged is lost', async () => {
    let clean = false
    let failed = 0
    for (let at = 1; !clean; at++) {
      const disk = memoryDisk({ fault: { at, kept: (at * 97) % 400 } })
      const done: Done = { acked: [], asked: 0 }
      const ended = await life(disk, done).catch((error: unknown) => error)
      if (ended instanceof Error) {
        failed++
        expect(ended).toMatchObject({ code: 'storage-failed' })
      }
      clean = disk.stats.operations < at
      for (const keep of keeps) {
        const found = await recovered(disk.image(keep), done)
        if (!found) continue
        expectMarks(found, done)
        await mark(found, 'after', done)
        done.acked.pop()
        done.asked--
      }
    }
    expect(failed).toBeGreaterThan(50)
  })

  it('is the last before the machine stops, whatever part of the rest reaches the disk', async () => {
    for (let at = 1; ; at++) {
      for (const keep of keeps) {
        let after: MemoryDisk | undefined
        const disk: MemoryDisk = memoryDisk({
          before: () => void (disk.stats.operations === at && (after ??= disk.crash(keep))),
        })
        const done: Done = { acked: [], asked: 0 }
        await life(disk, done).catch(() => {})
        if (!after) return
        const found = await recovered(after, done)
        if (found) expectMarks(found, done)
      }
    }
  })
})

it('un-synced parts of several files may be kept in any mixture', async () => {
  const scenario = fc.record({ at: fc.integer({ min: 1, max: 150 }), parts: fc.array(fc.nat(400), { minLength: 1 }) })
  await fc.assert(
    fc.asyncProperty(scenario, async ({ at, parts }) => {
      let turn = 0
      const keep = (most: number) => Math.min(most, parts[turn++ % parts.length] ?? 0)
      let after: MemoryDisk | undefined
      const disk: MemoryDisk = memoryDisk({
        before: () => void (disk.stats.operations === at && (after ??= disk.crash(keep))),
      })
      const done: Done = { acked: [], asked: 0 }
      await life(disk, done).catch(() => {})
      const found = await recovered(after ?? disk.image(keep), done)
      if (found) expectMarks(found, done)
    }),
    { numRuns: 150 },
  )
})

it('every prefix of the newest segment opens, as far as it is whole', async () => {
  const disk = memoryDisk()
  const store = await create(await openDisk(disk), disk)
  for (let at = 0; at < 8; at++) await put(store, `k${at}`, 'x'.repeat(100))
  await store.snapshot()
  const least = store.head.sequence
  for (let at = 0; at < 6; at++) await put(store, `m${at}`, 'x'.repeat(100))
  const newest =
    [...disk.files().keys()]
      .filter((name) => name.startsWith('log.'))
      .sort()
      .at(-1) ?? ''
  const bytes = disk.files().get(newest) ?? new Uint8Array(0)
  let last = least
  for (let size = 0; size <= bytes.length; size++) {
    const cut = disk.image()
    const file = await cut.segments().open(Number(newest.slice(4)))
    await file.truncate(size)
    const found = await restart(cut)
    expect(found.head.sequence).toBeGreaterThanOrEqual(last)
    last = found.head.sequence
  }
  expect(last).toBe(store.head.sequence)
})

describe('a full disk', () => {
  it('refuses commits with what to do, serves reads, and goes on when there is room, without a restart', async () => {
    const disk = memoryDisk()
    const log = await openDisk(disk)
    const store = await create(log, disk)
    await put(store, 'before')
    disk.full = true
    const full = { code: 'storage-failed', message: 'the disk is full: make room, then it goes on by itself' }
    await expect(put(store, 'lost')).rejects.toMatchObject(full)
    expect(store.namespace('personal').get('before')).toBeDefined()
    await expect(put(store, 'lost too')).rejects.toMatchObject(full)
    await store[Symbol.asyncDispose]()
    await log.reopen()
    // Still full: what is there is read.
    const reader = await open(log, disk)
    expect(reader.namespace('personal').get('before')).toBeDefined()
    expect(reader.namespace('personal').get('lost')).toBeUndefined()
    await expect(put(reader, 'lost')).rejects.toMatchObject(full)
    await reader[Symbol.asyncDispose]()
    disk.full = false
    await log.reopen()
    const writer = await open(log, disk)
    await put(writer, 'after')
    expect(dump(await restart(disk.image()))).toEqual(dump(writer))
  })

  it('costs a snapshot and nothing else', async () => {
    const disk = memoryDisk()
    const store = await create(await openDisk(disk), disk)
    await put(store, 'before')
    disk.full = true
    await expect(store.snapshot()).rejects.toMatchObject({ code: 'storage-failed' })
    disk.full = false
    await put(store, 'after')
    await store.snapshot()
    expect(dump(await restart(disk.image()))).toEqual(dump(store))
  })
})

it('a log that failed gives the lanes of before no way back', async () => {
  const disk = memoryDisk()
  const log = await openDisk(disk)
  const store = await create(log, disk)
  disk.full = true
  await expect(put(store, 'a')).rejects.toMatchObject({ code: 'storage-failed' })
  disk.full = false
  await log.reopen()
  expect(log.failure).toBeUndefined()
  await expect(put(store, 'b')).rejects.toMatchObject({ code: 'storage-failed' })
  const again = await open(log, disk)
  await put(again, 'c')
  await log[Symbol.asyncDispose]()
  await expect(log.reopen()).rejects.toMatchObject({ code: 'storage-failed' })
})
