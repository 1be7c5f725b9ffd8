/** A handler's own namespace: one per handler per vault, across connections, and out of every other handler's reach. */
import { afterAll, beforeAll, expect, test } from 'vitest'

import { connectService } from './service.fixture.ts'
import { startWorld, type World } from './world.fixture.ts'

let world: World

beforeAll(async () => {
  world = await startWorld({ handlers: ['tallies', 'tallies-too', 'counts'] })
})
afterAll(() => world[Symbol.asyncDispose]())

const mayNotStore = {
  events: ['tallies.run', 'tallies-too.run', 'counts.run'],
  store: null,
  messages: false,
  authentication: false,
  payment: false,
}

test('it is one for all connections, none other’s, and needs no word of a contract', async () => {
  const acme = await connectService(world, 'Acme')
  const bolt = await connectService(world, 'Bolt', { changes: { permissions: mayNotStore } })
  expect(await acme.ask('tallies.run')).toEqual({ status: 'replied', body: 1 })
  expect(await bolt.ask('tallies.run')).toEqual({ status: 'replied', body: 2 })
  expect(await acme.ask('tallies-too.run')).toEqual({ status: 'replied', body: 1 })
  expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 1 })
  await world.kill()
  await world.start()
  expect(await acme.ask('tallies.run')).toEqual({ status: 'replied', body: 3 })
  const { store } = await world.vault()
  expect(store.namespaces().filter((name) => name.startsWith('handler/'))).toEqual([
    'handler/tallies',
    'handler/tallies-too',
  ])
})
