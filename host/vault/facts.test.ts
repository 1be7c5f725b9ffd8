/** What a handler adds to the audit trail: with its event or not at all, marked as its own, and linked. */
import { afterAll, beforeAll, expect, test } from 'vitest'

import { FACTS_MAX, FACT_BYTES_MAX } from '#host/plugin/limits.ts'
import { connectService, type Asker } from '#host/service.fixture.ts'
import { startWorld, type World } from '#host/world.fixture.ts'

let world: World
let acme: Asker

beforeAll(async () => {
  world = await startWorld({ handlers: ['attests'] })
  acme = await connectService(world, 'Acme')
})
afterAll(() => world[Symbol.asyncDispose]())

test('facts are rows of their own, marked as the handler’s and linked to the row of the event', async () => {
  expect(await acme.ask('attests.run', 2)).toEqual({ status: 'replied', body: 2 })
  const rows = await world.rows()
  const event = rows.findLast(({ eventType, result }) => eventType === 'attests.run' && result === 'replied')
  const about = { who: 'handler/attests', result: 'noted', connection: acme.invitation.connection }
  expect(rows.slice(event?.sequence)).toMatchObject([
    { ...about, reason: 'fact 1', link: event?.sequence, eventId: event?.eventId },
    { ...about, reason: 'fact 2', link: event?.sequence },
  ])
})

test('the owner’s own event has them too', async () => {
  expect(await world.alice.run('attests.run', 1)).toBe(1)
  const row = (await world.rows()).at(-1)
  expect(row).toMatchObject({ who: 'handler/attests', reason: 'fact 1', connection: null })
})

test('more than an event may have, and one too long, are refused to the handler', async () => {
  const before = (await world.rows()).length
  expect(await acme.ask('attests.run', FACTS_MAX + 3)).toEqual({ status: 'replied', body: FACTS_MAX })
  expect(await acme.ask('attests.run', -FACT_BYTES_MAX)).toEqual({ status: 'replied', body: 1 })
  expect(await acme.ask('attests.run', -FACT_BYTES_MAX - 1)).toEqual({ status: 'replied', body: 0 })
  expect((await world.rows()).length).toBe(before + 3 + FACTS_MAX + 1)
})
