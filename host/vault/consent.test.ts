import { afterAll, beforeAll, expect, test } from 'vitest'

import type { Question } from '#client/owner.ts'
import { CONSENT_LIFE_MS, PENDING_PER_CONNECTION_MAX, REFUSAL_ROWS_PER_HOUR } from '#host/limits.ts'
import { createPool, type Pool } from '#host/plugin/pool.ts'
import { connectService, HOUR_MS, type Asker, told } from '#host/service.fixture.ts'
import { newEventId } from '#host/wire/id.ts'
import { upkeep } from '#host/upkeep.ts'
import { gatedPool, random, startWorld, until, type World } from '#host/world.fixture.ts'

let world: World
let pool: Pool

beforeAll(async () => {
  world = await startWorld({ handlers: ['counts'], devices: ['tablet'] })
  pool = await createPool({ registry: world.host.registry, cells: 2, spares: 0 })
})
afterAll(async () => {
  await pool[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

/** A request that waits for the owner, and its question on the phone. */
async function asked(service: Asker): Promise<{ answer: Promise<unknown>; question: Question }> {
  const { answer, pending } = await service.request('counts.ask')
  await pending
  return { answer: answer.then(told), question: await world.questions.take() }
}

const refused = (code: string) => expect.objectContaining({ status: 'refused', code })
const gone = { code: 'command-invalid', message: expect.stringContaining('no open question') }

async function countOf({ invitation }: Asker): Promise<string | undefined> {
  const item = (await world.vault()).store.namespace(`connection/${invitation.connection}`).get('n')
  return item && new TextDecoder().decode(item.value)
}

test('a question outlives a crash, and the yes to it runs the very request', async () => {
  const acme = await connectService(world, 'Acme')
  const { answer, question } = await asked(acme)
  expect(await countOf(acme)).toBeUndefined()
  await world.kill()
  await world.start()
  await world.alice.approve(question)
  expect(await answer).toEqual({ status: 'replied', body: 1 })
  const rows = (await world.rows()).filter(({ connection }) => connection === acme.invitation.connection)
  const pending = rows.find(
    ({ result }) => result === 'pending' && rows.some(({ eventType }) => eventType === 'counts.ask'),
  )
  expect(pending).toBeDefined()
  const approved = rows.find(({ result }) => result === 'approved')
  const asking = rows.find(({ eventType, result }) => eventType === 'counts.ask' && result === 'pending')
  expect(approved).toMatchObject({ link: asking?.sequence, eventId: asking?.eventId })
})

test('a no answers with a refusal, and runs nothing', async () => {
  const acme = await connectService(world, 'Acme')
  const { answer, question } = await asked(acme)
  await world.alice.deny(question)
  expect(await answer).toEqual(refused('consent-denied'))
  await expect(world.alice.approve(question)).rejects.toMatchObject(gone)
  expect(await countOf(acme)).toBeUndefined()
})

test('nobody answers: the request is refused when its time is over, before or at the sweep', async () => {
  const acme = await connectService(world, 'Acme')
  const swept = await asked(acme)
  world.clock.now += HOUR_MS - 1
  await upkeep(world.host.vaults, { bus: world.broker.connect(), now: world.now(), random })
  expect((await world.vault()).system.get(`pending/${swept.question.question}`)).toBeDefined()
  world.clock.now += 1
  await upkeep(world.host.vaults, { bus: world.broker.connect(), now: world.now(), random })
  expect(await swept.answer).toEqual(refused('consent-expired'))
  await expect(world.alice.approve(swept.question)).rejects.toMatchObject(gone)
  expect(CONSENT_LIFE_MS).toBeGreaterThan(HOUR_MS)
})

test('a question waits as long as the contract says', async () => {
  const limits = { requestsPerHour: 10_000, storageBytes: 1_000, approvalMs: 10 * 60_000 }
  const acme = await connectService(world, 'Acme', { changes: { limits } })
  const { answer, question } = await asked(acme)
  expect(question.expires).toBe(world.clock.now + limits.approvalMs)
  world.clock.now += limits.approvalMs
  await upkeep(world.host.vaults, { bus: world.broker.connect(), now: world.now(), random })
  expect(await answer).toEqual(refused('consent-expired'))
  await expect(world.alice.approve(question)).rejects.toMatchObject(gone)
})

test('a yes that comes too late is an expiry, swept or not', async () => {
  const acme = await connectService(world, 'Acme')
  const { answer, question } = await asked(acme)
  world.clock.now = question.expires
  await expect(world.alice.approve(question)).rejects.toMatchObject(gone)
  expect(await answer).toEqual(refused('consent-expired'))
  expect(await countOf(acme)).toBeUndefined()
})

test('a yes to a request under a contract that changed meanwhile is a refusal', async () => {
  const acme = await connectService(world, 'Acme')
  const { answer, question } = await asked(acme)
  const renewed = acme.connected.publishContract(acme.contract(2), { lifeMs: HOUR_MS })
  await world.alice.accept(await world.offers.take(), [])
  await renewed
  await world.alice.approve(question)
  expect(await answer).toEqual(refused('contract-stale'))
  expect(await countOf(acme)).toBeUndefined()
})

test('two devices say yes at once: one effect, and the second is told that the question is gone', async () => {
  const acme = await connectService(world, 'Acme')
  const tablet = await world.pair('tablet')
  const { answer, question } = await asked(acme)
  const both = await Promise.allSettled([world.alice.approve(question), tablet.approve(question)])
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  expect(await answer).toEqual({ status: 'replied', body: 1 })
  expect(await countOf(acme)).toBe('1')
  await expect(tablet.deny(question)).rejects.toMatchObject(gone)
})

test('a yes whose handler is at work when the other device says no has no effect', async () => {
  const acme = await connectService(world, 'Acme')
  const { answer, question } = await asked(acme)
  const gated = gatedPool(pool)
  const yes = world.holdCommand('consent.approve', { question: question.question })
  const delivery = world.hand(yes, { pool: gated })
  await gated.entered
  const tablet = await world.pair('tablet')
  await tablet.deny(question)
  gated.release()
  expect((await delivery).outcome).toBe('command-invalid')
  expect(await answer).toEqual(refused('consent-denied'))
  expect(await countOf(acme)).toBeUndefined()
})

test('a yes that another event overtakes runs the request again', async () => {
  const acme = await connectService(world, 'Acme')
  const { answer, question } = await asked(acme)
  const gated = gatedPool(pool)
  const delivery = world.hand(world.holdCommand('consent.approve', { question: question.question }), { pool: gated })
  await gated.entered
  expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 1 })
  gated.release()
  expect((await delivery).outcome).toBe('done')
  expect(await answer).toEqual({ status: 'replied', body: 2 })
})

test('a request that comes again while the yes to it is written is answered once that is durable', async () => {
  const acme = await connectService(world, 'Acme')
  const id = newEventId(random)
  const message = acme.seal('counts.ask', null, { id })
  await world.hand(message)
  // From now on a replay is counted and not written: no commit of its own holds its answer back.
  for (let count = 0; count < REFUSAL_ROWS_PER_HOUR; count++) await world.hand(message)
  const { question } = await world.questions.take()
  const { store } = await world.vault()
  const commit = store.commit.bind(store)
  const durable = Promise.withResolvers<void>()
  store.commit = async (...given) => {
    const receipt = await commit(...given)
    await durable.promise
    return receipt
  }
  const yes = world.hand(world.holdCommand('consent.approve', { question }), { pool })
  await until('it is written', async () => (await countOf(acme)) === '1')
  const heard = await world.listen(`MessageSpace.alice.forService.${acme.invitation.connection}.counts.ask`)
  const again = [world.hand(acme.seal('counts.ask', null, { id })), world.hand(message)]
  for (let turns = 0; turns < 50; turns++) await new Promise(setImmediate)
  expect(heard).toEqual([])
  durable.resolve()
  store.commit = commit
  const outcomes = (await Promise.all([yes, ...again])).map(({ outcome }) => outcome)
  expect(outcomes).toEqual(['done', 'done', 'replayed'])
  expect(heard).toHaveLength(3)
})

test('questions that ran out and are swept while a connection ends are answered once each', async () => {
  const acme = await connectService(world, 'Acme')
  const { connection } = acme.invitation
  const all = [await asked(acme), await asked(acme), await asked(acme)]
  const heard = await world.listen(`MessageSpace.alice.forService.${connection}.counts.ask`)
  world.clock.now = all[0]?.question.expires ?? 0
  const end = world.holdCommand('connection.sever', { connection })
  const bus = world.broker.connect()
  const sweep = upkeep(world.host.vaults, { bus, now: world.now(), random })
  const [, { outcome }] = await Promise.all([sweep, world.hand(end)])
  expect(outcome).toBe('done')
  const answers = await Promise.all(all.map(({ answer }) => answer))
  const codes = answers.map((answer) => (answer as { code?: string }).code)
  expect(codes.filter((code) => code === 'consent-expired')).toHaveLength(1)
  expect(codes.filter((code) => code === 'connection-inactive')).toHaveLength(2)
  const final = (await world.rows()).filter((row) => row.connection === connection && row.result === 'denied')
  expect(final).toHaveLength(3)
  expect(new Set(final.map(({ eventId }) => eventId)).size).toBe(3)
  expect(heard).toHaveLength(3)
})

test('a connection has only so many questions open', async () => {
  const acme = await connectService(world, 'Acme')
  for (let count = 0; count < PENDING_PER_CONNECTION_MAX; count++) await asked(acme)
  expect(await acme.ask('counts.ask')).toEqual(refused('rate-limited'))
  await world.alice.sever(acme.invitation.connection)
})
