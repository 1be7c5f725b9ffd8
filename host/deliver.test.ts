import { afterAll, beforeAll, expect, test } from 'vitest'

import { Refusal } from '#host/errors.ts'
import { COMMIT_ATTEMPTS_MAX } from '#host/limits.ts'
import type { Message } from '#host/messaging/port.ts'
import { createPool, type Pool } from '#host/plugin/pool.ts'
import { type EventId, newEventId } from '#host/wire/id.ts'
import { connectService, type Asker, told } from './service.fixture.ts'
import { gatedPool, random, startWorld, until, type World } from './world.fixture.ts'

let world: World
let pool: Pool

beforeAll(async () => {
  world = await startWorld({ handlers: ['counts', 'blanks'] })
  pool = await createPool({ registry: world.host.registry, cells: 2, spares: 0 })
})
afterAll(async () => {
  await pool[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

/** What the vault answers to a service's `counts.run`. */
const heardBy = ({ invitation }: Asker): Promise<Message[]> =>
  world.listen(`MessageSpace.alice.forService.${invitation.connection}.counts.run`)

async function countOf({ invitation }: Asker): Promise<string | undefined> {
  const item = (await world.vault()).store.namespace(`connection/${invitation.connection}`).get('n')
  return item && new TextDecoder().decode(item.value)
}

/** Resolves when what was sent so far has been heard. */
const settled = () => new Promise(setImmediate)

test('an event takes its steps in order, and the answer leaves after the commit', async () => {
  const acme = await connectService(world, 'Acme')
  const request = await acme.hold('counts.run')
  const committed: (string | undefined)[] = []
  const bus = {
    async publish(subject: string, data: Uint8Array) {
      committed.push(await countOf(acme))
      await world.broker.connect().publish(subject, data)
    },
  }
  const trace = await world.hand(request.message, { pool, bus })
  expect(trace.steps.map(({ name }) => name)).toEqual(['decode', 'open', 'admit', 'dispatch', 'commit', 'publish'])
  expect(trace.outcome).toBe('done')
  expect(committed).toEqual(['1'])
  expect(told(await request.answer)).toEqual({ status: 'replied', body: 1 })
})

test('an event id that comes again in another envelope gets the stored answer, and nothing runs', async () => {
  const acme = await connectService(world, 'Acme')
  const heard = await heardBy(acme)
  const id = newEventId(random)
  await world.hand(acme.seal('counts.run', null, { id }), { pool })
  // Without a pool: a handler that ran would fail the test.
  expect((await world.hand(acme.seal('counts.run', null, { id }))).outcome).toBe('done')
  await world.kill()
  await world.start()
  expect((await world.hand(acme.seal('counts.run', null, { id }))).outcome).toBe('done')
  await settled()
  // The host that was killed had not yet noted that the first answer left: the next one sent the very same bytes again.
  expect(new Set(heard.map(({ data }) => data.toHex())).size).toBe(3)
  expect(await countOf(acme)).toBe('1')
})

test('an event id that comes twice at the same time runs once', async () => {
  const acme = await connectService(world, 'Acme')
  const heard = await heardBy(acme)
  const before = pool.stats.instances
  const id = newEventId(random)
  const both = [acme.seal('counts.run', null, { id }), acme.seal('counts.run', null, { id })]
  const traces = await Promise.all(both.map((message) => world.hand(message, { pool })))
  expect(traces.map(({ outcome }) => outcome)).toEqual(['done', 'done'])
  await settled()
  expect(pool.stats.instances - before).toBe(1)
  expect(await countOf(acme)).toBe('1')
  expect(heard).toHaveLength(2)
})

test('the same event id of another connection is another event', async () => {
  const acme = await connectService(world, 'Acme')
  const bolt = await connectService(world, 'Bolt')
  const id = newEventId(random)
  for (const service of [acme, bolt]) await world.hand(service.seal('counts.run', null, { id }), { pool })
  expect([await countOf(acme), await countOf(bolt)]).toEqual(['1', '1'])
})

test('an envelope that comes again is a replay, answered as it was and audited', async () => {
  const acme = await connectService(world, 'Acme')
  const heard = await heardBy(acme)
  const message = acme.seal('counts.run')
  const traces = await Promise.all([world.hand(message, { pool }), world.hand(message, { pool })])
  expect(traces.map(({ outcome }) => outcome)).toEqual(['done', 'replayed'])
  expect((await world.hand(message)).outcome).toBe('replayed')
  await world.kill()
  await world.start()
  expect((await world.hand(message)).outcome).toBe('replayed')
  await settled()
  expect(new Set(heard.map(({ data }) => data.toHex())).size).toBe(4)
  expect(await countOf(acme)).toBe('1')
  const rows = (await world.rows()).filter(({ connection }) => connection === acme.invitation.connection)
  expect(rows.filter(({ reason }) => reason === 'replayed')).toHaveLength(3)
})

test('a handler whose ground was moved by another event runs again on the new one', async () => {
  const acme = await connectService(world, 'Acme')
  const gated = gatedPool(pool)
  const first = await acme.hold('counts.run')
  const slow = world.hand(first.message, { pool: gated })
  await gated.entered
  await world.hand(acme.seal('counts.run'), { pool })
  gated.release()
  expect((await slow).steps.map(({ name }) => name)).toEqual([
    'decode',
    'open',
    'admit',
    'dispatch',
    'dispatch',
    'commit',
    'publish',
  ])
  expect(told(await first.answer)).toEqual({ status: 'replied', body: 2 })
  expect(await countOf(acme)).toBe('2')
})

test('a handler that is overtaken every time is given up, and its asker may come again', async () => {
  const acme = await connectService(world, 'Acme')
  let runs = 0
  const overtaken: Pool = {
    ...gatedPool(pool),
    async run(job) {
      runs += 1
      const effects = await pool.run(job)
      await world.hand(acme.seal('counts.run'), { pool })
      return effects
    },
  }
  const request = await acme.hold('counts.run')
  expect((await world.hand(request.message, { pool: overtaken })).outcome).toBe('conflict')
  expect(told(await request.answer)).toMatchObject({ status: 'refused', code: 'conflict', retry: true })
  expect(runs).toBe(COMMIT_ATTEMPTS_MAX)
  expect(await countOf(acme)).toBe(String(COMMIT_ATTEMPTS_MAX))
})

test('a write that no store takes is told to the handler, and the event is answered once', async () => {
  const acme = await connectService(world, 'Acme')
  const heard = await world.listen(`MessageSpace.alice.forService.${acme.invitation.connection}.blanks.run`)
  expect(await acme.ask('blanks.run', 'x')).toEqual({ status: 'replied', body: false })
  world.clock.now += 60_000
  await acme.ask('counts.run')
  expect(heard).toHaveLength(1)
})

test('what the bus does not take stays, and leaves when it does', async () => {
  const acme = await connectService(world, 'Acme')
  const down = { publish: () => Promise.reject(new Refusal('bus-unavailable', 'nobody there')) }
  const request = await acme.hold('counts.run')
  expect((await world.hand(request.message, { pool, bus: down })).outcome).toBe('done')
  world.clock.now += 60_000
  expect(told(await request.answer)).toEqual({ status: 'replied', body: 1 })
})

test('a log that fails ends the host: nothing is answered or acknowledged, and the next host does it', async () => {
  const acme = await connectService(world, 'Acme')
  const { host } = world
  const heard = await heardBy(acme)
  host.abandon()
  const { answer } = await acme.request('counts.run')
  expect(await host.down).toMatchObject({ code: 'storage-failed' })
  await settled()
  expect(heard).toEqual([])
  await world.kill()
  await world.start()
  expect(told(await answer)).toEqual({ status: 'replied', body: 1 })
  await until('one answer', () => heard.length === 1)
})

test('an answer that is given again is heard, however often the host died before it', async () => {
  const acme = await connectService(world, 'Acme')
  const heard: (string | null)[] = []
  acme.connected.conversation.on('counts.run', ({ causation }) => void heard.push(causation))
  const ids = Array.from({ length: 3 }, () => newEventId(random))
  const hand = (id: EventId, options = {}) => world.hand(acme.seal('counts.run', null, { id }), options)
  // Each commit forgets the answers of those before: what left is lost on its way.
  for (const id of ids) await hand(id, { pool, bus: { publish: () => Promise.resolve() } })
  for (const id of ids.slice(0, 2)) {
    await world.kill()
    await world.start()
    await hand(id)
    await until('the answer', () => heard.includes(id))
  }
})
