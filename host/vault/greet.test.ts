import { afterAll, beforeAll, expect, test } from 'vitest'

import { connect, discover } from '#client/service.ts'
import { forgetfulStore } from '#client/transport.ts'
import { hello } from '#host/contracts/handshake.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { GREETINGS_PER_HOUR } from '#host/limits.ts'
import type { Message } from '#host/messaging/port.ts'
import { connectService, HOUR_MS } from '#host/service.fixture.ts'
import { random, startWorld, until, type World } from '#host/world.fixture.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { decodeRecord } from './records.ts'

let world: World

beforeAll(async () => {
  world = await startWorld({ handlers: ['counts'] })
})
afterAll(() => world[Symbol.asyncDispose]())

const only = (messages: readonly Message[]): Message => {
  const [message, ...others] = messages
  if (!message || others.length > 0) throw new Error(`${messages.length} messages, not one`)
  return message
}

test('a hello that comes again gets the same answer and changes nothing', async () => {
  const hellos = await world.listen('MessageSpace.alice.fromService.*.connection.hello')
  const accepts = await world.listen('MessageSpace.alice.forService.*.connection.accept')
  const acme = await connectService(world, 'Acme')
  await acme.ask('counts.run')
  const { head } = (await world.vault()).store
  const first = only(accepts)
  for (const restart of [false, true]) {
    if (restart) await world.kill()
    if (restart) await world.start()
    accepts.length = 0
    expect((await world.hand(only(hellos))).outcome).toBe('done')
    await until('the accept', () => accepts.length > 0)
    for (const accept of accepts) expect(accept).toEqual(first)
  }
  expect((await world.vault()).store.head).toEqual(head)
  expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 2 })
})

test('a hello waits for the owner through a crash, and its sender gets the answer to it', async () => {
  const hellos = await world.listen('MessageSpace.alice.fromService.*.connection.hello')
  const connecting = connectService(world, 'Acme')
  await until('the contract', async () => {
    const { connections } = await world.vault()
    return [...connections.values()].some(({ record }) => record.status === 'proposed')
  })
  await world.kill()
  await world.start()
  // Undecided: nothing is answered, and the owner is not asked twice.
  expect((await world.hand(only(hellos))).outcome).toBe('done')
  const acme = await connecting
  expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 1 })
})

test('an invitation is good for one', async () => {
  const acme = await connectService(world, 'Acme')
  const signing = generateSigningKey()
  const profile = await discover(acme.invitation, acme.options)
  const { message } = hello({ crypto: nativeCrypto, signing, profile, offer: acme.contract(1), random })
  const subject = `MessageSpace.alice.fromService.${acme.invitation.connection}.connection.hello`
  expect((await world.hand({ subject, data: message })).outcome).toBe('connection-inactive')
  expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 1 })
})

test('a contract that its sender did not sign is not shown to the owner', async () => {
  const acme = await connectService(world, 'Acme')
  const invitation = await world.alice.invite('Bolt', 'service')
  const signing = generateSigningKey()
  const options = { ...acme.options, signing }
  const profile = await discover(invitation, options)
  const from = world.traces.length
  void connect(invitation, { profile, contract: acme.contract(1) }, options)
  expect((await world.traced('connection.hello', from)).outcome).toBe('contract-invalid')
})

test('greetings are limited by the hour and connection, and cost nobody else', async () => {
  const acme = await connectService(world, 'Acme')
  const bolt = await connectService(world, 'Bolt')
  world.clock.now += HOUR_MS
  const ask = async ({ invitation }: typeof acme) => {
    const subject = `MessageSpace.alice.fromService.${invitation.connection}.profile.get`
    return (await world.hand({ subject, data: new Uint8Array(0) })).outcome
  }
  const outcomes = new Map<string, number>()
  for (let count = 0; count < GREETINGS_PER_HOUR + 5; count++) {
    const outcome = await ask(acme)
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  }
  expect(Object.fromEntries(outcomes)).toEqual({ done: GREETINGS_PER_HOUR, 'rate-limited': 5 })
  expect(await ask(bolt)).toBe('done')
  expect(await acme.ask('counts.run')).toMatchObject({ status: 'replied' })
  world.clock.now += HOUR_MS
  expect(await ask(acme)).toBe('done')
})

test.each([
  ['of another key', 'phone', () => generateSigningKey()],
  ['of no device', 'fridge', () => generateSigningKey()],
])('a device hello %s is refused and not answered', async (_name, device, key) => {
  const acme = await connectService(world, 'Acme')
  const heard = await world.listen('OwnerSpace.alice.forApp.device.accept')
  const profile = await discover(acme.invitation, acme.options)
  const { message } = hello({ crypto: nativeCrypto, signing: key(), profile, offer: encodeCbor({ device }), random })
  const subject = 'OwnerSpace.alice.forVault.device.hello'
  expect((await world.hand({ subject, data: message })).outcome).toBe('device-unknown')
  expect(heard).toEqual([])
})

test('a service that restarts while it waits for the owner goes on with the hello it sent', async () => {
  const acme = await connectService(world, 'Acme')
  const invitation = await world.alice.invite('Bolt', 'service')
  const options = { ...acme.options, store: forgetfulStore() }
  const profile = await discover(invitation, options)
  const hellos = await world.listen(`MessageSpace.alice.fromService.${invitation.connection}.connection.hello`)
  void connect(invitation, { profile, contract: acme.contract(1) }, options)
  const offer = await world.offers.take()
  // As after a restart: nothing is left of the first call but what it stored.
  const again = connect(invitation, { profile, contract: acme.contract(1) }, options)
  await until('the second hello', () => hellos.length === 2)
  expect(hellos[1]).toEqual(hellos[0])
  await world.alice.accept(offer, [])
  expect((await again).terms()).toEqual({ version: 1, declined: [] })
})

test('a recorded device hello takes nothing from the device that has paired since', async () => {
  const hellos = await world.listen('OwnerSpace.alice.forVault.device.hello')
  const accepts = await world.listen('OwnerSpace.alice.forApp.device.accept')
  await world.pair('phone')
  const recorded = only(hellos)
  const phone = await world.pair('phone')
  accepts.length = 0
  expect((await world.hand(recorded)).outcome).toBe('done')
  await phone.putField('email', 'alice@example.net')
  expect(accepts).toEqual([])
  // The world's own phone paired before both: its session is over.
  expect((await world.hand(world.holdCommand('field.put', { name: 'email', value: '' }))).outcome).toBe(
    'device-unknown',
  )
})

test('a device that pairs anew leaves no answers behind', async () => {
  await world.pair('phone')
  await world.pair('phone')
  const { system } = await world.vault()
  const kept = system
    .scan({ prefix: 'greeting/', limit: 100 })
    .items.map(([, item]) => decodeRecord('greeting', item.value))
    .filter(({ from }) => from === 'device/phone')
  expect(kept.length).toBeGreaterThan(1)
  expect(kept.filter(({ answer }) => answer !== null)).toHaveLength(1)
})
