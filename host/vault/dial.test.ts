import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'

import { connect, discover } from '#client/service.ts'
import { forgetfulStore } from '#client/transport.ts'
import { pairDevice } from '#client/owner.ts'
import { encodePeerOffer } from '#host/contracts/sharing.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { DIAL_LIFE_MS, HELLO_AGAIN_MS, PROFILE_AGAIN_MS } from '#host/limits.ts'
import { mailbox } from '#host/commands/demo/mailbox.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { isQuiet, noticesOf, type Peers, SHARED, startPeers } from '#host/peers.fixture.ts'
import { connectService } from '#host/service.fixture.ts'
import { fingerprint } from '#host/vault/vault.ts'
import { parseConnectionId, parseVaultId } from '#host/wire/id.ts'
import { random, until, type World } from '#host/world.fixture.ts'
import type { Offer } from '#client/owner.ts'

let peers: Peers
let alice: World
let bob: World
const terms = { name: 'Somebody', sharing: SHARED }

beforeAll(async () => {
  peers = await startPeers({ handlers: ['relays'] })
  ;({ alice, bob } = peers)
})
beforeEach(() => void (peers.wire.up = true))
afterAll(() => peers[Symbol.asyncDispose]())

async function statusAt(world: World, connection: string): Promise<string | undefined> {
  return (await world.vault()).connections.get(parseConnectionId(connection))?.record.status
}

test('a hello waits for a host that is away, and its answer for one that was', async () => {
  const invitation = await bob.alice.invitePeer('Alice', terms)
  await bob.kill()
  const atAlice = await alice.alice.connectPeer('Bob', invitation, terms)
  await bob.start()
  const offer = await bob.offers.take()
  await alice.kill()
  peers.wire.up = false
  await bob.alice.accept(offer, [])
  peers.wire.up = true
  await alice.start()
  // The accept was lost on the way: the hello is repeated, and gets the same answer.
  peers.pass(HELLO_AGAIN_MS)
  await alice.alice.accept(await alice.offers.take(), [])
  await until('Bob knows', () => isQuiet(alice))
  expect(await statusAt(alice, atAlice)).toBe('active')
  expect(await alice.alice.run('relays.send', { to: 'Bob' })).toMatchObject({ sent: true })
  expect((await alice.vault()).system.scan({ prefix: 'dial/', limit: 1 }).items).toEqual([])
})

test('the second owner’s no ends it for both', async () => {
  const invitation = await bob.alice.invitePeer('Alice', terms)
  const atAlice = await alice.alice.connectPeer('Bob', invitation, terms)
  await bob.alice.accept(await bob.offers.take(), [])
  const offer = await alice.offers.take()
  expect(await alice.alice.run('relays.send', { to: 'Bob' })).toBeDefined()
  const ended = noticesOf(bob, 'connection.ended')
  await alice.alice.reject(offer)
  expect(await ended.take()).toMatchObject({ connection: invitation.connection })
  expect([await statusAt(alice, atAlice), await statusAt(bob, invitation.connection)]).toEqual(['severed', 'severed'])
})

test('until the second owner has accepted, neither side may send', async () => {
  const invitation = await bob.alice.invitePeer('Early', terms)
  await alice.alice.connectPeer('Early', invitation, terms)
  await bob.alice.accept(await bob.offers.take(), [])
  const offer = await alice.offers.take()
  for (const world of [alice, bob]) {
    expect(await world.alice.run('relays.send', { to: 'Early' })).toMatchObject({ sent: 'unavailable' })
  }
  const ready = noticesOf(bob, 'connection.ready')
  await alice.alice.accept(offer, [])
  expect(await ready.take()).toEqual({ connection: invitation.connection, alias: 'Early' })
  for (const world of [alice, bob]) {
    expect(await world.alice.run('relays.send', { to: 'Early' })).toMatchObject({ sent: true })
  }
})

test('each side is asked for what it said it would share, under the other’s name', async () => {
  const theirs = { name: 'Bob B.', sharing: { ...SHARED, events: ['relays.take'], requestsPerHour: 7 } }
  const mine = { name: 'Alice A.', sharing: { ...SHARED, events: ['relays.hint'], messages: false } }
  const invitation = await bob.alice.invitePeer('Terms', theirs)
  await alice.alice.connectPeer('Terms', invitation, mine)
  const atBob = await bob.offers.take()
  expect(atBob.signed.contract).toMatchObject({
    service: { name: 'Alice A.' },
    fields: [],
    permissions: { events: ['relays.take'], messages: true },
    limits: { requestsPerHour: 7 },
  })
  await bob.alice.accept(atBob, [])
  const atAlice = await alice.offers.take()
  expect(atAlice.signed.contract).toMatchObject({
    service: { name: 'Bob B.' },
    permissions: { events: ['relays.hint'], messages: false },
  })
  await alice.alice.accept(atAlice, [])
  await until('Bob knows', () => isQuiet(alice))
  expect(await alice.alice.run('relays.send', { to: 'Terms' })).toMatchObject({ sent: true })
  expect(await bob.alice.run('relays.send', { to: 'Terms', type: 'relays.hint' })).toMatchObject({
    sent: 'unavailable',
  })
})

test('an invitation that nobody answers is given up after a week', async () => {
  const invitation = await bob.alice.invitePeer('Late', terms)
  peers.wire.up = false
  const ended = noticesOf(alice, 'connection.ended')
  const atAlice = await alice.alice.connectPeer('Late', invitation, terms)
  peers.pass(DIAL_LIFE_MS)
  expect(await ended.take()).toMatchObject({ connection: atAlice, alias: 'Late' })
  expect(await statusAt(alice, atAlice)).toBe('severed')
})

test('a profile of another vault than the invited one is not greeted', async () => {
  const invitation = await bob.alice.invitePeer('False', terms)
  const from = peers.wire.crossed.length
  const atAlice = await alice.alice.connectPeer('False', { ...invitation, identity: random(32) }, terms)
  const told = () => peers.wire.crossed.slice(from).filter((subject) => subject === profileOf(invitation.connection))
  await until('the profile', () => told().length > 0)
  // It is not believed: it is asked for again.
  await until('another one', () => {
    peers.pass(PROFILE_AGAIN_MS)
    return told().length > 2
  })
  expect(await statusAt(alice, atAlice)).toBe('dialing')
  expect(await statusAt(bob, invitation.connection)).toBe('invited')
  await alice.alice.sever(atAlice)
})

function profileOf(connection: string): string {
  return `MessageSpace.bob.forService.${connection}.profile.get`
}

test('a vault’s offer is none for a service’s invitation, nor a contract for a vault’s', async () => {
  const acme = await connectService(alice, 'Acme')
  const options = { ...acme.options, store: forgetfulStore(), signing: generateSigningKey() }
  const vault = parseVaultId('bob')
  const place = { vault, connection: parseConnectionId('c-1') }
  const contract = acme.contract(1)
  const asPeer = encodePeerOffer({ contract, sharing: SHARED, place })
  for (const [invitation, offer] of [
    [await alice.alice.invite('Bolt', 'service'), asPeer],
    [await alice.alice.invite('Zip', 'peer'), asPeer],
    [await alice.alice.invitePeer('Zap', terms), contract],
  ] as const) {
    const profile = await discover(invitation, options)
    const from = alice.traces.length
    void connect(invitation, { profile, contract: offer }, { ...options, store: forgetfulStore() })
    expect((await alice.traced('connection.hello', from)).outcome).toBe('contract-invalid')
  }
})

test('two vaults of one host connect like any others', async () => {
  const signing = generateSigningKey()
  const device = { id: 'tablet', label: 'tablet', verifyKey: signing.publicKey }
  const carol = await alice.host.vaults.create('carol', { device, fields: {}, now: alice.now() })
  const phone = await pairDevice({
    crypto: nativeCrypto,
    vault: 'carol',
    identity: fingerprint(carol),
    device: 'tablet',
    signing,
    transport: alice.broker.connect(),
    store: forgetfulStore(),
    now: alice.now,
    random,
  })
  const offers = mailbox<Offer>()
  phone.onOffer(offers.put)
  const invitation = await phone.invitePeer('Alice', terms)
  await alice.alice.connectPeer('Carol', invitation, terms)
  await phone.accept(await offers.take(), [])
  await alice.alice.accept(await alice.offers.take(), [])
  await until('Carol knows', () => isQuiet(alice))
  expect(await alice.alice.run('relays.send', { to: 'Carol', body: 'hello' })).toMatchObject({ sent: true })
  expect(await phone.run('relays.send', { to: 'Alice', body: 'hi' })).toMatchObject({ sent: true })
  await until('both answers', async () => (await isQuiet(alice)) && carol.posts.expired(Infinity).length === 0)
})
