import * as fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'

import { create, keysOf, open, openDisk, put, restart, SEGMENT_BYTES } from './disk-vault.fixture.ts'
import { vaultTag } from './keys.ts'
import { SEGMENTS_KEPT, SNAPSHOT_JOURNAL_BYTES_MIN } from './limits.ts'
import { memoryDisk } from './memory-disk.fixture.ts'
import { dump, utf8 } from './vault-store.fixture.ts'

const fileOf = (vault: string) => vaultTag(vault).toHex()

describe('a snapshot', () => {
  it('gives back every item as it was, its figures, and the frames after it', async () => {
    const disk = memoryDisk()
    const store = await create(await openDisk(disk), disk)
    for (let at = 0; at < 5; at++) await put(store, `k${at % 2}`, `value ${at}`)
    const marked = { visibility: 'opaque', sensitivity: 'critical', category: 'orders' } as const
    await store.commit([{ namespace: 'connection/acme', key: 'o', value: utf8('tea'), ...marked }], { now: 7 })
    await store.snapshot()
    await put(store, 'after')
    await put(store, 'k0', 'again')
    const found = await restart(disk.image())
    expect(dump(found)).toEqual(dump(store))
    expect(found.head).toEqual(store.head)
    for (const name of store.namespaces()) expect(found.namespace(name).bytes).toBe(store.namespace(name).bytes)
    await put(found, 'more')
    await found.snapshot()
    await put(found, 'k1', 'last')
    expect(found.namespace('personal').get('k0')?.revision).toBe(4)
  })

  it('is at one point of the journal, whatever is written meanwhile', async () => {
    const whole = memoryDisk()
    const other = await create(await openDisk(whole), whole)
    const again = Array.from({ length: 8 }, async (_, writer) => {
      for (let at = 0; at < 20; at++) await put(other, `${writer}.${at}`)
    })
    const snapshots = Array.from({ length: 5 }, () => other.snapshot())
    await Promise.all([...again, ...snapshots])
    expect(dump(await restart(whole.image()))).toEqual(dump(other))
  })

  it('comes by itself as the journal grows, and no sooner', async () => {
    const disk = memoryDisk()
    const store = await create(await openDisk(disk), disk)
    const value = 'x'.repeat(SNAPSHOT_JOURNAL_BYTES_MIN / 4)
    for (let at = 0; at < 3; at++) await put(store, 'k', value)
    expect(disk.files().has(`snapshots/${fileOf('alice')}`)).toBe(false)
    for (let at = 0; at < 2; at++) await put(store, 'k', value)
    await store[Symbol.asyncDispose]()
    expect(disk.files().has(`snapshots/${fileOf('alice')}`)).toBe(true)
    expect((await restart(disk.image())).namespace('personal').get('k')?.revision).toBe(5)
  })

  it('of a large vault comes when the journal is worth it, or when the vault closes', async () => {
    const disk = memoryDisk()
    const log = await openDisk(disk)
    const store = await create(log, disk)
    const quarter = 'x'.repeat(SNAPSHOT_JOURNAL_BYTES_MIN / 4)
    for (let at = 0; at < 8; at++) await put(store, `k${at}`, quarter)
    await store.snapshot()
    const taken = store.disk.snapshot
    expect(taken).toBeGreaterThan(2 * SNAPSHOT_JOURNAL_BYTES_MIN)
    const snapshot = async () => (await disk.blobs('snapshots').read(fileOf('alice')))?.slice(0, 200)
    const first = await snapshot()
    // Twice its size, and not yet four times.
    for (let at = 0; at < 16; at++) await put(store, 'k0', quarter)
    expect(await snapshot()).toEqual(first)
    await store[Symbol.asyncDispose]()
    const second = await snapshot()
    expect(second).not.toEqual(first)

    const again = await open(log, disk)
    for (let at = 0; at < 7; at++) await put(again, 'k0', quarter)
    await again[Symbol.asyncDispose]()
    expect(await snapshot()).toEqual(second)

    const third = await open(log, disk)
    for (let at = 0; at < 34; at++) await put(third, 'k0', quarter)
    await vi.waitFor(async () => expect(await snapshot()).not.toEqual(second))
  })

  it('holds nothing that the log did not take', async () => {
    const fault = { at: Number.POSITIVE_INFINITY }
    const disk = memoryDisk({ fault })
    const store = await create(await openDisk(disk), disk)
    fault.at = disk.stats.operations + 1
    const results = await Promise.allSettled([put(store, 'refused'), store.snapshot()])
    for (const result of results) expect(result).toMatchObject({ reason: { code: 'storage-failed' } })
    expect([...disk.files().keys()].filter((name) => name.startsWith('snapshots/'))).toEqual([])
  })

  it('that is not what was written is refused, whichever bit it is', async () => {
    const disk = memoryDisk()
    const store = await create(await openDisk(disk), disk)
    await put(store, 'k')
    await store.snapshot()
    const name = fileOf('alice')
    const bytes = (await disk.blobs('snapshots').read(name)) ?? new Uint8Array(0)
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: bytes.length * 8 - 1 }), async (bit) => {
        const changed = bytes.slice()
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        const after = disk.image()
        await after.blobs('snapshots').write(name, [changed])
        const code = expect.stringMatching(/^(?:journal-tampered|journal-foreign|key-missing)$/)
        await expect(restart(after)).rejects.toMatchObject({ code })
      }),
      { numRuns: 200 },
    )
    for (const size of [0, 20, bytes.length - 1]) {
      const after = disk.image()
      await after.blobs('snapshots').write(name, [bytes.subarray(0, size)])
      await expect(restart(after)).rejects.toMatchObject({ code: 'journal-tampered' })
    }
  })

  it('of another vault is refused by that name', async () => {
    const disk = memoryDisk()
    const log = await openDisk(disk)
    for (const vault of ['alice', 'bob']) await (await create(log, disk, vault)).snapshot()
    const blobs = disk.blobs('snapshots')
    const other = (await blobs.read(fileOf('bob'))) ?? new Uint8Array(0)
    await blobs.write(fileOf('alice'), [other])
    await expect(restart(disk.image())).rejects.toMatchObject({
      code: 'journal-foreign',
      message: expect.stringContaining('restore it from a copy'),
    })
  })
})

/** Until the newest segment is another one. */
async function fill(disk: ReturnType<typeof memoryDisk>, store: Awaited<ReturnType<typeof create>>, until: number) {
  for (let at = 0; [...disk.files().keys()].filter((name) => name.startsWith('log.')).length < until; at++) {
    await put(store, `k${at % 5}`, 'x'.repeat(300))
  }
}
const segmentsOf = (disk: ReturnType<typeof memoryDisk>) =>
  [...disk.files().keys()].filter((name) => name.startsWith('log.'))

describe('segments', () => {
  it('go when snapshots cover every frame in them, the oldest first', async () => {
    const disk = memoryDisk()
    const log = await openDisk(disk)
    const alice = await create(log, disk)
    const bob = await create(log, disk, 'bob')
    await fill(disk, alice, SEGMENTS_KEPT + 2)
    expect(log.segments.slice(0, -1).every((size) => size >= SEGMENT_BYTES)).toBe(true)
    await alice.snapshot()
    expect(segmentsOf(disk)).toHaveLength(SEGMENTS_KEPT + 2)
    expect(log.holding()).toEqual([vaultTag('bob').toHex()])
    await bob.snapshot()
    expect(segmentsOf(disk)).toHaveLength(1)
    expect(log.holding()).toEqual([])
    await put(alice, 'after')
    const after = disk.image()
    const reopened = await openDisk(after)
    expect(dump(await open(reopened, after))).toEqual(dump(alice))
    expect(dump(await open(reopened, after, { vault: 'bob' }))).toEqual(dump(bob))
  })

  it('that no vault wrote to since are let go when a vault is opened', async () => {
    const disk = memoryDisk()
    const store = await create(await openDisk(disk), disk)
    await fill(disk, store, 4)
    const kept = new Map(disk.files())
    await store.snapshot()
    const after = disk.image()
    // As if the machine had stopped between the snapshot and the first removal.
    for (const [name, bytes] of kept) {
      const number = Number(name.split('.')[1])
      if (name.startsWith('log.') && !after.files().has(name))
        await (await after.segments().open(number)).append([bytes])
    }
    expect(segmentsOf(after)).toHaveLength(4)
    expect(dump(await restart(after))).toEqual(dump(store))
    expect(segmentsOf(after)).toHaveLength(1)
  })

  it('are refused by a name when one is missing, torn, repeated, or went without a snapshot', async () => {
    const disk = memoryDisk()
    const store = await create(await openDisk(disk), disk)
    await fill(disk, store, 3)
    const anew = async (change: (bytes: Map<string, Uint8Array>) => unknown) => {
      const files = new Map(disk.files())
      change(files)
      const other = memoryDisk()
      for (const [name, bytes] of files) {
        const [folder = '', rest = ''] = name.split(/[./](.*)/)
        if (folder === 'log') await (await other.segments().open(Number(rest))).append([bytes])
        else await other.blobs(folder).write(rest, [bytes])
      }
      return restart(other)
    }
    await expect(anew(() => {})).resolves.toBeDefined()
    await expect(anew((files) => files.delete('log.1'))).rejects.toMatchObject({ code: 'journal-gap' })
    await expect(anew((files) => files.delete('log.0'))).rejects.toMatchObject({ code: 'journal-gap' })
    const second = disk.files().get('log.1') ?? new Uint8Array(0)
    await expect(anew((files) => files.set('log.1', second.slice(0, -1)))).rejects.toMatchObject({
      code: 'journal-tampered',
      message: expect.stringContaining('segment 1 of the log ends inside a frame'),
    })
    const first = disk.files().get('log.0') ?? new Uint8Array(0)
    const replayed = (files: Map<string, Uint8Array>) => void files.set('log.3', first)
    await expect(anew(replayed)).rejects.toMatchObject({ code: 'journal-gap' })
    await store.snapshot()
    await put(store, 'after')
    await expect(anew(() => {})).resolves.toBeDefined()
    const late = (files: Map<string, Uint8Array>) => void files.set('log.3', first)
    await expect(anew(late)).rejects.toMatchObject({
      code: 'journal-gap',
      message: expect.stringContaining('stands behind frame'),
    })
    await expect(anew((files) => files.delete(`snapshots/${fileOf('alice')}`))).rejects.toMatchObject({
      code: 'journal-gap',
    })
  })
})

it('covering frames keeps those after', async () => {
  const log = await openDisk(memoryDisk())
  const lane = log.lane(vaultTag('alice'))
  for (const sequence of [1, 2, 3, 4]) {
    await lane.append({ commits: 1, seal: () => ({ sequence, parts: [new Uint8Array(sequence)] }) })
  }
  expect([lane.count, lane.bytes]).toEqual([4, 10])
  await lane.cover(2)
  expect([lane.count, lane.bytes]).toEqual([2, 7])
  await lane.cover(2)
  expect(lane.count).toBe(2)
  await lane.cover(9)
  expect(lane.count).toBe(0)
})

describe('an anchor', () => {
  it('shows an older log and snapshot that were put back together', async () => {
    const disk = memoryDisk()
    const store = await create(await openDisk(disk), disk)
    await put(store, 'one')
    await store.snapshot()
    await put(store, 'two')
    const old = disk.image()
    expect((await restart(old, { anchor: store.head })).head).toEqual(store.head)
    const later = await restart(old)
    const behind = old.image()
    await put(later, 'three')
    await later.snapshot()
    await expect(restart(behind, { anchor: later.head })).rejects.toMatchObject({
      code: 'journal-behind',
      message: expect.stringContaining('restore the newest one'),
    })
  })

  it('shows a fork after the snapshot, and at it', async () => {
    const disk = memoryDisk()
    const store = await create(await openDisk(disk), disk)
    await store.snapshot()
    const fork = disk.image()
    const twin = disk.image()
    const [one, two] = [await restart(fork), await restart(twin)]
    await put(one, 'one')
    await put(two, 'two')
    await expect(restart(twin.image(), { anchor: one.head })).rejects.toMatchObject({ code: 'journal-behind' })
    await two.snapshot()
    await expect(restart(twin.image(), { anchor: one.head })).rejects.toMatchObject({ code: 'journal-behind' })
  })

  it('shows an older key put back with all that it opens', async () => {
    const disk = memoryDisk()
    const store = await create(await openDisk(disk), disk)
    await put(store, 'one')
    const old = disk.image()
    const now = await restart(old)
    const before = old.image()
    await now.renew(keysOf(old, 'alice'))
    const { sequence, chain } = now.head
    // The epoch alone tells: nothing was written since.
    await expect(restart(before, { anchor: { sequence, chain, epoch: 1 } })).rejects.toMatchObject({
      code: 'journal-behind',
      message: expect.stringContaining('key epoch 0'),
    })
  })
})
