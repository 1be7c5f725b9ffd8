import { afterAll, beforeAll, expect, test } from 'vitest'

import { generateSigningKey } from '#host/crypto/sign.ts'
import { Refusal } from '#host/errors.ts'
import { EPOCH_OVERLAP_MS, REKEY_MESSAGES } from '#host/limits.ts'
import { createPool, type Pool } from '#host/plugin/pool.ts'
import { connectService, told } from '#host/service.fixture.ts'
import { startWorld, until, type World } from '#host/world.fixture.ts'

let world: World
let pool: Pool

beforeAll(async () => {
  world = await startWorld({ handlers: ['counts'] })
  pool = await createPool({ registry: world.host.registry, cells: 2, spares: 0 })
  // A start takes longer with another vault to open: time for what waits on the bus.
  const device = { id: 'phone', label: 'phone', verifyKey: generateSigningKey().publicKey }
  await world.host.vaults.create('zoe', { device, fields: {}, now: world.now() })
})
afterAll(async () => {
  await pool[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

const noBus = { publish: () => Promise.reject(new Refusal('bus-unavailable', 'nobody there')) }
const deafBus = { publish: () => Promise.resolve() }

test('an answer that a crash kept back is accepted although later ones were heard first', async () => {
  const acme = await connectService(world, 'Acme')
  const first = await acme.hold('counts.run')
  await world.hand(first.message, { pool, bus: noBus })
  await world.kill()
  await world.start()
  expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 2 })
  expect(told(await first.answer)).toEqual({ status: 'replied', body: 1 })
})

test('what a crash kept back leaves before the answer to whatever waits on the bus', async () => {
  const acme = await connectService(world, 'Acme')
  const heard = await world.listen(`MessageSpace.alice.forService.${acme.invitation.connection}.counts.run`)
  const { id, answer } = await acme.request('counts.run')
  await answer
  const kept = await acme.hold('counts.run')
  await world.hand(kept.message, { pool, bus: noBus })
  await world.kill()
  // A repeat: its stored answer is there at once, and nothing has to be written before it leaves.
  const repeated = acme.seal('counts.run', null, { id })
  await world.broker.connect().publish(repeated.subject, repeated.data, { durable: true })
  await world.start()
  expect(told(await kept.answer)).toEqual({ status: 'replied', body: 2 })
  await until('all three', () => heard.length >= 3)
})

test('an answer that was lost is given again after any number of epochs', async () => {
  const acme = await connectService(world, 'Acme')
  const first = await acme.hold('counts.run')
  await world.hand(first.message, { pool, bus: deafBus })
  for (let count = 0; count < 2 * REKEY_MESSAGES; count++) await acme.ask('counts.run')
  world.clock.now += 2 * EPOCH_OVERLAP_MS
  for (let count = 0; count < 2 * REKEY_MESSAGES; count++) await acme.ask('counts.run')
  await acme.connected.conversation.resend()
  expect(told(await first.answer)).toEqual({ status: 'replied', body: 1 })
})
