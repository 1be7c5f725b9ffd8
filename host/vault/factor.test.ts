import { afterEach, beforeEach, expect, test } from 'vitest'

import { PIN_DELAY_MS, UNLOCK_ONCE_MS } from '#host/limits.ts'
import type { LockedRequest } from '#client/owner.ts'
import { mailbox } from '#host/commands/demo/mailbox.ts'
import { connectService, told, type Asker } from '#host/service.fixture.ts'
import { startWorld, type World } from '#host/world.fixture.ts'

const WINDOW_MS = 60_000
const asks = { fields: ['email'] }
let world: World
let acme: Asker

beforeEach(async () => {
  world = await startWorld({ handlers: ['data-access', 'counts', 'relays'] })
  acme = await connectService(world, 'Acme')
})
afterEach(() => world[Symbol.asyncDispose]())

async function protectEmail(windowMs: number): Promise<void> {
  await world.alice.setFactor({ pin: '271828', windowMs })
  await world.alice.protect('personal', 'field/email')
}

/** A request that waits, and what the owner is told of it. */
async function waiting(type: string, body?: unknown) {
  const notices = mailbox<LockedRequest>()
  world.alice.onLocked(notices.put)
  const { answer, pending } = await acme.request(type, body)
  await pending
  const notice = await notices.take()
  if (notice.question === null) throw new Error('it was refused')
  return { answer: answer.then(told), notice }
}

async function emailShown(): Promise<boolean> {
  const { items } = await world.alice.browse('personal', { prefix: 'field/email' })
  return items[0]?.value !== null
}

test('what is critical needs the PIN, within the window that the owner set', async () => {
  await expect(world.alice.protect('personal', 'field/email')).rejects.toThrow('set a second factor first')
  expect(await acme.ask('data.request', asks)).toMatchObject({ status: 'replied' })
  await protectEmail(WINDOW_MS)
  const waits = await waiting('data.request', asks)
  expect(waits.notice).toMatchObject({ who: 'Acme', type: 'data.request', locked: true, fields: ['email'] })
  expect(await emailShown()).toBe(false)
  expect(await world.alice.unlock('271828')).toBe(world.clock.now + WINDOW_MS)
  expect(await waits.answer).toMatchObject({ status: 'replied' })
  expect(await acme.ask('data.request', asks)).toMatchObject({ status: 'replied' })
  expect(await acme.ask('data.request', asks)).toMatchObject({ status: 'replied' })
  expect(await emailShown()).toBe(true)
  world.clock.now += WINDOW_MS
  const late = await waiting('data.request', asks)
  await world.alice.unlock('271828')
  expect(await late.answer).toMatchObject({ status: 'replied' })
  await world.alice.lock()
  await waiting('data.request', asks)
})

test('what waits for the PIN survives a restart, and is handled as the very request it was', async () => {
  await protectEmail(WINDOW_MS)
  const { answer, notice } = await waiting('data.request', asks)
  await world.kill()
  await world.start()
  expect((await world.alice.pending()).questions).toMatchObject([{ question: notice.question, locked: true }])
  await expect(world.alice.unlock('000000')).rejects.toThrow('second-factor-wrong')
  await expect(world.alice.approve(notice)).rejects.toThrow('it waits for your PIN')
  await world.alice.unlock('271828')
  expect(await answer).toMatchObject({ status: 'replied', body: { fields: { email: 'alice@example.org' } } })
  expect((await world.alice.pending()).questions).toEqual([])
  const rows = (await world.rows()).filter(
    ({ eventType, result, reason }) => eventType === 'data.request' && result !== 'noted' && reason !== 'replayed',
  )
  expect(rows).toMatchObject([
    { result: 'pending', reason: 'second-factor-needed' },
    { result: 'approved', link: rows[0]?.sequence },
  ])
})

test('it ends with the owner’s no, with the time that a question has, and with the connection', async () => {
  await protectEmail(WINDOW_MS)
  const first = await waiting('data.request', asks)
  await world.alice.deny(first.notice)
  expect(await first.answer).toMatchObject({ status: 'refused', code: 'consent-denied' })
  const second = await waiting('data.request', asks)
  world.clock.now = second.notice.expires
  expect(await second.answer).toMatchObject({ status: 'refused', code: 'consent-expired' })
  const third = await waiting('data.request', asks)
  await world.alice.sever(acme.invitation.connection)
  expect(await third.answer).toMatchObject({ status: 'refused', code: 'connection-inactive' })
  await world.alice.unlock('271828')
})

test('a request that is worth nothing later does not wait', async () => {
  const told = mailbox<LockedRequest>()
  world.alice.onLocked(told.put)
  await acme.ask('relays.take', 1)
  await world.alice.setFactor({ pin: '271828', windowMs: WINDOW_MS })
  await world.alice.protect(`connection/${acme.invitation.connection}`, 'taken')
  expect(await acme.ask('relays.hint', 1)).toMatchObject({
    status: 'refused',
    code: 'second-factor-needed',
    retry: true,
  })
  expect(await told.take()).toEqual({ question: null, who: 'Acme', type: 'relays.hint' })
  expect((await world.alice.pending()).questions).toEqual([])
})

test('an event that the owner allowed first waits for the PIN after it, and keeps the yes', async () => {
  await world.alice.setFactor({ pin: '271828', windowMs: 0 })
  await world.alice.protect('personal', 'field/date_of_birth')
  const { answer, pending } = await acme.request('data.request', { fields: ['date_of_birth'] })
  await pending
  const told = mailbox<LockedRequest>()
  world.alice.onLocked(told.put)
  await world.alice.approve(await world.questions.take())
  await told.take()
  await world.alice.unlock('271828')
  expect(await answer).toMatchObject({ status: 'replied' })
})

test('with a window of 0 a PIN is for one event', async () => {
  await protectEmail(0)
  expect(await world.alice.unlock('271828')).toBe(world.clock.now + UNLOCK_ONCE_MS)
  expect(await acme.ask('data.request', asks)).toMatchObject({ status: 'replied' })
  const [one, other] = [await waiting('data.request', asks), await waiting('data.request', asks)]
  await world.alice.unlock('271828')
  expect(await one.answer).toMatchObject({ status: 'replied' })
  expect((await world.alice.pending()).questions).toMatchObject([{ question: other.notice.question }])
  await world.alice.unlock('271828')
  expect(await other.answer).toMatchObject({ status: 'replied' })
})

test('a handler that reads what is critical in its namespace has done nothing', async () => {
  await acme.ask('counts.run')
  await world.alice.setFactor({ pin: '271828', windowMs: WINDOW_MS })
  const namespace = `connection/${acme.invitation.connection}`
  await world.alice.protect(namespace, 'n')
  const { answer } = await waiting('counts.run')
  expect((await world.vault()).store.namespace(`connection/${acme.invitation.connection}`).get('n')?.revision).toBe(2)
  await world.alice.unlock('271828')
  expect(await answer).toEqual({ status: 'replied', body: 2 })
  expect((await world.alice.browse(namespace)).items).toMatchObject([{ sensitivity: 'critical' }])
  const { connection } = acme.invitation
  expect((await world.alice.items(connection)).items[0]?.value).not.toBeNull()
  await world.alice.lock()
  expect((await world.alice.items(connection)).items[0]?.value).toBeNull()
  await expect(world.alice.protect('system', 'published')).rejects.toThrow('none that can be protected')
})

test('each try is counted before it is looked at, and after three they have to wait, longer each time', async () => {
  await protectEmail(WINDOW_MS)
  for (let wrong = 0; wrong < 3; wrong++)
    await expect(world.alice.unlock('000000')).rejects.toThrow('not the right PIN')
  await expect(world.alice.unlock('271828')).rejects.toThrow('too many tries')
  await world.kill()
  await world.start()
  expect((await world.vault()).factor.record()).toMatchObject({ failures: 3 })
  await expect(world.alice.unlock('271828')).rejects.toThrow('too many tries')
  world.clock.now += PIN_DELAY_MS
  await expect(world.alice.unlock('000000')).rejects.toThrow('not the right PIN')
  world.clock.now += PIN_DELAY_MS
  await expect(world.alice.unlock('271828')).rejects.toThrow('too many tries')
  world.clock.now += PIN_DELAY_MS
  await world.alice.unlock('271828')
  expect((await world.vault()).factor.record()).toMatchObject({ failures: 0 })
})

test('another PIN needs the one before, and no file holds either', async () => {
  await protectEmail(WINDOW_MS)
  await expect(world.alice.setFactor({ pin: '314159', windowMs: 0 })).rejects.toThrow('second-factor-wrong')
  await expect(world.alice.setFactor({ pin: '314159', windowMs: 900_001, current: '271828' })).rejects.toThrow(
    'invalid',
  )
  await world.alice.setFactor({ pin: '314159', windowMs: 0, current: '271828' })
  await expect(world.alice.unlock('271828')).rejects.toThrow('second-factor-wrong')
  await world.alice.unlock('314159')
})
