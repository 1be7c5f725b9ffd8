import { expect, test } from 'vitest'

import { connectService, HOUR_MS, type Asker } from '#host/service.fixture.ts'
import { startWorld, type World } from '#host/world.fixture.ts'
import { entries } from './read.ts'

async function marksOf(world: World, { invitation }: Asker): Promise<number> {
  const { system } = await world.vault()
  return entries(system, `inbox/connection/${invitation.connection}/`).length
}

test('a mark stays until its event is void, then goes, also after a restart', async () => {
  await using world = await startWorld({ handlers: ['counts'] })
  const acme = await connectService(world, 'Acme')
  const { message, answer } = await acme.hold('counts.run')
  await world.broker.connect().publish(message.subject, message.data, { durable: true })
  await answer
  for (let count = 2; count <= 8; count++) await acme.ask('counts.run')
  world.clock.now += HOUR_MS - 1
  expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 9 })
  expect(await marksOf(world, acme)).toBe(9)
  await world.kill()
  world.clock.now += 1
  await world.start()
  for (let count = 10; count <= 12; count++) {
    expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: count })
  }
  expect(await marksOf(world, acme)).toBe(4)
  // Gone from the inbox, and no second chance for it.
  expect((await world.hand(message)).outcome).toBe('replayed')
})
