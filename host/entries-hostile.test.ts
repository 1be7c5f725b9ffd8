/** What a hostile device sends: the vault takes none of it, and goes on. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { servedEntry } from '#client/owner-entries.ts'
import type { DeviceId, EntryId } from '#host/entries/ids.ts'
import type { VersionWrite } from '#host/entries/model.ts'
import { entryChange, entryRecord } from '#host/vault/account/held.ts'
import { pack } from '#host/wire/pack.ts'
import { attach, draft, type Rig, signUp } from './entries-rig.fixture.ts'
import { startWorld, type World } from './world.fixture.ts'

let world: World
let phone: Rig

beforeAll(async () => {
  world = await startWorld({ handlers: [] })
  phone = await signUp(world)
})
afterAll(() => world[Symbol.asyncDispose]())

/** All versions, judged. */
async function history({ owner, book }: Rig, entry: EntryId) {
  const { versions, findings } = book.read(book.user, servedEntry(entry, await owner.entries.history(entry)))
  expect(findings).toEqual([])
  return versions
}

/** Bytes of everything that devices signed and sealed. */
async function kept(): Promise<number> {
  const { store } = await world.vault()
  const spaces = ['directory', 'channels', 'entries', 'versions', 'shares'] as const
  return spaces.reduce((bytes, name) => bytes + store.namespace(name).bytes, 0)
}

function refused(write: Promise<unknown>, code: string) {
  return expect(write).rejects.toThrow(new RegExp(`was refused: ${code}`))
}

const swap = (write: VersionWrite, more: Partial<VersionWrite>): VersionWrite => ({ ...write, ...more })
const flip = (bytes: Uint8Array | null, at = 0): Uint8Array =>
  (bytes ?? new Uint8Array(1)).map((byte, index) => (index === at ? byte ^ 1 : byte))

describe('a hostile device is refused with', () => {
  test.each<[string, string, (write: VersionWrite) => VersionWrite]>([
    ['entry-invalid', 'a signature that is not its own', (write) => swap(write, { signature: flip(write.signature) })],
    ['entry-invalid', 'a signature whose second half is not', (w) => swap(w, { signature: flip(w.signature, 3_350) })],
    ['entry-invalid', 'other content', (write) => swap(write, { content: flip(write.content) })],
    ['entry-invalid', 'no content', (write) => swap(write, { content: null })],
    ['entry-invalid', 'another outline', (write) => swap(write, { outline: flip(write.outline) })],
    ['entry-invalid', 'a header that is none', (write) => swap(write, { header: flip(write.header) })],
    [
      'entry-invalid',
      'no channel to its shares',
      (write) =>
        swap(write, { channels: [], shares: write.shares.map((share) => ({ ...share, epoch: share.epoch + 9 })) }),
    ],
    ['recipients-stale', 'a share too few', (write) => swap(write, { shares: [] })],
    ['recipients-stale', 'a share twice', (write) => swap(write, { shares: [...write.shares, ...write.shares] })],
    ['command-invalid', 'a signature of another length', (write) => swap(write, { signature: new Uint8Array(9) })],
    ['command-invalid', 'endless content', (write) => swap(write, { content: new Uint8Array(600 * 1_024) })],
  ])('%s for %s', async (code, _what, change) => {
    const write = phone.book.create(draft('Router'))
    const before = await kept()
    await refused(phone.owner.entries.create(change(write)), code)
    expect(await kept()).toBe(before)
    expect(await phone.send('create', write)).toMatchObject({ conflict: null, seq: 1 })
  })

  test('entry-invalid for a share in the name of another device', async () => {
    const write = phone.book.create(draft('Router'))
    const shares = write.shares.map((share) => ({ ...share, sharer: share.sharer.map((byte) => byte ^ 1) as DeviceId }))
    await refused(phone.owner.entries.create({ ...write, shares }), 'entry-invalid')
  })

  test('entry-full past the versions that are kept of one entry', async () => {
    const entry = await phone.create('Router')
    const current = await phone.read(entry)
    const { store } = await world.vault()
    const record = entryRecord(await world.vault(), entry)
    if (!record) throw new Error('no head')
    // As if so many versions were there: the next one says so as well.
    const afterSo = async (seq: number) => {
      await store.commit([entryChange(entry, { ...record, seq })], { now: world.now() })
      const { version } = current
      const so = { ...current, version: { ...version, header: { ...version.header, seq } } }
      return phone.owner.entries.update(phone.book.update(so, draft('Router', 'one more')))
    }
    await refused(afterSo(1_024), 'entry-full')
    expect(await afterSo(1_023)).toMatchObject({ conflict: null, seq: 1_024 })
  })

  test('entry-full past the entries of one vault', async () => {
    const { store } = await world.vault()
    const count = store.namespace('entries').get('count')?.value
    if (!count) throw new Error('no count')
    await store.commit([{ namespace: 'entries', key: 'count', value: pack(16_384) }], { now: world.now() })
    await refused(phone.create('one more'), 'entry-full')
    await store.commit([{ namespace: 'entries', key: 'count', value: count }], { now: world.now() })
    await phone.create('one more')
  })

  test('entry-invalid for a version that another device signed', async () => {
    const tablet = await attach(world, phone, 'tablet')
    const write = tablet.book.create(draft('Router'))
    await refused(phone.owner.entries.create(write), 'entry-invalid')
  })

  test('entry-invalid for an entry of another user', async () => {
    const other = await startWorld({ handlers: [] })
    try {
      const stranger = await signUp(other)
      await refused(phone.owner.entries.create(stranger.book.create(draft('Router'))), 'entry-invalid')
    } finally {
      await other[Symbol.asyncDispose]()
    }
  })

  test('command-invalid for a version under another command', async () => {
    await refused(phone.owner.entries.update(phone.book.create(draft('Router'))), 'command-invalid')
    const entry = await phone.create('Router')
    const next = phone.book.update(await phone.read(entry), draft('Router', 'next'))
    await refused(phone.owner.entries.create(next), 'command-invalid')
    await refused(phone.owner.entries.restore(next), 'command-invalid')
  })

  test('entry-invalid for a prune of another chain, or by a signature that is none', async () => {
    const entry = await phone.create('Router')
    await phone.update(entry, 'two')
    await phone.update(entry, 'three')
    const [, second, third] = await history(phone, entry)
    if (!second || !third) throw new Error('three versions')
    const forged = flip(phone.book.prune(entry, second.version), 200)
    await refused(phone.owner.entries.prune(forged), 'entry-invalid')
    const elsewhere = { ...second.version, header: { ...second.version.header, prev: third.version.hash } }
    await refused(phone.owner.entries.prune(phone.book.prune(entry, elsewhere)), 'entry-invalid')
    expect(await history(phone, entry)).toHaveLength(3)
  })
})
