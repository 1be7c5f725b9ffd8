import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'

import { EPOCH_OVERLAP_MS, EVENT_LIFE_MS_MAX, POST_AGAIN_MS, REKEY_MESSAGES } from '#host/limits.ts'
import { isQuiet, noticesOf, type Peers, readJson, startPeers } from '#host/peers.fixture.ts'
import { connectService, HOUR_MS } from '#host/service.fixture.ts'
import { until, type World } from '#host/world.fixture.ts'

let peers: Peers
let alice: World
let bob: World

beforeAll(async () => {
  peers = await startPeers({ handlers: ['relays'] })
  ;({ alice, bob } = peers)
})
afterAll(() => peers[Symbol.asyncDispose]())

beforeEach(() => void (peers.wire.up = true))

let names = 0
/** A connection whose aliases nobody else has. */
async function connected() {
  names += 1
  const [alice, bob] = [`Alice-${names}`, `Bob-${names}`]
  return { alice, bob, ...(await peers.connect({ alice, bob })) }
}

const quiet = async (): Promise<boolean> => (await isQuiet(alice)) && isQuiet(bob)
const settled = () => until('every answer', quiet)

async function taken(world: World, connection: string): Promise<string | undefined> {
  const { store } = await world.vault()
  const item = store.namespace(`connection/${connection}`).get('taken')
  return item && new TextDecoder().decode(item.value)
}

test('two vaults connect, each owner accepts the other’s light contract, and events go both ways', async () => {
  const { alice: atBob, bob: atAlice, ...ids } = await connected()
  const answered = noticesOf(alice, 'peer.answered')
  const told = noticesOf(bob, 'relays.taken', readJson)
  const sent = await alice.alice.run('relays.send', { to: atAlice, body: { n: 1 } })
  expect(sent).toMatchObject({ sent: true })
  const { body, ...notice } = (await answered.take()) as { body: Uint8Array }
  expect(notice).toMatchObject({ connection: ids.atAlice, alias: atAlice, type: 'relays.take', status: 'replied' })
  expect(readJson(body)).toEqual({ taken: 1, body: { n: 1 } })
  expect(await told.take()).toEqual({ n: 1 })
  expect(await bob.alice.run('relays.send', { to: atBob, body: 2 })).toMatchObject({ sent: true })
  await settled()
  expect(await taken(alice, ids.atAlice)).toBe('1')
  const rows = (await alice.rows()).filter(({ eventType, who }) => eventType === 'relays.take' && who === atAlice)
  expect(rows.map(({ result, purpose }) => ({ result, purpose }))).toEqual([
    { result: 'replied', purpose: 'sent by this vault' },
    { result: 'replied', purpose: null },
  ])
})

test('all that vaults tell each other is in the two inboxes; on no reply subject, and on no third lane', () => {
  const places = new Set(peers.wire.crossed.map((subject) => subject.split('.').slice(0, 3).join('.')))
  const others = ['MessageSpace.alice.fromService', 'MessageSpace.bob.forService', 'MessageSpace.bob.fromService']
  expect([...places].sort()).toEqual(others)
  const before = peers.wire.crossed.filter((subject) => subject.includes('.forService.'))
  expect(before.every((subject) => subject.endsWith('.profile.get'))).toBe(true)
})

test('an event to a host that is away for hours is there once when it comes back, and its answer too', async () => {
  const { bob: name, atBob } = await connected()
  await bob.kill()
  await alice.alice.run('relays.send', { to: name })
  for (const hour of [1, 2, 3]) {
    const from = peers.wire.crossed.length
    peers.pass(HOUR_MS)
    await until(`a repeat after ${hour} hours`, () => peers.wire.crossed.length > from)
  }
  expect(await quiet().catch(() => false)).toBe(false)
  await bob.start()
  await settled()
  expect(await taken(bob, atBob)).toBe('1')
})

test('what the wire loses, in either direction, is sent again after a restart or half a minute', async () => {
  const { bob: name, atBob } = await connected()
  peers.wire.up = false
  await alice.alice.run('relays.send', { to: name })
  await alice.kill()
  peers.wire.up = true
  await alice.start()
  await until('the event at Bob', () => taken(bob, atBob))
  await settled()
  peers.wire.up = false
  await alice.alice.run('relays.send', { to: name })
  peers.wire.up = true
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(await taken(bob, atBob)).toBe('1')
  peers.pass(POST_AGAIN_MS)
  await settled()
  expect(await taken(bob, atBob)).toBe('2')
})

test('the connection goes on after both hosts were killed', async () => {
  const { alice: atBob, bob: atAlice, ...ids } = await connected()
  for (const world of [alice, bob]) await world.kill()
  for (const world of [alice, bob]) await world.start()
  await alice.alice.run('relays.send', { to: atAlice })
  await bob.alice.run('relays.send', { to: atBob })
  await settled()
  expect([await taken(alice, ids.atAlice), await taken(bob, ids.atBob)]).toEqual(['1', '1'])
})

test('epochs move on, whichever side sends', async () => {
  const { alice: atBob, bob: atAlice, ...ids } = await connected()
  const epoch = async () => {
    const sessions = [
      (await alice.vault()).connections.values().find(({ id }) => id === ids.atAlice)?.session,
      (await bob.vault()).connections.values().find(({ id }) => id === ids.atBob)?.session,
    ]
    return Math.min(...sessions.map((session) => session?.state.epochs[0].number ?? -1))
  }
  let last = await epoch()
  for (const [world, to] of [
    [alice, atAlice],
    [bob, atBob],
    [alice, atAlice],
  ] as const) {
    for (let count = 0; count < REKEY_MESSAGES + 8; count++) await world.alice.run('relays.send', { to })
    await settled()
    const now = await until('the next epoch', async () => ((await epoch()) > last ? epoch() : undefined))
    last = now
    peers.pass(2 * EPOCH_OVERLAP_MS)
  }
  expect(await taken(bob, ids.atBob)).toBe(String(2 * (REKEY_MESSAGES + 8)))
})

test('an event that nobody answers in its time is given up, and the owner is told', async () => {
  const { bob: name, atAlice } = await connected()
  const unanswered = noticesOf(alice, 'peer.unanswered')
  peers.wire.up = false
  await alice.alice.run('relays.send', { to: name })
  peers.pass(EVENT_LIFE_MS_MAX)
  expect(await unanswered.take()).toMatchObject({ connection: atAlice, alias: name, type: 'relays.take' })
  peers.wire.up = true
  expect(await quiet()).toBe(true)
  expect((await alice.rows()).at(-1)).toMatchObject({ who: name, result: 'refused', reason: 'expired' })
})

test('what may be lost is sent once and kept by nobody', async () => {
  const { bob: name, atBob } = await connected()
  peers.wire.up = false
  await alice.alice.run('relays.send', { to: name, type: 'relays.hint' })
  expect(await quiet()).toBe(true)
  peers.wire.up = true
  await alice.alice.run('relays.send', { to: name, type: 'relays.hint' })
  await until('the hint', () => taken(bob, atBob))
  expect(await taken(bob, atBob)).toBe('1')
})

test.each(['relays.both', 'relays.none', 'session.answer', 'connection.end'])(
  'an event that the other owner does not share (%s) cannot be sent, and looks like nobody',
  async (type) => {
    const { bob: name } = await connected()
    const nobody = await alice.alice.run('relays.send', { to: 'nobody', type })
    expect(await alice.alice.run('relays.send', { to: name, type })).toEqual(nobody)
    expect(nobody).toMatchObject({ sent: 'unavailable' })
  },
)

test.each([
  ['whoever invited', () => [bob, alice] as const],
  ['whoever was invited', () => [alice, bob] as const],
])('the end by %s is told to the other side, and drops what waits there', async (_name, sides) => {
  const { alice: atBob, bob: atAlice, ...ids } = await connected()
  const [one, other] = sides()
  const [mine, theirs] = one === alice ? [ids.atAlice, ids.atBob] : [ids.atBob, ids.atAlice]
  const ended = noticesOf(other, 'connection.ended')
  peers.wire.up = false
  await other.alice.run('relays.send', { to: other === alice ? atAlice : atBob })
  await one.alice.sever(mine)
  peers.wire.up = true
  peers.pass(POST_AGAIN_MS)
  expect(await ended.take()).toMatchObject({ connection: theirs, reason: 'the other side ended it' })
  await settled()
  const status = [...(await other.vault()).connections.values()].find(({ id }) => id === theirs)?.record.status
  expect(status).toBe('severed')
  expect(await alice.alice.run('relays.send', { to: atAlice })).toMatchObject({ sent: 'unavailable' })
  expect(await bob.alice.run('relays.send', { to: atBob })).toMatchObject({ sent: 'unavailable' })
  expect(await taken(one, mine)).toBeUndefined()
})

test('a service is no vault: what vaults tell each other is no event of its', async () => {
  const acme = await connectService(alice, 'Acme')
  for (const type of ['connection.end', 'connection.confirm', 'session.answer']) {
    expect(await acme.ask(type)).toMatchObject({ status: 'refused', code: 'unsupported-event' })
  }
  expect(await acme.ask('relays.take')).toMatchObject({ status: 'replied' })
})
