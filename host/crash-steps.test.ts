/** A host killed between two given steps of one delivery: the event is done once, and its asker is answered. */
import { afterAll, beforeAll, expect, test } from 'vitest'

import type { MemoryBus } from '#host/messaging/memory.ts'
import { createPool, type Pool } from '#host/plugin/pool.ts'
import { type Asker, connectService, told } from './service.fixture.ts'
import { gatedPool, startWorld, type World } from './world.fixture.ts'

let world: World
let acme: Asker
let cells: Pool
let done = 0

beforeAll(async () => {
  world = await startWorld({ handlers: ['counts'] })
  acme = await connectService(world, 'Acme')
  cells = await createPool({ registry: world.host.registry, cells: 1, spares: 0 })
})
afterAll(async () => {
  await cells[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

interface Stop {
  readonly pool?: Pool
  readonly bus?: Pick<MemoryBus, 'publish'>
  readonly reached: Promise<void>
}

function never(): Promise<never> {
  return new Promise(() => {})
}

function beforeItRuns(): Stop {
  const { promise: reached, resolve } = Promise.withResolvers<void>()
  const run = (): Promise<never> => {
    resolve()
    return never()
  }
  return { pool: { ...gatedPool(cells), run }, reached }
}

function beforeItCommits(): Stop {
  const pool = gatedPool(cells)
  return { pool, reached: pool.entered }
}

async function whileItIsWritten(): Promise<Stop> {
  const { promise: reached, resolve } = Promise.withResolvers<void>()
  const { store } = await world.vault()
  const commit = store.commit.bind(store)
  store.commit = (changes, options) => {
    const writing = commit(changes, options)
    resolve()
    return writing
  }
  return { pool: cells, reached }
}

function beforeItLeaves(): Stop {
  const { promise: reached, resolve } = Promise.withResolvers<void>()
  const publish = (): Promise<never> => {
    resolve()
    return never()
  }
  return { pool: cells, bus: { publish }, reached }
}

test.each<[step: string, stop: () => Stop | Promise<Stop>]>([
  ['admit and dispatch', beforeItRuns],
  ['dispatch and commit', beforeItCommits],
  ['commit and durable', whileItIsWritten],
  ['durable and publish', beforeItLeaves],
])('killed between %s, it is done once and answered', async (_, stop) => {
  const request = await acme.hold('counts.run')
  const { reached, ...options } = await stop()
  // What hangs where the host was killed is never over.
  void world.hand(request.message, options).catch(() => undefined)
  await reached
  await world.kill()
  await world.start()
  await acme.connected.conversation.resend()
  done += 1
  expect(told(await request.answer)).toEqual({ status: 'replied', body: done })
  const rows = (await world.rows()).filter(({ eventId, result }) => eventId === request.id && result === 'replied')
  expect(rows).toHaveLength(1)
})
