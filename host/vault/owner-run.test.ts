import { afterAll, beforeAll, expect, test } from 'vitest'

import { createPool, type Pool } from '#host/plugin/pool.ts'
import { connectService } from '#host/service.fixture.ts'
import { gatedPool, startWorld, type World } from '#host/world.fixture.ts'
import { verifyProfile } from '#host/contracts/profile.ts'
import { nativeCrypto } from '#host/crypto/native.ts'

let world: World

beforeAll(async () => {
  world = await startWorld({ handlers: ['relays', 'counts', 'asks'] })
})
afterAll(() => world[Symbol.asyncDispose]())

test('the owner runs a handler on their own vault: it knows who asks, and the row says so', async () => {
  const from = (await world.rows()).length
  expect(await world.alice.run('relays.send', { to: 'nobody' })).toEqual({
    kind: 'owner',
    connection: "Alice's phone",
    approved: true,
    sent: 'unavailable',
  })
  const rows = (await world.rows()).slice(from)
  expect(rows).toMatchObject([{ who: "Alice's phone", eventType: 'relays.send', result: 'replied', connection: null }])
})

test('what only connections may send is no event of the owner, and the other way round', async () => {
  await expect(world.alice.run('relays.take', {})).rejects.toThrow('unsupported-event')
  await expect(world.alice.run('relays.none', {})).rejects.toThrow('unsupported-event')
  const acme = await connectService(world, 'Acme')
  const asked = await acme.ask('relays.send', { to: 'nobody' })
  const unknown = await acme.ask('relays.none', {})
  expect(asked).toMatchObject({ status: 'refused', code: 'unsupported-event' })
  expect(asked).toEqual(unknown)
  expect(await acme.ask('relays.both', 1)).toMatchObject({ body: { taken: 1 } })
})

test('a profile and the lanes are silent about what only the owner may send', async () => {
  const { profile } = await world.vault()
  const published = JSON.stringify(verifyProfile(nativeCrypto, profile.bytes).handlers)
  expect(published).toContain('relays.take')
  expect(published).not.toContain('relays.send')
  const { critical } = world.host.registry.lanes()
  expect(critical).toContain('relays.take')
  expect(critical).not.toContain('relays.send')
})

test('the owner’s event has no connection’s namespace but the one that is named', async () => {
  const acme = await connectService(world, 'Acme')
  await acme.ask('relays.take', 1)
  const { connection } = acme.invitation
  expect(await world.alice.run('relays.both', 2, connection)).toMatchObject({ taken: 2 })
  await expect(world.alice.run('relays.both', 2)).rejects.toThrow('handler-trapped')
  await expect(world.alice.run('relays.both', 2, 'c-none')).rejects.toThrow('command-invalid')
  expect(await acme.ask('relays.take', 1)).toMatchObject({ body: { taken: 3 } })
})

test('a request that does not fit its schema runs nothing', async () => {
  const before = world.host.stats().instances
  const told = world.alice.conversation.request('handler.run', new Uint8Array([0xa0]), { lifeMs: 60_000 })
  expect(await (await told).answer).toMatchObject({ status: 'refused', code: 'command-invalid' })
  expect(world.host.stats().instances).toBe(before)
})

test('an event to a service leaves only with a contract that permits messages, to one of that name', async () => {
  const heard = await world.listen('MessageSpace.alice.forService.*.relays.take')
  const mute = { permissions: { events: [], store: null, messages: false, authentication: false, payment: false } }
  await connectService(world, 'Mute', { changes: mute })
  expect(await world.alice.run('relays.send', { to: 'Mute' })).toMatchObject({ sent: 'unavailable' })
  const bolt = await connectService(world, 'Bolt')
  expect(await world.alice.run('relays.send', { to: 'Bolt', body: { n: 1 } })).toMatchObject({ sent: true })
  expect(heard.map(({ subject }) => subject)).toEqual([
    `MessageSpace.alice.forService.${bolt.invitation.connection}.relays.take`,
  ])
  await connectService(world, 'Bolt')
  expect(await world.alice.run('relays.send', { to: 'Bolt' })).toMatchObject({ sent: 'unavailable' })
  const zip = await connectService(world, 'Zip')
  await world.alice.sever(zip.invitation.connection)
  expect(await world.alice.run('relays.send', { to: 'Zip' })).toMatchObject({ sent: 'unavailable' })
})

test('a connection that ends while a handler sends to it takes the event back', async () => {
  const pool: Pool = await createPool({ registry: world.host.registry, cells: 1, spares: 0 })
  const zap = await connectService(world, 'Zap')
  const heard = await world.listen(`MessageSpace.alice.forService.${zap.invitation.connection}.relays.take`)
  const gated = gatedPool(pool)
  const body = new TextEncoder().encode(JSON.stringify({ to: 'Zap' }))
  const command = world.hand(world.holdCommand('handler.run', { type: 'relays.send', body }), { pool: gated })
  await gated.entered
  await world.alice.sever(zap.invitation.connection)
  gated.release()
  expect((await command).outcome).toBe('done')
  expect(heard).toEqual([])
  expect(pool.stats.instances).toBe(2)
  await pool[Symbol.asyncDispose]()
})
