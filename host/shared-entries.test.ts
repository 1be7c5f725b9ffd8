/** Entries shared with another user: to their devices, over a connection between the two vaults. */
import { afterEach, beforeEach, expect, test } from 'vitest'

import { servedEntry } from '#client/owner-entries.ts'
import type { EntryId, UserId } from '#host/entries/ids.ts'
import { attach, draft, entryOf, type Rig, signUp, textOf } from './entries-rig.fixture.ts'
import type { Change } from '#host/storage/port.ts'
import { pack } from '#host/wire/pack.ts'
import { type Peers, startPeers, withFull } from './peers.fixture.ts'
import { SHARED_RELAYS_MAX } from './vault/account/limits.ts'

let peers: Peers
let alice: Rig
let bob: Rig
let atAlice: string
let atBob: string

beforeEach(async () => {
  peers = await startPeers({ handlers: [] })
  ;({ atAlice, atBob } = await peers.connect())
  alice = await signUp(peers.alice)
  bob = await signUp(peers.bob)
})
afterEach(() => peers[Symbol.asyncDispose]())

/** The other user, as their vault shows them and this device walks them. */
async function meet(rig: Rig, connection: string): Promise<{ user: UserId; statements: readonly Uint8Array[] }> {
  const { user, statements } = await rig.owner.shared.directory(connection)
  expect(rig.book.learn(user, { statements, heads: [] })).toEqual([])
  return { user, statements }
}

/** Alice opens an entry to Bob. */
async function share(): Promise<{ entry: EntryId; user: UserId }> {
  const { user, statements } = await meet(alice, atAlice)
  await alice.owner.entries.learn({ connection: atAlice, user, statements })
  const entry = await alice.create('the lease')
  const audience = { handlers: false, users: [user] }
  const outcome = await alice.send('share', alice.book.share(await alice.read(entry), audience))
  expect(outcome).toMatchObject({ conflict: null, seq: 2 })
  return { entry, user }
}

function refused(work: Promise<unknown>, code: string) {
  return expect(work).rejects.toThrow(new RegExp(`was refused: ${code}`))
}

test('the other user’s devices read it through their own vault, which keeps nothing of it', async () => {
  const tablet = await attach(peers.bob, bob, 'tablet')
  const { entry } = await share()
  for (const theirs of [bob, tablet]) {
    const { user } = await meet(theirs, atBob)
    const { versions } = await theirs.owner.shared.list(atBob)
    expect(versions).toHaveLength(1)
    const served = servedEntry(entry, await theirs.owner.shared.get(atBob, entry))
    const { versions: read, findings } = theirs.book.read(user, served)
    expect(findings).toEqual([])
    expect(read[0]?.outline?.title).toBe('the lease')
    expect(textOf(read[0]?.content() ?? null)).toBe('what the lease holds')
  }
  const { store } = await peers.bob.vault()
  expect(store.namespace('entries').bytes + store.namespace('versions').bytes).toBe(0)
})

test('what was not shared looks like what is not there', async () => {
  const { entry } = await share()
  const hidden = await alice.create('not for Bob')
  await meet(bob, atBob)
  expect((await bob.owner.shared.list(atBob)).versions).toHaveLength(1)
  await refused(bob.owner.shared.get(atBob, hidden), 'not-permitted')
  // The version before the sharing was not for him.
  await refused(bob.owner.shared.get(atBob, entry, 1), 'not-permitted')
  await refused(bob.owner.shared.get(atBob, hidden.map((byte) => byte ^ 1) as EntryId), 'not-permitted')
})

test('nobody is shared with by an update, nor before their devices are known', async () => {
  const { user, statements } = await meet(alice, atAlice)
  const entry = await alice.create('the lease')
  const current = await alice.read(entry)
  const write = alice.book.share(current, { handlers: false, users: [user] })
  await refused(alice.owner.entries.share(write), 'recipients-stale')
  const broken = statements.map((bytes) => bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte)))
  await refused(alice.owner.entries.learn({ connection: atAlice, user, statements: broken }), 'directory-invalid')
  await refused(
    alice.owner.entries.learn({ connection: atAlice, user: alice.book.user, statements }),
    'command-invalid',
  )
  await alice.owner.entries.learn({ connection: atAlice, user, statements })
  await refused(alice.owner.entries.update(write), 'command-invalid')
  expect(await alice.send('share', write)).toMatchObject({ conflict: null })
})

test('a device of theirs that came later is learnt, and given shares of what is theirs', async () => {
  const { entry, user } = await share()
  const tablet = await attach(peers.bob, bob, 'tablet')
  const { statements } = await meet(alice, atAlice)
  await alice.owner.entries.learn({ connection: atAlice, user, statements })
  await refused(
    alice.owner.entries.learn({ connection: atAlice, user, statements: statements.slice(0, 1) }),
    'conflict',
  )
  const { versions } = await alice.owner.entries.backlog(tablet.book.device)
  const [version] = versions
  if (!version || versions.length > 1) throw new Error('the one version that is theirs')
  const made = alice.book.backfill(
    { entry, versions: [version], prune: null },
    { owner: user, device: tablet.book.device },
  )
  const shares = made.shares.map(({ share }) => ({ entry, seq: version.seq, share }))
  await alice.owner.entries.backfill(shares, made.channels)
  const bobs = await meet(tablet, atBob)
  const served = servedEntry(entry, await tablet.owner.shared.get(atBob, entry))
  expect(textOf(tablet.book.read(bobs.user, served).versions[0]?.content() ?? null)).toBe('what the lease holds')
})

test('unsharing takes their shares away, and says what it cannot take back', async () => {
  const { entry } = await share()
  await meet(bob, atBob)
  await bob.owner.shared.get(atBob, entry)
  const write = alice.book.share(await alice.read(entry), { handlers: false, users: [] })
  const { remains, conflict } = await alice.owner.entries.unshare(write)
  expect(conflict).toBeNull()
  expect(remains.join()).toMatch(/may have kept it/)
  await refused(bob.owner.shared.get(atBob, entry), 'not-permitted')
  expect((await bob.owner.shared.list(atBob)).versions).toEqual([])
  const bobs = Buffer.from(bob.book.device).toString('base64url')
  const shares = (await peers.alice.vault()).store.namespace('shares').scan({ prefix: '', limit: 99 }).items
  expect(shares.filter(([key]) => key.endsWith(bobs))).toEqual([])
})

test('severing ends it with that commit, and says what it cannot take back', async () => {
  const { entry } = await share()
  expect((await alice.owner.sever(atAlice)).join()).toMatch(/may have kept it/)
  await expect(bob.owner.shared.get(atBob, entry)).rejects.toThrow(/connection-inactive/)
  const current = await alice.read(entry)
  await refused(alice.owner.entries.update(alice.book.resign(current)), 'recipients-stale')
  const alone = alice.book.update(current, draft('the lease', 'mine', { audience: { handlers: false, users: [] } }))
  expect(await alice.send('update', alone)).toMatchObject({ conflict: null })
  expect(entryOf(alone)).toEqual(entry)
})

test('a vault that does not answer: the device is told, and may ask again; so many wait at a time', async () => {
  await meet(bob, atBob)
  peers.wire.up = false
  const asked = bob.owner.shared.list(atBob)
  const told = expect(asked).rejects.toThrow(/busy/)
  await peers.bob.traced('shared.list', 0)
  const { relays } = (await peers.bob.vault()).account
  await withFull(relays, SHARED_RELAYS_MAX, () =>
    expect(bob.owner.shared.list(atBob)).rejects.toThrow(/busy: too much waits/),
  )
  peers.pass(60_000)
  await told
})

test('at most 256 users are known', async () => {
  const { user, statements } = await meet(alice, atAlice)
  const vault = await peers.alice.vault()
  const others = Array.from({ length: 256 }, (_, at): Change => {
    const key = `user/${at.toString(16).padStart(64, '0')}`
    return { namespace: 'directory', key, value: pack({ connection: 'another' }) }
  })
  const learn = () => alice.owner.entries.learn({ connection: atAlice, user, statements })
  await vault.store.commit(others, { now: peers.alice.now() })
  await refused(learn(), 'entry-full')
  await vault.store.commit([{ ...others[0], value: null } as Change], { now: peers.alice.now() })
  await learn()
  expect(await alice.owner.entries.users()).toContainEqual({ user, connection: atAlice })
})
