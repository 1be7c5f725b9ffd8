import { afterEach, beforeEach, expect, test } from 'vitest'

import { PIN_DELAY_MS, UNLOCK_ONCE_MS } from '#host/limits.ts'
import { noticesOf } from '#host/peers.fixture.ts'
import { connectService, type Asker } from '#host/service.fixture.ts'
import { startWorld, type World } from '#host/world.fixture.ts'

const WINDOW_MS = 60_000
const locked = { status: 'refused', code: 'second-factor-needed', retry: true }
const asks = { fields: ['email'] }
let world: World
let acme: Asker

beforeEach(async () => {
  world = await startWorld({ handlers: ['data-access', 'counts'] })
  acme = await connectService(world, 'Acme')
})
afterEach(() => world[Symbol.asyncDispose]())

async function protectEmail(windowMs: number): Promise<void> {
  await world.alice.setFactor({ pin: '271828', windowMs })
  await world.alice.protect('personal', 'field/email')
}

async function emailShown(): Promise<boolean> {
  const { items } = await world.alice.browse('personal', { prefix: 'field/email' })
  return items[0]?.value !== null
}

test('what is critical needs the PIN, within the window that the owner set', async () => {
  await expect(world.alice.protect('personal', 'field/email')).rejects.toThrow('set a second factor first')
  const told = noticesOf(world, 'factor.needed')
  expect(await acme.ask('data.request', asks)).toMatchObject({ status: 'replied' })
  await protectEmail(WINDOW_MS)
  expect(await acme.ask('data.request', asks)).toMatchObject(locked)
  expect(await told.take()).toMatchObject({ alias: 'Acme', type: 'data.request' })
  expect(await emailShown()).toBe(false)
  expect(await world.alice.unlock('271828')).toBe(world.clock.now + WINDOW_MS)
  expect(await acme.ask('data.request', asks)).toMatchObject({ status: 'replied' })
  expect(await acme.ask('data.request', asks)).toMatchObject({ status: 'replied' })
  expect(await emailShown()).toBe(true)
  world.clock.now += WINDOW_MS
  expect(await acme.ask('data.request', asks)).toMatchObject(locked)
  await world.alice.unlock('271828')
  await world.alice.lock()
  expect(await acme.ask('data.request', asks)).toMatchObject(locked)
})

test('with a window of 0 a PIN is for one event', async () => {
  await protectEmail(0)
  expect(await world.alice.unlock('271828')).toBe(world.clock.now + UNLOCK_ONCE_MS)
  expect(await acme.ask('data.request', asks)).toMatchObject({ status: 'replied' })
  expect(await acme.ask('data.request', asks)).toMatchObject(locked)
})

test('a handler that reads what is critical in its namespace has done nothing', async () => {
  await acme.ask('counts.run')
  await world.alice.setFactor({ pin: '271828', windowMs: WINDOW_MS })
  const namespace = `connection/${acme.invitation.connection}`
  await world.alice.protect(namespace, 'n')
  expect(await acme.ask('counts.run')).toMatchObject(locked)
  await world.alice.unlock('271828')
  expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 2 })
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
