/** Two vaults on two hosts share a sandbox: one copy, in the creator's. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'

import { acceptSandbox, guestSandbox, readCopy } from '#client/sandbox.ts'
import {
  SANDBOX_BYTES_MAX,
  SANDBOX_COPY_PARTS_MAX,
  SANDBOX_RELAY_MS,
  SANDBOX_RELAYS_MAX,
  SANDBOX_VALUE_BYTES_MAX,
  SANDBOXES_PER_CONNECTION_MAX,
} from '#host/contracts/limits.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import type { SandboxCopy } from '#host/contracts/sandbox-copy.ts'
import { commit } from '#host/vault/commit.ts'
import type { Connection } from '#host/vault/party.ts'
import { decodeRecord } from '#host/vault/records.ts'
import { COPY } from '#host/vault/sandbox/end.ts'
import { mailbox } from '#host/commands/demo/mailbox.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import type { SigningKey } from '#host/crypto/port.ts'
import { isQuiet, noticesOf, withFull } from './peers.fixture.ts'
import {
  bytes,
  CLAUSES,
  codeOf,
  holds,
  type SandboxPeers,
  startSandboxes,
  stateNow,
  text,
  written,
} from './sandbox.fixture.ts'
import { connectService } from './service.fixture.ts'
import { random, until } from './world.fixture.ts'

let all: SandboxPeers
beforeAll(async () => {
  all = await startSandboxes()
})
afterAll(() => all[Symbol.asyncDispose]())
beforeEach(() => all.peers.pass(3_600_000))

const MINE = { place: 'mine', expected: 0 } as const
const MUTUAL = { place: 'mutual', expected: 0 } as const

/** A connection of its own, to be ended. */
const fresh = (): Promise<SandboxPeers> => startSandboxes()

test('both work in it, and each sees its own side and the mutual area', async () => {
  const { id, hers, his } = await all.share()
  const first = await his.write({ ...MINE, key: 'note' }, bytes('his own words'))
  expect(text((await his.read('mine', 'note'))?.value)).toBe('his own words')
  expect(await hers.read('theirs', 'note')).toBeNull()
  await his.write({ ...MINE, key: 'note', expected: first.change }, bytes('his own words, later'))
  expect((await hers.list('mutual')).items).toEqual([])
  await his.move('note', 'mutual')
  expect(text((await hers.read('mutual', 'note'))?.value)).toBe('his own words, later')
  expect(await his.read('mine', 'note')).toBeNull()
  expect((await hers.history()).history).toMatchObject([{ by: 'guest', kind: 'move-in', key: 'note' }])
  expect(await his.history()).toEqual(await hers.history())
  await his.move('note', 'mine')
  expect((await hers.list('mutual')).items).toEqual([])
  expect(text((await his.read('mine', 'note'))?.value)).toBe('his own words, later')
  const rows = (await all.peers.alice.rows()).filter(({ reason }) => reason?.startsWith(id))
  expect(rows.map(({ reason }) => reason)).toContain(`${id}: guest: move to mutual`)
  const known = (await all.creator.all()).find(({ sandbox }) => sandbox === id)
  expect(known).toMatchObject({ role: 'creator', status: 'active' })
  await hers.end()
})

test('the loser of a race is told to read again', async () => {
  const { hers, his } = await all.share()
  const { change } = await hers.write({ ...MUTUAL, key: 'price' }, bytes('1'))
  const race = await Promise.allSettled([
    hers.write({ place: 'mutual', key: 'price', expected: change }, bytes('2')),
    his.write({ place: 'mutual', key: 'price', expected: change }, bytes('3')),
  ])
  expect(race.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  const lost = race.find((one): one is PromiseRejectedResult => one.status === 'rejected')
  const now = await his.read('mutual', 'price')
  expect(String(lost?.reason)).toContain(`price is at revision ${now?.revision}`)
  await hers.end()
})

test('the guest’s vault holds none of it: no byte of state, of what its log was given, or of its files', async () => {
  const secret = 'zebra-crossing-41'
  const given = await written(all.peers.bob)
  const { hers, his } = await all.share({ rights: { creator: 'write', guest: 'approval' } })
  const asked = noticesOf(all.peers.alice, 'sandbox.asked')
  await his.write({ ...MINE, key: `${secret}-key` }, bytes(`${secret} mine`))
  await his.read('mine', `${secret}-key`)
  await hers.write({ ...MUTUAL, key: 'plan' }, bytes(`${secret} hers`))
  await his.read('mutual', 'plan')
  await his.watch(0)
  await his.move(`${secret}-key`, 'mutual')
  const { proposal } = (await asked.take()) as { proposal: number }
  await hers.decide(proposal, true)
  await his.list('mutual')
  await his.proposals()
  await until('nothing waits', async () => (await isQuiet(all.peers.bob)) && (await isQuiet(all.peers.alice)))
  expect(given.length).toBeGreaterThan(5)
  expect(holds(given, secret)).toBe(false)
  expect(holds(await stateNow(all.peers.bob), secret)).toBe(false)
  for (const name of await readdir(all.peers.bob.folder, { recursive: true, withFileTypes: true })) {
    if (name.isFile()) expect((await readFile(join(name.parentPath, name.name))).includes(secret)).toBe(false)
  }
  // The same look finds it where it is.
  expect(holds(await stateNow(all.peers.alice), secret)).toBe(true)
  await hers.end()
})

test('single items are shared, visible or writable, and taken back', async () => {
  const { hers, his } = await all.share()
  await hers.write({ ...MINE, key: 'scan' }, bytes('blurred'))
  await hers.write({ ...MINE, key: 'other' }, bytes('hers alone'))
  expect(await his.read('theirs', 'scan')).toBeNull()
  const { change } = await hers.share('scan', 'visible')
  expect(text((await his.read('theirs', 'scan'))?.value)).toBe('blurred')
  expect((await his.list('theirs')).items.map(({ key }) => key)).toEqual(['scan'])
  const scan = { place: 'theirs', key: 'scan', expected: change } as const
  expect(await codeOf(his.write(scan, bytes('clear')))).toBe('not-permitted')
  const open = await hers.share('scan', 'writable')
  await his.write({ ...scan, expected: open.change }, bytes('clear'))
  expect(await hers.read('mine', 'scan')).toMatchObject({ author: 'guest', value: bytes('clear') })
  expect(await codeOf(his.write({ ...scan, key: 'other', expected: 2 }, bytes('x')))).toBe('not-permitted')
  await hers.share('scan', 'none')
  expect(await his.read('theirs', 'scan')).toBeNull()

  await his.write({ ...MINE, key: 'draft' }, bytes('half done'))
  await his.share('draft', 'writable')
  const draft = await hers.read('theirs', 'draft')
  expect(text(draft?.value)).toBe('half done')
  await hers.write({ place: 'theirs', key: 'draft', expected: draft?.revision ?? 0 }, bytes('done'))
  expect(text((await his.read('mine', 'draft'))?.value)).toBe('done')
  await his.share('draft', 'none')
  expect(await hers.read('theirs', 'draft')).toBeNull()
  expect(text((await his.read('mine', 'draft'))?.value)).toBe('done')
  await hers.end()
})

test('a change that needs a yes waits for the owner across a crash, in either direction', async () => {
  const { hers, his } = await all.share({ rights: { creator: 'approval', guest: 'approval' } })
  const asked = noticesOf(all.peers.alice, 'sandbox.asked')
  const { proposal } = await his.write({ ...MUTUAL, key: 'rent' }, bytes('900'))
  expect(await asked.take()).toMatchObject({ proposal })
  expect(await hers.read('mutual', 'rent')).toBeNull()
  await all.peers.alice.kill()
  await all.peers.alice.start()
  expect(await hers.proposals()).toMatchObject([{ proposal, by: 'guest', key: 'rent', value: bytes('900') }])
  expect(await codeOf(his.decide(proposal ?? 0, true))).toBe('not-permitted')
  const settled = noticesOf(all.peers.bob, 'sandbox.settled')
  await hers.decide(proposal ?? 0, true)
  expect(await settled.take()).toMatchObject({ proposal, refused: null })
  expect(await his.read('mutual', 'rent')).toMatchObject({ author: 'guest', value: bytes('900') })
  expect((await his.history()).history).toMatchObject([{ by: 'guest', approved: true }])

  const hisTurn = noticesOf(all.peers.bob, 'sandbox.asked')
  const rent = await hers.read('mutual', 'rent')
  const more = await hers.write({ place: 'mutual', key: 'rent', expected: rent?.revision ?? 0 }, bytes('950'))
  expect(await hisTurn.take()).toMatchObject({ proposal: more.proposal })
  await his.decide(more.proposal ?? 0, false)
  expect(text((await his.read('mutual', 'rent'))?.value)).toBe('900')
  expect(await codeOf(hers.decide(more.proposal ?? 0, true))).toBe('conflict')
  await hers.end()
})

test('an end refuses the guest with the same commit, and leaves no copy where no clause says so', async () => {
  const { id, hers, his } = await all.share({ purge: true })
  await hers.write({ ...MUTUAL, key: 'kept' }, bytes('kept'))
  await his.write({ ...MINE, key: 'own' }, bytes('gone'))
  await his.write({ ...MINE, key: 'shown' }, bytes('gone too'))
  await his.share('shown', 'visible')
  expect(await codeOf(his.export())).toBe('not-permitted')
  const ended = noticesOf(all.peers.bob, 'sandbox.ended')
  await hers.end()
  expect(await codeOf(his.read('mutual', 'kept'))).toBe('connection-inactive')
  await ended.take()
  expect(await codeOf(his.read('mutual', 'kept'))).toBe('connection-inactive')
  expect(await codeOf(all.guest.copy(id))).toBe('command-invalid')
  expect(text((await hers.read('mutual', 'kept'))?.value)).toBe('kept')
  const { store, system } = await all.peers.alice.vault()
  expect(store.namespaces()).not.toContain(`sandbox/${id}-guest`)
  expect(store.namespaces()).not.toContain(`sandbox/${id}-shown`)
  expect(system.get(`sandbox/${id}`)).toBeDefined()
  expect(await codeOf(hers.write({ ...MINE, key: 'x' }, bytes('')))).toBe('connection-inactive')
})

test('without a purge clause the creator keeps the sealed bytes too', async () => {
  const { id, hers, his } = await all.share()
  await his.write({ ...MINE, key: 'own' }, bytes('stays sealed'))
  await hers.end()
  expect((await all.peers.alice.vault()).store.namespaces()).toContain(`sandbox/${id}-guest`)
})

test('severing ends its sandboxes with that commit, and the guest takes the copy of its clause along', async () => {
  await using one = await fresh()
  const { id, hers, his } = await one.share({ portability: 'mutual-and-own', purge: true })
  const other = await one.share({ portability: 'mutual' })
  await hers.write({ ...MUTUAL, key: 'offer' }, bytes('150'))
  await hers.write({ ...MINE, key: 'floor' }, bytes('never under 140'))
  await his.write({ ...MINE, key: 'draft' }, bytes('his draft'))
  await other.his.write({ ...MINE, key: 'sealed' }, bytes('not in the copy'))
  const first = (await his.export()) satisfies Uint8Array
  const ended = noticesOf(one.peers.bob, 'sandbox.ended')
  await one.peers.alice.alice.sever(one.atAlice)
  expect(await codeOf(his.read('mutual', 'offer'))).not.toBe('done')
  await ended.take()
  await ended.take()
  const copied = await until('the copy', () => one.guest.copy(id).catch(() => undefined))
  expect(copied.map(({ area, key, value }) => [area, key, text(value)])).toEqual([
    ['mutual', 'offer', '150'],
    ['guest', 'draft', 'his draft'],
  ])
  expect(await one.guest.copy(other.id)).toEqual([])
  const { signing, store } = await one.peers.alice.vault()
  const kept = await one.guest.signedCopy(id, 0)
  expect(readCopy(nativeCrypto, [first], signing.publicKey).map(({ key }) => key)).toEqual([
    'offer',
    expect.not.stringContaining('draft'),
  ])
  expect(readCopy(nativeCrypto, [kept], signing.publicKey).map(({ key }) => key)).toEqual([
    'offer',
    expect.not.stringContaining('draft'),
  ])
  expect(Buffer.from(kept).includes('his draft')).toBe(false)
  expect(() => readCopy(nativeCrypto, [kept], one.peers.bob.identity)).toThrow()
  expect(store.namespaces()).not.toContain(`sandbox/${id}-guest`)
  expect(store.namespaces()).toContain(`sandbox/${other.id}-guest`)
  expect(text((await hers.read('mine', 'floor'))?.value)).toBe('never under 140')
})

test('a full sandbox leaves whole with the commit that severs it', async () => {
  await using one = await fresh()
  const { id, hers } = await one.share({ portability: 'mutual', bytesMax: SANDBOX_BYTES_MAX })
  const value = new Uint8Array(SANDBOX_VALUE_BYTES_MAX - 1_000)
  for (let count = 0; count < 8; count++) await hers.write({ ...MUTUAL, key: `k${count}` }, value)
  expect(await codeOf(hers.write({ ...MUTUAL, key: 'more' }, value))).toBe('storage-full')
  const ended = noticesOf(one.peers.bob, 'sandbox.ended')
  await one.peers.alice.alice.sever(one.atAlice)
  await ended.take()
  const copied = await until('the copy', () => one.guest.copy(id).catch(() => undefined))
  expect(copied.map(({ value: copy }) => copy.length)).toEqual(Array.from({ length: 8 }, () => value.length))
})

test('a look is answered and audited, and its answer is not kept', async () => {
  const { id, hers, his } = await all.share()
  await hers.write({ ...MUTUAL, key: 'a' }, bytes('seen-by-many'))
  const given = await written(all.peers.alice)
  expect(text((await his.read('mutual', 'a'))?.value)).toBe('seen-by-many')
  expect(holds(given, 'seen-by-many')).toBe(false)
  const rows = (await all.peers.alice.rows()).filter(({ reason }) => reason === `${id}: read`)
  expect(rows).toMatchObject([{ who: 'Bob', result: 'replied', fields: ['a'] }])
  await hers.end()
})

test('a host writes to its guest’s vault what the terms say, and that once', async () => {
  const { id } = await all.share({ portability: 'mutual' })
  const none = await all.share({ portability: 'none' })
  const vault = await all.peers.alice.vault()
  const to = [...vault.connections.values()].find((connection) => connection.id === all.atAlice)
  if (!to) throw new Error('the connection is there')
  const known: Connection = to
  const refused = async () => (await all.peers.bob.rows()).filter(({ reason }) => reason === 'not-permitted').length
  async function send(sandbox: string, part: number, terms?: Uint8Array): Promise<void> {
    const hash = terms ?? decodeRecord('sandbox', vault.system.get(`sandbox/${sandbox}`)?.value ?? bytes('')).hash
    const about = { sandbox, terms: hash, change: 1, at: 1, items: [] }
    const copy = signPart({ ...about, part, parts: part + 1 }, vault.signing)
    const outgoing = [{ to: known, type: COPY, body: encodeCbor({ copy }), causation: null }]
    const letters = await commit({ vault, now: all.peers.alice.now(), random, outgoing, rows: [] })
    const bus = all.peers.alice.broker.connect()
    for (const { subject, envelope } of letters) await bus.publish(subject, envelope, { durable: true })
  }
  await send(id, 0)
  await until('the first', () => all.guest.signedCopy(id, 0).catch(() => undefined))
  const wrongs: (() => Promise<void>)[] = [
    () => send(id, 0),
    () => send(id, SANDBOX_COPY_PARTS_MAX),
    () => send(id, 1, random(32)),
    () => send(none.id, 0),
  ]
  for (const wrong of wrongs) {
    const before = await refused()
    await wrong()
    await until('a refusal', async () => (await refused()) > before)
  }
  expect(await codeOf(all.guest.signedCopy(id, 1))).toBe('command-invalid')
  expect(await codeOf(all.guest.signedCopy(none.id, 0))).toBe('command-invalid')
  expect(await codeOf(all.guest.signedCopy(id, SANDBOX_COPY_PARTS_MAX))).toBe('command-invalid')
})

/** One part as a host signs it. */
function signPart({ terms, ...about }: Omit<SandboxCopy, 'items'> & { items: never[] }, key: SigningKey): Uint8Array {
  const payload = encodeCbor({ ...about, terms })
  return encodeCbor(['vine/1 sandbox copy', payload, key.sign('vine/1 sandbox copy', payload)])
}

test('when the guest severs, its reach is over on both sides', async () => {
  await using one = await fresh()
  const { id, hers, his } = await one.share()
  await hers.write({ ...MUTUAL, key: 'a' }, bytes('1'))
  const ended = noticesOf(one.peers.alice, 'connection.ended')
  await one.peers.bob.alice.sever(one.atBob)
  expect(await codeOf(his.read('mutual', 'a'))).toBe('connection-inactive')
  await ended.take()
  expect((await one.creator.all())[0]).toMatchObject({ sandbox: id, status: 'ended' })
  expect(text((await hers.read('mutual', 'a'))?.value)).toBe('1')
})

test('nobody else reaches it: another connection, a name that is none, and terms for another', async () => {
  const { id, hers, his } = await all.share()
  await hers.write({ ...MUTUAL, key: 'a' }, bytes('1'))
  const stranger = await connectService(all.peers.alice, 'Stranger')
  const asGuest = guestSandbox(stranger.connected.conversation, id, {
    crypto: nativeCrypto,
    secret: random(32),
    random,
  })
  expect(await codeOf(asGuest.read('mutual', 'a'))).toBe('not-permitted')
  const none = guestSandbox(stranger.connected.conversation, 's-0000000000000000', {
    crypto: nativeCrypto,
    secret: random(32),
    random,
  })
  expect(await codeOf(none.read('mutual', 'a'))).toBe('not-permitted')
  expect(await codeOf(all.guest.open('s-0000000000000000', 'guest').read('mutual', 'a'))).toBe('command-invalid')
  expect(await codeOf(his.write({ ...MUTUAL, key: '' }, bytes('')))).toBe('malformed-request')
  await hers.end()
})

test('a service is a guest like any other', async () => {
  const acme = await connectService(all.peers.alice, 'Acme')
  const { conversation } = acme.connected
  const offers = mailbox<Uint8Array>()
  conversation.on('sandbox.offered', ({ body }) => offers.put((decodeCbor(body) as { terms: Uint8Array }).terms))
  const id = await all.creator.create(acme.invitation.connection, { ...CLAUSES, portability: 'mutual-and-own' })
  const his = guestSandbox(conversation, id, { crypto: nativeCrypto, secret: random(32), random })
  expect(await codeOf(his.read('mutual', 'a'))).toBe('connection-inactive')
  const hostKey = (await all.peers.alice.vault()).signing.publicKey
  const offer = { terms: await offers.take(), hostKey }
  const terms = await acceptSandbox(conversation, offer, {
    crypto: nativeCrypto,
    signing: acme.options.signing,
    now: all.peers.alice.now(),
  })
  expect(terms.name).toBe('Rose Lane')
  await his.write({ ...MINE, key: 'ticket' }, bytes('half'))
  expect(holds(await stateNow(all.peers.alice), 'half')).toBe(false)
  await his.move('ticket', 'mutual')
  const hers = all.creator.open(id, 'creator')
  expect(text((await hers.read('mutual', 'ticket'))?.value)).toBe('half')
  await hers.share('ticket', 'visible').catch(() => undefined)
  expect(readCopy(nativeCrypto, [await his.export()], hostKey)).toMatchObject([{ area: 'mutual', key: 'ticket' }])
  await hers.end()
  expect(await codeOf(his.export())).toBe('connection-inactive')
})

test('a host that is away is no answer: the device is told within a minute, and so many wait at a time', async () => {
  const { hers, his } = await all.share()
  all.peers.wire.up = false
  const lost = codeOf(his.write({ ...MUTUAL, key: 'a' }, bytes('1')))
  const { relays } = (await all.peers.bob.vault()).sandboxes
  await withFull(relays, SANDBOX_RELAYS_MAX, async () => expect(await codeOf(his.read('mutual', 'a'))).toBe('busy'))
  all.peers.pass(SANDBOX_RELAY_MS + 1)
  expect(await lost).toBe('busy')
  all.peers.wire.up = true
  expect(await hers.read('mutual', 'a')).toBeNull()
  await hers.end()
})

test('one connection has so many sandboxes, and so many bytes in them', async () => {
  const made: string[] = []
  await using one = await fresh()
  const create = (bytesMax: number) => one.creator.create(one.atAlice, { ...CLAUSES, bytesMax })
  made.push(await create(SANDBOX_BYTES_MAX))
  expect(await codeOf(create(1))).toBe('storage-full')
  await one.creator.open(made[0] ?? '', 'creator').end()
  for (let count = 0; count < SANDBOXES_PER_CONNECTION_MAX; count++) await create(1_000)
  expect(await codeOf(create(1_000))).toBe('storage-full')
})
