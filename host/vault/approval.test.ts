import { afterAll, beforeAll, expect, test } from 'vitest'

import type { Question } from '#client/owner.ts'
import { connectService, type Asker, told } from '#host/service.fixture.ts'
import { startWorld, type World } from '#host/world.fixture.ts'

let world: World

beforeAll(async () => {
  world = await startWorld({ handlers: ['asks'] })
})
afterAll(() => world[Symbol.asyncDispose]())

/** A request whose handler asks the owner, and its question on the phone. */
async function asked(
  service: Asker,
  body: unknown,
  type = 'asks.run',
): Promise<{ answer: Promise<unknown>; question: Question }> {
  const { answer, pending } = await service.request(type, body)
  await pending
  return { answer: answer.then(told), question: await world.questions.take() }
}

test('a handler asks in its own words; after a crash the answer is there and its first writes are not', async () => {
  const acme = await connectService(world, 'Acme')
  const { answer, question } = await asked(acme, { text: 'Pay 12 francs to Acme?', choices: ['card', 'account'] })
  expect(question).toMatchObject({ who: 'Acme', text: 'Pay 12 francs to Acme?', choices: ['card', 'account'] })
  await world.kill()
  await world.start()
  await world.alice.approve(question, 'account')
  expect(await answer).toEqual({ status: 'replied', body: { answer: { tag: 'chosen', val: 'account' }, asked: false } })
  const rows = (await world.rows()).filter(({ eventType, who }) => eventType === 'asks.run' && who === 'Acme')
  // The broker may bring the request again after the crash: that is a replay, and a row of its own.
  const answered = rows.filter(({ reason }) => reason !== 'replayed')
  expect(answered.map(({ result }) => result)).toEqual(['pending', 'approved'])
  expect(answered[1]?.link).toBe(answered[0]?.sequence)
})

test('a plain question takes a plain yes', async () => {
  const acme = await connectService(world, 'Acme')
  const { answer, question } = await asked(acme, { text: 'Share?', choices: [] })
  await expect(world.alice.approve(question, 'card')).rejects.toMatchObject({ code: 'command-invalid' })
  await world.alice.approve(question)
  expect(await answer).toMatchObject({ body: { answer: { tag: 'yes' } } })
})

test('only what was offered may be chosen, and something must be', async () => {
  const acme = await connectService(world, 'Acme')
  const { answer, question } = await asked(acme, { text: 'Which?', choices: ['a', 'b'] })
  for (const choice of ['c', '', undefined]) {
    await expect(world.alice.approve(question, choice)).rejects.toMatchObject({ code: 'command-invalid' })
  }
  await world.alice.deny(question)
  expect(await answer).toMatchObject({ status: 'refused', code: 'consent-denied' })
})

test('a handler that asks twice about one request is refused', async () => {
  const acme = await connectService(world, 'Acme')
  const { answer, question } = await asked(acme, { text: 'Sure?', choices: [], again: true })
  await world.alice.approve(question)
  expect(await answer).toMatchObject({ status: 'refused', code: 'handler-output' })
})

test("the contract's question comes first and is none to the handler's own", async () => {
  const acme = await connectService(world, 'Acme')
  const { answer, question } = await asked(acme, {}, 'asks.twice')
  expect(question.text).toBeNull()
  await world.alice.approve(question)
  const own = await world.questions.take()
  expect(own.text).toBe('really?')
  await world.alice.approve(own)
  expect(await answer).toMatchObject({ status: 'replied', body: { answer: { tag: 'yes' } } })
  const rows = (await world.rows()).filter(({ eventType }) => eventType === 'asks.twice')
  expect(rows.map(({ result }) => result)).toEqual(['pending', 'pending', 'approved'])
  expect(rows[2]?.link).toBe(rows[1]?.sequence)
})
