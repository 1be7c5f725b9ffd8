import { afterAll, beforeAll, expect, test } from 'vitest'

import { createPool, type Pool } from '#host/plugin/pool.ts'
import { connectService, HOUR_MS, type Asker, told } from '#host/service.fixture.ts'
import { gatedPool, startWorld, type World } from '#host/world.fixture.ts'

let world: World
let pool: Pool

beforeAll(async () => {
  world = await startWorld({ handlers: ['counts'] })
  pool = await createPool({ registry: world.host.registry, cells: 2, spares: 0 })
})
afterAll(async () => {
  await pool[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

const refused = (code: string) => expect.objectContaining({ status: 'refused', code })

async function countOf({ invitation }: Asker): Promise<string | undefined> {
  const item = (await world.vault()).store.namespace(`connection/${invitation.connection}`).get('n')
  return item && new TextDecoder().decode(item.value)
}

/** Publishes and waits until the owner's phone has it: the terms come later, or a refusal. */
async function publish(service: Asker, version: number) {
  const renewed = service.connected.publishContract(service.contract(version), { lifeMs: HOUR_MS })
  renewed.catch(() => {})
  return { renewed, offer: await world.offers.take() }
}

test('a published version freezes the one in force, and the next yes resumes under the new one', async () => {
  const acme = await connectService(world, 'Acme')
  const { renewed, offer } = await publish(acme, 2)
  expect(await acme.ask('counts.run')).toEqual(refused('contract-frozen'))
  await world.kill()
  await world.start()
  expect(await acme.ask('counts.run')).toEqual(refused('contract-frozen'))
  await world.alice.accept(offer, ['phone'])
  expect(await renewed).toEqual({ version: 2, declined: ['phone'] })
  expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 1 })
  const stale = acme.seal('counts.run', null, { contractVersion: 1 })
  expect((await world.hand(stale)).outcome).toBe('contract-stale')
  await expect(world.alice.accept(offer, [])).rejects.toThrow(/no contract waits/)
})

test('a version that was published while a handler ran takes its effects back', async () => {
  const acme = await connectService(world, 'Acme')
  const gated = gatedPool(pool)
  const request = await acme.hold('counts.run')
  const delivery = world.hand(request.message, { pool: gated })
  await gated.entered
  const { offer } = await publish(acme, 2)
  gated.release()
  expect((await delivery).outcome).toBe('contract-frozen')
  expect(told(await request.answer)).toEqual(refused('contract-frozen'))
  expect(await countOf(acme)).toBeUndefined()
  await world.alice.accept(offer, [])
})

test('a version that was published while an approved handler ran takes its effects back', async () => {
  const acme = await connectService(world, 'Acme')
  const { answer, pending } = await acme.request('counts.ask')
  await pending
  const { question } = await world.questions.take()
  const gated = gatedPool(pool)
  const delivery = world.hand(world.holdCommand('consent.approve', { question }), { pool: gated })
  await gated.entered
  const { offer } = await publish(acme, 2)
  gated.release()
  // The yes is taken up again, and meets a contract that is no longer in force.
  expect((await delivery).outcome).toBe('done')
  expect(told(await answer)).toEqual(refused('contract-frozen'))
  expect(await countOf(acme)).toBeUndefined()
  await world.alice.accept(offer, [])
})

test('a no to a version ends the connection, and its publisher and whoever waits are told', async () => {
  const acme = await connectService(world, 'Acme')
  const waiting = await acme.request('counts.ask')
  await waiting.pending
  await world.questions.take()
  const { renewed, offer } = await publish(acme, 2)
  await world.alice.reject(offer)
  expect(told(await waiting.answer)).toEqual(refused('connection-inactive'))
  await expect(renewed).rejects.toThrow()
  expect(await acme.ask('counts.run')).toEqual(refused('connection-inactive'))
  await expect(world.alice.accept(offer, [])).rejects.toThrow(/no contract waits/)
})

test.each([
  ['the version in force', 1, {}],
  ['another contract', 2, { id: 'other' }],
])('what is no newer version is refused and changes nothing: %s', async (_name, version, changes) => {
  const acme = await connectService(world, 'Acme')
  await expect(acme.connected.publishContract(acme.contract(version, changes), { lifeMs: HOUR_MS })).rejects.toThrow(
    /refused/,
  )
  expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 1 })
})

test('a version that another key signed is refused and freezes nothing', async () => {
  const acme = await connectService(world, 'Acme')
  const bolt = await connectService(world, 'Bolt')
  await expect(acme.connected.publishContract(bolt.contract(2), { lifeMs: HOUR_MS })).rejects.toThrow(/refused/)
  expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 1 })
})

test('a newer version that nobody decided on is replaced by the next, and the yes must be to that one', async () => {
  const acme = await connectService(world, 'Acme')
  const second = await publish(acme, 2)
  const third = await publish(acme, 3)
  await expect(world.alice.accept(second.offer, [])).rejects.toThrow(/contract-stale/)
  await expect(second.renewed).rejects.toThrow(/refused/)
  await world.alice.accept(third.offer, [])
  expect(await third.renewed).toMatchObject({ version: 3 })
  expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 1 })
})

test('a new version grants no second hour', async () => {
  const acme = await connectService(world, 'Acme', { changes: { limits: { requestsPerHour: 2, storageBytes: 1_000 } } })
  await acme.ask('counts.run')
  await acme.ask('counts.run')
  expect(await acme.ask('counts.run')).toEqual(refused('rate-limited'))
  const { renewed, offer } = await publish(acme, 2)
  await world.alice.accept(offer, [])
  await renewed
  expect(await acme.ask('counts.run')).toEqual(refused('rate-limited'))
  await world.kill()
  await world.start()
  expect(await acme.ask('counts.run')).toEqual(refused('rate-limited'))
  world.clock.now += HOUR_MS
  expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 3 })
})

test('severing ends reach with its commit: what runs has no effect, what waits is denied', async () => {
  const acme = await connectService(world, 'Acme')
  const { connection } = acme.invitation
  const waiting = await acme.request('counts.ask')
  await waiting.pending
  const { question } = await world.questions.take()
  const { renewed } = await publish(acme, 2)
  await world.alice.sever(connection)
  expect(told(await waiting.answer)).toEqual(refused('connection-inactive'))
  await expect(renewed).rejects.toThrow()
  expect((await world.vault()).system.get(`pending/${question}`)).toBeUndefined()
  const rows = await world.rows()
  const severed = rows.findLast(({ reason }) => reason === 'severed')
  expect(rows.find(({ sequence }) => sequence === (severed?.sequence ?? 0) + 1)).toMatchObject({
    eventType: 'counts.ask',
    result: 'denied',
    reason: 'connection-inactive',
  })
  expect(await acme.ask('counts.run')).toEqual(refused('connection-inactive'))
  expect(await countOf(acme)).toBeUndefined()
})
