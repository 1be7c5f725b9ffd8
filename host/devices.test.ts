/** A user's devices: vouched for, named, ended; and what a new one is given of what was there before. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { servedEntry } from '#client/owner-entries.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import type { EntryId } from '#host/entries/ids.ts'
import { decodeVersion } from '#host/entries/version.ts'
import { UNLOCKERS_MAX } from '#host/storage/limits.ts'
import { attach, draft, freshKeys, type Rig, signUp, textOf } from './entries-rig.fixture.ts'
import { startWorld, type World } from './world.fixture.ts'

let world: World
let phone: Rig

beforeEach(async () => {
  world = await startWorld({ handlers: [], devices: ['watch'] })
  phone = await signUp(world)
})
afterEach(() => world[Symbol.asyncDispose]())

function refused(work: Promise<unknown>, code: string) {
  return expect(work).rejects.toThrow(new RegExp(`was refused: ${code}`))
}

/** Shares everything that is there with a new device; `pages` bounds the steps. Gives how many shares were made. */
async function backfill(by: Rig, to: Rig, pages = 99): Promise<number> {
  let added = 0
  for (let page = 0; page < pages; page++) {
    const { versions } = await by.owner.entries.backlog(to.book.device)
    if (versions.length === 0) return added
    const shares: Parameters<typeof by.owner.entries.backfill>[0][number][] = []
    const channels = new Map<number, Parameters<typeof by.owner.entries.backfill>[1][number]>()
    for (const version of versions) {
      const { header } = decodeVersion(nativeCrypto, version)
      const served = { entry: header.entry, versions: [version], prune: null }
      const made = by.book.backfill(served, { owner: by.book.user, device: to.book.device })
      expect(made.findings).toEqual([])
      for (const { share } of made.shares) shares.push({ entry: header.entry, seq: header.seq, share })
      for (const channel of made.channels) channels.set(channel.epoch, channel)
    }
    added += await by.owner.entries.backfill(shares, [...channels.values()])
    by.book.confirmChannels([...channels.values()])
  }
  return added
}

describe('a new device', () => {
  test('pairs once it is vouched for, and reads what is written from then on', async () => {
    const before = await phone.create('before')
    const tablet = await attach(world, phone, 'tablet')
    await phone.learn()
    const after = await phone.create('after')
    expect(textOf((await tablet.read(after)).content())).toBe('what after holds')
    expect(await tablet.read(before)).toMatchObject({ outline: null })
    expect((await tablet.read(before)).content()).toBeNull()
  })

  test('is given shares of what was there, in steps that may be interrupted', async () => {
    const entries: EntryId[] = []
    for (let count = 0; count < 3; count++) entries.push(await phone.create(`note ${count}`))
    for (const entry of entries) await phone.update(entry, 'second')
    const tablet = await attach(world, phone, 'tablet')
    await phone.learn()
    const { versions, total, next } = await phone.owner.entries.backlog(tablet.book.device)
    expect({ lacking: versions.length, total, next }).toEqual({ lacking: 6, total: 6, next: null })
    const [first] = versions
    if (!first) throw new Error('something lacks')
    const rest = await phone.owner.entries.backlog(tablet.book.device, { entry: first.entry, seq: first.seq })
    expect(rest.versions).toHaveLength(5)
    expect(await backfill(phone, tablet, 1)).toBe(6)
    expect(await backfill(phone, tablet)).toBe(0)
    for (const entry of entries) expect(textOf((await tablet.read(entry)).content())).toBe('second')
  })

  test('gets no share from another device’s hand, of no version, or of no channel', async () => {
    const entry = await phone.create('Router')
    const tablet = await attach(world, phone, 'tablet')
    await phone.learn()
    const [version] = (await phone.owner.entries.backlog(tablet.book.device)).versions
    if (!version) throw new Error('something lacks')
    const served = { entry, versions: [version], prune: null }
    const made = phone.book.backfill(served, { owner: phone.book.user, device: tablet.book.device })
    const [share] = made.shares.map((one) => ({ entry, seq: 1, share: one.share }))
    if (!share) throw new Error('a share')
    await refused(tablet.owner.entries.backfill([share], made.channels), 'entry-invalid')
    await refused(phone.owner.entries.backfill([{ ...share, seq: 2 }], made.channels), 'entry-invalid')
    await refused(phone.owner.entries.backfill([share], []), 'entry-invalid')
    const stranger = { ...share, share: { ...share.share, recipient: entry32() } }
    await refused(phone.owner.entries.backfill([stranger], made.channels), 'entry-invalid')
    expect(await phone.owner.entries.backfill([share], made.channels)).toBe(1)
  })

  test('is one of so many: no more are taken that could unlock the vault', async () => {
    const { devices } = await world.vault()
    const [one] = devices.values()
    if (!one) throw new Error('a device')
    while (devices.size < UNLOCKERS_MAX - 1) devices.set(`other ${devices.size}`, one)
    await attach(world, phone, 'the last')
    await refused(attach(world, phone, 'one more'), 'command-invalid')
  })

  test('that nobody vouches for is given nothing, though it may pair', async () => {
    const watch = await world.pair('watch')
    await phone.create('Router')
    await refused(watch.entries.list(), 'device-inactive')
    await refused(watch.entries.challenge(), 'device-inactive')
    const { statements } = await watch.entries.directory()
    expect(statements).toHaveLength(1)
  })

  test('cannot vouch for itself, nor a statement be taken twice', async () => {
    const { keys } = freshKeys()
    const statement = phone.book.attach({ keys, label: 'laptop', role: 'device', expires: null })
    const forged = statement.map((byte, at) => (at === statement.length - 1 ? byte ^ 1 : byte))
    await refused(phone.owner.entries.attach(forged), 'entry-invalid')
    await phone.owner.entries.attach(statement)
    await refused(phone.owner.entries.attach(statement), 'conflict')
    expect(await phone.owner.entries.devices()).toHaveLength(2)
  })

  test('of the vault’s own must have the vault’s keys', async () => {
    const { keys } = freshKeys()
    const other = phone.book.attach({ keys, label: 'vault', role: 'vault', expires: null })
    await refused(phone.owner.entries.attach(other), 'entry-invalid')
    const { vault } = await phone.owner.entries.directory()
    await phone.owner.entries.attach(phone.book.attach({ keys: vault, label: 'vault', role: 'vault', expires: null }))
    await phone.learn()
    expect((await world.vault()).devices.size).toBe(2)
    const [open, closed] = [draft('open', 'o', { audience: { handlers: true, users: [] } }), draft('closed')]
    for (const one of [open, closed]) await phone.send('create', phone.book.create(one))
    const shares = (await world.vault()).store.namespace('shares').scan({ prefix: '', limit: 9 }).items
    expect(shares).toHaveLength(3)
  })
})

describe('a device', () => {
  test('is listed with its label and when it was last heard; it is renamed by a statement', async () => {
    const tablet = await attach(world, phone, 'tablet')
    world.clock.now += 60_000
    await tablet.owner.entries.devices()
    await phone.learn()
    await phone.owner.entries.rename(phone.book.rename(tablet.book.device, 'kitchen'))
    const listed = await phone.owner.entries.devices()
    expect(listed.map(({ label, status, isRoot }) => [label, status, isRoot])).toEqual([
      ['phone', 'active', true],
      ['kitchen', 'active', false],
    ])
    expect(listed[1]?.lastSeen).toBe(world.clock.now)
    expect((await world.vault()).devices.get(tablet.book.device.toHex())?.record.label).toBe('kitchen')
    await refused(phone.owner.entries.attach(phone.book.rename(tablet.book.device, 'x')), 'conflict')
    await phone.learn()
    await refused(phone.owner.entries.attach(phone.book.rename(tablet.book.device, 'x')), 'command-invalid')
  })

  test('that is revoked is cut off with that commit, and gets no share any more', async () => {
    const tablet = await attach(world, phone, 'tablet')
    await phone.learn()
    const entry = await phone.create('Router')
    await phone.owner.entries.revoke(phone.book.revoke(tablet.book.device).statement)
    await phone.learn()
    const vault = await world.vault()
    expect(vault.devices.get(tablet.book.device.toHex())?.session).toBeUndefined()
    const from = world.traces.length
    void tablet.owner.entries.devices().catch(() => {})
    expect((await world.traced('device.list', from)).outcome).toBe('device-unknown')
    await phone.update(entry, 'not for the tablet')
    const [served] = (await phone.owner.entries.get(entry)).versions
    expect(served?.recipients.map((id) => id.toHex())).toEqual([phone.book.device.toHex()])
    expect(await phone.owner.entries.devices()).toMatchObject([{}, { label: 'tablet', status: 'revoked' }])
  })

  test('is not revoked while it signs a current version or vouches for another, unless it is lost', async () => {
    const tablet = await attach(world, phone, 'tablet')
    const watch = await attach(world, tablet, 'wrist')
    await phone.learn()
    const entry = await tablet.create('Router')
    await phone.read(entry)
    const lost = () => phone.book.revoke(tablet.book.device, { lost: true })
    await refused(phone.owner.entries.revoke(lost().statement), 'device-vouches')
    await phone.owner.entries.attach(
      phone.book.attach({ keys: watch.keys, label: 'wrist', role: 'device', expires: null }),
    )
    await phone.learn()
    await refused(phone.owner.entries.revoke(lost().statement), 'device-signs-current')
    await phone.owner.entries.revoke(lost().statement, true)
    await phone.learn()
    // What it signed up to here stays good; it is taken off the list when somebody else signed it.
    expect(textOf((await phone.read(entry)).content())).toBe('what Router holds')
    await refused(phone.owner.entries.removeDevice(tablet.book.device), 'device-signs-current')
    await refused(phone.owner.entries.removeDevice(watch.book.device), 'command-invalid')
    await phone.update(entry, 'signed anew')
    await phone.owner.entries.removeDevice(tablet.book.device)
    expect((await world.vault()).devices.has(tablet.book.device.toHex())).toBe(false)
    await refused(phone.owner.entries.removeDevice(tablet.book.device), 'command-invalid')
  })

  test('is not revoked by what is no longer where the entries stand', async () => {
    const tablet = await attach(world, phone, 'tablet')
    await phone.learn()
    const { statement } = phone.book.revoke(tablet.book.device)
    await phone.create('meanwhile')
    await refused(phone.owner.entries.revoke(statement), 'conflict')
    await phone.owner.entries.revoke(phone.book.revoke(tablet.book.device).statement)
    const heads = await phone.owner.entries.revocationHeads(2)
    expect(heads).toEqual((await phone.owner.entries.heads()).heads)
    await refused(phone.owner.entries.revocationHeads(1), 'command-invalid')
  })

  test('that is the last active one stays, and one may not end what is above it', async () => {
    const tablet = await attach(world, phone, 'tablet')
    const heirless = tablet.book.revoke(phone.book.device, { lost: true }).statement
    await refused(tablet.owner.entries.revoke(heirless, true), 'entry-invalid')
    await phone.learn()
    await phone.owner.entries.revoke(phone.book.revoke(tablet.book.device).statement)
    const other = await startWorld({ handlers: [] })
    try {
      const alone = await signUp(other)
      const { keys } = freshKeys()
      await alone.owner.entries.attach(alone.book.attach({ keys, label: 'spare', role: 'device', expires: null }))
      await alone.learn()
      const spare = alone.book
        .directory()
        .devices.values()
        .find(({ label }) => label === 'spare')
      if (!spare) throw new Error('a spare')
      const own = alone.book.revoke(alone.book.device, { lost: true, heir: spare.id }).statement
      await alone.owner.entries.revoke(alone.book.revoke(spare.id).statement)
      await refused(alone.owner.entries.revoke(own, true), 'device-last')
    } finally {
      await other[Symbol.asyncDispose]()
    }
  })

  test('that was revoked while it wrote is overtaken: what it sends is not taken', async () => {
    const tablet = await attach(world, phone, 'tablet')
    await phone.learn()
    const entry = await phone.create('Router')
    // Written with a directory in which the tablet is active, sent when it is not.
    const write = phone.book.update(await phone.read(entry), draft('Router', 'too late'))
    await phone.owner.entries.revoke(phone.book.revoke(tablet.book.device).statement)
    await refused(phone.owner.entries.update(write), 'recipients-stale')
    await phone.learn()
    expect(await phone.update(entry, 'in time')).toMatchObject({ conflict: null, seq: 2 })
    expect(servedEntry(entry, await phone.owner.entries.get(entry)).versions).toHaveLength(1)
  })
})

function entry32() {
  return freshKeys().keys.signing.slice(0, 32) as Rig['book']['device']
}
