import { afterEach, beforeEach, expect, test } from 'vitest'

import type { ProfileChange } from '#client/service.ts'
import { discover } from '#client/service.ts'
import { decodeReply, type Reply } from '#host/wire/reply.ts'
import { decodeCbor } from '#host/wire/cbor.ts'
import { offeredEvents } from '#host/contracts/offer.ts'
import { verifyContract } from '#host/contracts/contract.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { connectService, type Asker } from '#host/service.fixture.ts'
import { startWorld, until, type World } from '#host/world.fixture.ts'

let world: World

beforeEach(async () => {
  world = await startWorld({ handlers: ['counts', 'keeps'] })
})
afterEach(async () => {
  await world[Symbol.asyncDispose]()
})

function changesFor({ connected }: Asker): ProfileChange[] {
  const heard: ProfileChange[] = []
  connected.onProfileChanged((change) => heard.push(change))
  return heard
}

async function another(handlers?: readonly string[]): Promise<void> {
  await world.kill()
  await world.start(handlers)
}

test('a connection is told once, and only of types its contract permits, when another image changes them', async () => {
  const permissions = { store: { categories: [], bytesMax: 0 }, messages: false, authentication: false, payment: false }
  const acme = await connectService(world, 'Acme', {
    changes: { permissions: { ...permissions, events: ['counts.run'] } },
  })
  const shop = await connectService(world, 'Shop', {
    changes: { permissions: { ...permissions, events: ['keeps.run'] } },
  })
  const heard = changesFor(acme)
  const unheard = changesFor(shop)
  const told: unknown[] = []
  world.alice.conversation.on('profile.changed', ({ body }) => told.push(decodeCbor(body)))

  await another(['keeps'])
  const [change] = await until('the change', () => heard.length > 0 && heard)
  expect(change).toMatchObject({ added: [], removed: ['counts.run'], changed: [] })
  const profile = await discover(acme.invitation, acme.options)
  expect(change?.profile).toEqual(profile.hash)
  const { contract } = verifyContract(nativeCrypto, acme.contract(1), acme.options.signing.publicKey)
  expect(offeredEvents(contract, { handlers: profile.handlers, declined: [] })).toEqual([])
  await until('the owner', () => told.length > 0)
  expect(told).toEqual([expect.objectContaining({ removed: ['counts.ask', 'counts.run'] })])

  await another()
  await another(['counts', 'keeps'])
  await until('the change back', () => heard.length > 1)
  expect(heard).toMatchObject([{ removed: ['counts.run'] }, { added: ['counts.run'], removed: [] }])
  expect(unheard).toEqual([])
  const rows = (await world.rows()).filter(({ eventType }) => eventType === 'profile.changed')
  expect(rows.map(({ who, reason }) => [who, reason])).toEqual([
    ['host', '0 added, 2 removed, 0 changed'],
    ['host', '2 added, 0 removed, 0 changed'],
  ])
})

test('a connection that was severed is told nothing', async () => {
  const acme = await connectService(world, 'Acme')
  const heard = await world.listen(`MessageSpace.*.forService.${acme.invitation.connection}.profile.changed`)
  await world.alice.sever(acme.invitation.connection)
  await another(['keeps'])
  expect((await world.rows()).map(({ eventType }) => eventType)).toContain('profile.changed')
  expect(heard).toEqual([])
})

test('an unsupported type is refused with what this contract may send here', async () => {
  const acme = await connectService(world, 'Acme')
  expect(await acme.ask('payment.request')).toMatchObject({
    status: 'refused',
    code: 'unsupported-event',
    message: expect.stringMatching(/: counts\.run, counts\.ask, keeps\.run$/),
  })
})

test('a version that is not in force is refused with the one that is', async () => {
  const acme = await connectService(world, 'Acme')
  const answers: Reply[] = []
  acme.connected.conversation.on('counts.run', ({ body }) => answers.push(decodeReply(body)))
  await world.hand(acme.seal('counts.run', null, { contractVersion: 7 }))
  const [answer] = await until('the answer', () => answers.length > 0 && answers)
  expect(answer).toMatchObject({ code: 'contract-stale', message: expect.stringMatching(/: version 1$/) })
})
