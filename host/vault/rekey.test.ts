import { afterAll, beforeAll, expect, test } from 'vitest'

import { nativeCrypto } from '#host/crypto/native.ts'
import { reconnect } from '#client/service.ts'
import { answerRekey, offerRekey } from '#host/crypto/rekey.ts'
import { exportSession, importSession } from '#host/crypto/session.ts'
import { bind, envelopeOf, openBytes, pair, random } from '#host/crypto/session.fixture.ts'
import { REFUSAL_ROWS_PER_HOUR, REKEY_MESSAGES } from '#host/limits.ts'
import { connectService, serviceOf, type Asker, told } from '#host/service.fixture.ts'
import { startWorld, until, type World } from '#host/world.fixture.ts'
import { parseConnectionId, parseVaultId } from '#host/wire/id.ts'
import type { Device } from './party.ts'
import { follow } from './rekey.ts'

test('an answer that comes too late moves no epoch, and its place in the window is stored with it', () => {
  const { a, b } = pair()
  // A crash took the offer back after it had left.
  const session = importSession(nativeCrypto, exportSession(a))
  const offer = offerRekey(a, { bind, mid: random(16), now: 0 }) ?? new Uint8Array(0)
  const answered = { envelope: envelopeOf(offer), opened: openBytes(b, offer) }
  const answer = answerRekey(b, answered, { bind, mid: random(16), now: 0 }) ?? new Uint8Array(0)
  const record = { label: 'Phone', verifyKey: random(32), status: 'active', addedAt: 0 } as const
  const party: Device = {
    party: 'device',
    id: 'phone',
    key: 'device/phone',
    vault: parseVaultId('alice'),
    record,
    session,
  }
  const heard = () => ({
    kind: 'rekey' as const,
    party,
    envelope: envelopeOf(answer),
    message: openBytes(session, answer),
  })
  const { changes, messages } = follow(heard(), { now: 0, random })
  expect(messages).toEqual([])
  expect(changes.map(({ key }) => key)).toEqual(['session/device/phone'])
  const restored = importSession(nativeCrypto, changes[0]?.value ?? new Uint8Array(0))
  expect(restored.state.epochs).toHaveLength(1)
  expect(openBytes(restored, answer).replay).toBe(true)
  expect(follow(heard(), { now: 0, random }).changes).toEqual([])
})

let world: World

beforeAll(async () => {
  world = await startWorld({ handlers: ['counts'] })
})
afterAll(() => world[Symbol.asyncDispose]())

/** Epochs that the vault's side has been through. */
async function epochOf({ invitation }: Asker): Promise<number> {
  const { connections } = await world.vault()
  return connections.get(parseConnectionId(invitation.connection))?.session?.state.epochs[0].number ?? -1
}

async function again(service: Asker): Promise<Asker> {
  await service.connected.conversation.close()
  const connected = await reconnect(service.invitation, service.options)
  if (!connected) throw new Error('nothing was stored')
  return serviceOf(world, { ...service, connected })
}

async function restart(): Promise<void> {
  await world.kill()
  await world.start()
}

test('a long conversation moves on to new epochs, both ways', async () => {
  const acme = await connectService(world, 'Acme')
  expect(await epochOf(acme)).toBe(0)
  const spoken = 3 * REKEY_MESSAGES
  for (let count = 1; count <= spoken; count++) {
    expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: count })
  }
  expect(await epochOf(acme)).toBeGreaterThanOrEqual(3)
})

test('the side that says more moves it on, be it the vault', async () => {
  const acme = await connectService(world, 'Acme')
  const offers = await world.listen(`MessageSpace.alice.forService.${acme.invitation.connection}.session.rekey`)
  // Two messages of the vault for each one of the service: pending, and the answer.
  for (let count = 1; count <= REKEY_MESSAGES / 2 + 4; count++) {
    const { answer } = await acme.request('counts.ask')
    await world.alice.approve(await world.questions.take())
    expect(told(await answer)).toEqual({ status: 'replied', body: count })
  }
  expect(offers.length).toBeGreaterThan(0)
  await until('the next epoch', async () => (await epochOf(acme)) >= 1)
})

test('the conversation goes on over restarts of either side, in any epoch', async () => {
  let acme = await connectService(world, 'Acme')
  let count = 0
  for (const turn of ['host', 'service', 'both', 'host', 'service'] as const) {
    for (let times = 0; times < REKEY_MESSAGES / 2; times++) {
      count += 1
      expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: count })
    }
    if (turn !== 'service') await restart()
    if (turn !== 'host') acme = await again(acme)
  }
  expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: count + 1 })
  expect(await epochOf(acme)).toBeGreaterThanOrEqual(2)
})

test('a request that had no answer when its service was stopped is answered when it is back', async () => {
  const acme = await connectService(world, 'Acme')
  const { message, id } = await acme.hold('counts.run')
  const back = await again(acme)
  await until('the row', async () => (await world.rows()).some(({ eventId }) => eventId === id))
  // What it had sealed before it stopped is a second envelope of one event by now.
  expect((await world.hand(message)).outcome).toBe('done')
  expect(await back.ask('counts.run')).toEqual({ status: 'replied', body: 2 })
})

test('answers that were never written do not stand in the way of those after a crash', async () => {
  const acme = await connectService(world, 'Acme')
  const flood = Array.from({ length: 3 * REFUSAL_ROWS_PER_HOUR }, () => acme.ask('payment.request'))
  await Promise.all(flood)
  await restart()
  for (let count = 1; count <= 3; count++) {
    expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: count })
  }
})

test("the owner's conversation moves on too, and questions reach the phone in a new epoch", async () => {
  const acme = await connectService(world, 'Acme')
  for (let count = 0; count < 2 * REKEY_MESSAGES; count++) await world.alice.putField('email', `${count}@example.org`)
  const { devices } = await world.vault()
  expect(devices.get('phone')?.session?.state.epochs[0].number).toBeGreaterThanOrEqual(1)
  const { answer } = await acme.request('counts.ask')
  await world.alice.approve(await world.questions.take())
  expect(told(await answer)).toEqual({ status: 'replied', body: 1 })
})
