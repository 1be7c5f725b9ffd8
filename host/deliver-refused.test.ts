import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { Refusal } from '#host/errors.ts'
import { CLOCK_SKEW_MS_MAX, MESSAGE_BYTES_MAX, REFUSAL_ROWS_PER_HOUR } from '#host/limits.ts'
import type { Message } from '#host/messaging/port.ts'
import { createPool, type Pool } from '#host/plugin/pool.ts'
import { upkeep } from '#host/upkeep.ts'
import { connectService, HOUR_MS, type Asker, told } from './service.fixture.ts'
import { random, startWorld, until, type World } from './world.fixture.ts'

let world: World
let pool: Pool
let acme: Asker
let bolt: Asker
/** Everything the vault sends to services, from the start of each test on. */
let heard: Message[]

beforeAll(async () => {
  world = await startWorld({ handlers: ['counts', 'data-access'] })
  pool = await createPool({ registry: world.host.registry, cells: 1, spares: 0 })
  acme = await connectService(world, 'Acme', { declined: ['phone'] })
  bolt = await connectService(world, 'Bolt', { changes: { limits: { requestsPerHour: 1, storageBytes: 1_000 } } })
})
afterAll(async () => {
  await pool[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})
beforeEach(async () => {
  heard = await world.listen('MessageSpace.alice.forService.>')
  // An hour of its own for every test, so that none counts another's refusals.
  world.clock.now += HOUR_MS
})

/** Rows since the test began: one test, one hour. */
async function rowsNow() {
  return (await world.rows()).filter(({ at }) => at === world.clock.now)
}

const changed = (message: Message, at: number): Message => {
  const data = new Uint8Array(message.data)
  const index = at < 0 ? data.length + at : at
  data[index] = (data[index] ?? 0) ^ 1
  return { ...message, data }
}
const onLaneOf = (service: Asker, message: Message): Message => ({
  ...message,
  subject: message.subject.replace(acme.invitation.connection, service.invitation.connection),
})

test.each<[string, string, () => Message]>([
  ['on the subject of another connection', 'misrouted', () => onLaneOf(bolt, acme.seal('counts.run'))],
  ['with a changed byte', 'unopenable', () => changed(acme.seal('counts.run'), -1)],
  [
    'of another type than its subject',
    'misrouted',
    () => ({ ...acme.seal('counts.run'), subject: acme.seal('counts.ask').subject }),
  ],
])('an envelope %s is audited as %s, not answered, and does no harm', async (_name, code, make) => {
  const message = make()
  expect((await world.hand(message)).outcome).toBe(code)
  expect(heard).toEqual([])
  expect(await rowsNow()).toMatchObject([{ who: 'unknown', result: 'refused', reason: code, fields: [] }])
  expect((await acme.ask('counts.run')).status).toBe('replied')
})

test('what came on the wrong lane is still good on the right one', async () => {
  const message = acme.seal('counts.run')
  expect((await world.hand({ ...message, subject: acme.seal('counts.ask').subject })).outcome).toBe('misrouted')
  expect((await world.hand(message, { pool })).outcome).toBe('done')
})

test.each([
  ['is over', () => ({ ts: world.now() - 10, exp: world.now() })],
  ['has not begun', () => ({ ts: world.now() + CLOCK_SKEW_MS_MAX + 1, exp: world.now() + HOUR_MS })],
])('an event whose time %s is refused, audited, and its sender told', async (_name, times) => {
  expect((await world.hand(acme.seal('counts.run', null, times()))).outcome).toBe('expired')
  // An hour has passed: a new epoch is offered beside it.
  await until('the refusal', () => heard.some(({ subject }) => subject.endsWith('counts.run')))
  expect(await rowsNow()).toMatchObject([{ result: 'refused', reason: 'expired' }])
})

test('an event is good up to the last millisecond of its time, and by a clock that is a little ahead', async () => {
  const last = acme.seal('counts.run', null, { ts: world.now() - 10, exp: world.now() + 1 })
  const ahead = acme.seal('counts.run', null, { ts: world.now() + CLOCK_SKEW_MS_MAX, exp: world.now() + HOUR_MS })
  for (const message of [last, ahead]) expect((await world.hand(message, { pool })).outcome).toBe('done')
})

describe('bytes that are no message', () => {
  const lanes = [
    'MessageSpace.alice.fromService.CONNECTION.counts.run',
    'MessageSpace.alice.fromService.CONNECTION.connection.hello',
    'MessageSpace.alice.fromService.CONNECTION.contract.publish',
    'MessageSpace.alice.fromService.CONNECTION.session.rekey',
    'OwnerSpace.alice.forVault.consent.approve',
    'OwnerSpace.alice.forVault.device.hello',
  ]
  test.each(lanes)('on %s', async (lane) => {
    const subject = lane.replace('CONNECTION', acme.invitation.connection)
    for (const data of [
      new Uint8Array(0),
      new Uint8Array(64).fill(0xff),
      new Uint8Array([0x80]),
      new TextEncoder().encode('{}'),
    ]) {
      // A connection that is past its greeting says so first.
      const code = lane.endsWith('connection.hello') ? 'connection-inactive' : 'malformed'
      expect((await world.hand({ subject, data })).outcome).toBe(code)
    }
    const large = { subject, data: new Uint8Array(MESSAGE_BYTES_MAX + 1) }
    expect((await world.hand(large)).outcome).toMatch(/^(too-large|connection-inactive)$/)
    expect(heard).toEqual([])
  })
})

test.each([
  ['a subject for a service', 'MessageSpace.alice.forService.c1.counts.run', 'misrouted'],
  ['a subject for devices', 'OwnerSpace.alice.forApp.consent.asked', 'misrouted'],
  ['no subject of the grammar', 'MessageSpace.alice.fromService.*.counts.run', 'malformed'],
  ['a vault of another host', 'MessageSpace.bob.fromService.c1.counts.run', 'vault-unknown'],
])('%s reaches no vault', async (_name, subject, code) => {
  const { data } = acme.seal('counts.run')
  expect((await world.hand({ subject, data })).outcome).toBe(code)
  expect(heard).toEqual([])
  expect(await rowsNow()).toEqual([])
})

test('connections that do not exist are counted as one', async () => {
  const { data } = acme.seal('counts.run')
  for (let count = 0; count < 3 * REFUSAL_ROWS_PER_HOUR; count++) {
    const subject = `MessageSpace.alice.fromService.c-${count}.counts.run`
    expect((await world.hand({ subject, data })).outcome).toBe('unknown-connection')
  }
  const rows = await rowsNow()
  expect(rows.length).toBeLessThanOrEqual(REFUSAL_ROWS_PER_HOUR + 2)
  expect(rows.every(({ connection }) => connection === null)).toBe(true)
})

test('a flood of one refusal is answered each time, and written as a few rows that count it all', async () => {
  const { now } = world.clock
  const flood = 4 * REFUSAL_ROWS_PER_HOUR
  const { sequence } = (await world.vault()).store.head
  const answers = Array.from({ length: flood }, () => acme.ask('payment.request'))
  for (const answer of await Promise.all(answers)) expect(answer).toMatchObject({ code: 'unsupported-event' })
  expect((await rowsNow()).length).toBeLessThanOrEqual(REFUSAL_ROWS_PER_HOUR + 2)
  // Commits: the rows, and a few steps of the session, which moves on under so many messages.
  expect((await world.vault()).store.head.sequence - sequence).toBeLessThan(2 * REFUSAL_ROWS_PER_HOUR)
  world.clock.now += HOUR_MS
  await upkeep(world.host.vaults, { bus: world.broker.connect(), now: world.now(), random })
  const rows = (await world.rows()).filter(({ at, reason }) => at === now && reason === 'unsupported-event')
  expect(rows.reduce((sum, { count }) => sum + count, 0)).toBe(flood)
})

describe('each no has its code, and is told and audited by it', () => {
  test.each<[string, string, () => Promise<unknown>]>([
    ['field-undeclared', 'data.request', () => acme.ask('data.request', { fields: ['passport'] })],
    ['field-declined', 'data.request', () => acme.ask('data.request', { fields: ['phone'] })],
    ['malformed-request', 'data.request', () => acme.ask('data.request', { fields: 'email' })],
    ['unsupported-event', 'payment.request', () => acme.ask('payment.request')],
  ])('%s', async (code, eventType, ask) => {
    const from = pool.stats.instances
    expect(await ask()).toMatchObject({ status: 'refused', code, retry: false })
    const [row] = await rowsNow()
    expect(row).toMatchObject({ eventType, who: 'Acme', connection: acme.invitation.connection, reason: code })
    expect(pool.stats.instances).toBe(from)
  })

  test('not-permitted', async () => {
    const permissions = { events: ['counts.run'], store: null, messages: false, authentication: false, payment: false }
    const curt = await connectService(world, 'Curt', { changes: { permissions } })
    expect(await curt.ask('data.request', { fields: ['email'] })).toMatchObject({ code: 'not-permitted' })
    expect(await curt.ask('counts.run')).toMatchObject({ code: 'not-permitted' })
  })

  test('rate-limited, of which the owner is told once', async () => {
    const told: unknown[] = []
    world.alice.conversation.on('rate.blocked', (event) => told.push(event))
    expect(await bolt.ask('counts.run')).toMatchObject({ status: 'replied' })
    for (let count = 0; count < 3; count++) {
      expect(await bolt.ask('counts.run')).toMatchObject({ code: 'rate-limited', retry: true })
    }
    await until('the notice', () => told.length > 0)
    expect(told).toHaveLength(1)
  })

  test("a handler's own, with its own words", async () => {
    const dora = await connectService(world, 'Dora')
    const answer = await dora.ask('data.request', { fields: ['phone'] })
    expect(answer).toMatchObject({ status: 'refused', code: 'field-unavailable', message: 'phone is not available' })
    expect((await rowsNow()).at(-1)).toMatchObject({ result: 'refused', reason: 'handler/field-unavailable' })
  })

  test('busy, when no cell is to be had', async () => {
    const full: Pool = {
      ...pool,
      stats: pool.stats,
      run: () => Promise.reject(new Refusal('busy', 'all cells are taken')),
    }
    const request = await acme.hold('counts.run')
    expect((await world.hand(request.message, { pool: full })).outcome).toBe('busy')
    expect(told(await request.answer)).toMatchObject({ code: 'busy', retry: true })
  })

  test('a command that is none', async () => {
    const { invitation } = acme
    await expect(world.alice.sever('c-none')).rejects.toThrow(/no such connection/)
    await expect(world.alice.sever('Not An Id')).rejects.toThrow(/refused: malformed/)
    await expect(world.alice.putField('Not a name', '')).rejects.toThrow(/command-invalid/)
    const nothing = world.holdCommand('vault.burn', { connection: invitation.connection })
    expect((await world.hand(nothing)).outcome).toBe('unsupported-event')
    expect((await world.hand(world.holdCommand('connection.sever', {}))).outcome).toBe('command-invalid')
  })
})

// Last: nothing brings a handler back.
test('a handler that was revoked while the host runs is refused like one that never was; others go on', async () => {
  expect(await acme.ask('counts.run')).toMatchObject({ status: 'replied' })
  const { instances } = world.host.stats()
  world.host.registry.withdraw(['counts'])
  expect(await acme.ask('counts.run')).toMatchObject({ code: 'unsupported-event' })
  expect((await rowsNow()).at(-1)).toMatchObject({ result: 'refused', reason: 'unsupported-event' })
  expect(world.host.stats().instances).toBe(instances)
  expect(await acme.ask('data.request', { fields: ['email'] })).not.toMatchObject({ code: 'unsupported-event' })
})
