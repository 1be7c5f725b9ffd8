import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { refusalCodes } from '#host/errors.ts'
import type { Message } from '#host/messaging/port.ts'
import { createPool, type Pool } from '#host/plugin/pool.ts'
import { connectService, type Asker } from './service.fixture.ts'
import { startWorld, type World } from './world.fixture.ts'

const BUDGET_MS = 4_000

let world: World
let pool: Pool
let acme: Asker
let hello: Message

beforeAll(async () => {
  world = await startWorld({ handlers: ['counts'] })
  pool = await createPool({ registry: world.host.registry, cells: 1, spares: 0 })
  const hellos = await world.listen('MessageSpace.alice.fromService.*.connection.hello')
  acme = await connectService(world, 'Acme')
  const [first] = hellos
  if (!first) throw new Error('no hello')
  hello = first
})
afterAll(async () => {
  await pool[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

/** What is handed over ends as done or in a refusal of the list; anything else is a throw of ours. */
async function survives(message: Message): Promise<void> {
  const { outcome } = await world.hand(message, { pool })
  expect(['done', ...refusalCodes]).toContain(outcome)
}

async function stillAnswers(): Promise<void> {
  expect(await acme.ask('counts.run')).toMatchObject({ status: 'replied' })
  await world.rows()
}

/** As many runs as fit, and the same ones each time as far as they fit. */
const timed = { seed: 20_261_122, numRuns: 400, interruptAfterTimeLimit: BUDGET_MS, markInterruptAsFailure: false }

const word = fc.constantFrom(
  'MessageSpace',
  'OwnerSpace',
  'alice',
  'bob',
  'fromService',
  'forVault',
  'forApp',
  '*',
  '>',
)
const type = fc.constantFrom('counts.run', 'connection.hello', 'contract.publish', 'session.rekey', 'profile.get')
const command = fc.constantFrom('connection.invite', 'contract.accept', 'consent.approve', 'field.put', 'device.hello')

function subjects(): fc.Arbitrary<string> {
  const known = type.map((name) => `MessageSpace.alice.fromService.${acme.invitation.connection}.${name}`)
  const other = fc
    .array(fc.oneof(word, type, fc.string({ maxLength: 8 })), { maxLength: 7 })
    .map((parts) => parts.join('.'))
  return fc.oneof(
    known,
    known,
    command.map((name) => `OwnerSpace.alice.forVault.${name}`),
    other,
  )
}

test('random bytes on random subjects', async () => {
  await fc.assert(
    fc.asyncProperty(subjects(), fc.uint8Array({ maxLength: 2_000 }), (subject, data) => survives({ subject, data })),
    timed,
  )
  await stillAnswers()
})

test('real messages, changed', async () => {
  const real = fc.constantFrom<() => Message>(
    () => acme.seal('counts.run'),
    () => acme.seal('contract.publish', 'x'),
    () => acme.seal('session.rekey'),
    () => world.holdCommand('consent.approve', { question: 'x' }),
    () => hello,
  )
  const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(
      real,
      changes,
      fc.option(fc.nat(), { freq: 4 }),
      fc.option(subjects()),
      (make, at, cut, elsewhere) => {
        const message = make()
        const data = new Uint8Array(cut === null ? message.data : message.data.subarray(0, cut % message.data.length))
        for (const [index, byte] of at) if (data.length > 0) data[index % data.length] = byte
        return survives({ subject: elsewhere ?? message.subject, data })
      },
    ),
    timed,
  )
  await stillAnswers()
})

test('authentic events with any body, type and times', async () => {
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 500 }),
    fc.json().map((text) => new TextEncoder().encode(text)),
  )
  const times = fc.tuple(fc.integer({ min: -10_000, max: 10_000 }), fc.integer({ min: 1, max: 100_000 }))
  await fc.assert(
    fc.asyncProperty(type, body, times, fc.nat(5), async (name, bytes, [ago, life], contractVersion) => {
      const ts = world.clock.now + ago
      await survives(acme.seal(name, null, { body: bytes, ts, exp: ts + life, contractVersion }))
    }),
    { ...timed, numRuns: 200 },
  )
  await stillAnswers()
})

test('authentic commands of a device with any body', async () => {
  const key = fc.constantFrom('connection', 'question', 'acceptance', 'alias', 'kind', 'name', 'value')
  const value = fc.oneof(fc.string(), fc.uint8Array(), fc.constant(acme.invitation.connection))
  const body = fc.oneof(fc.dictionary(key, value, { maxKeys: 3 }), fc.string())
  await fc.assert(
    fc.asyncProperty(command, body, (name, value) => survives(world.holdCommand(name, value))),
    { ...timed, numRuns: 200 },
  )
  await stillAnswers()
})
