import { afterAll, beforeAll, expect, test } from 'vitest'

import { openIssuer } from '#client/issuer.ts'
import type { ContractField, Tier } from '#host/contracts/contract.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { connectService } from '#host/service.fixture.ts'
import { startWorld, type World } from '#host/world.fixture.ts'

const LIFE = { lifeMs: 60_000 }
const dmv = openIssuer(nativeCrypto, new Uint8Array(32).fill(1))
const uni = openIssuer(nativeCrypto, new Uint8Array(32).fill(2))

const field = (name: string, tier: Tier): ContractField => ({
  name,
  tier,
  purpose: 'to sell wine',
  retention: { kind: 'until-revoked' },
})
const none = { store: null, messages: false, authentication: false, payment: false }
const terms = (events: readonly string[], ...fields: ContractField[]) => ({
  changes: { fields, permissions: { ...none, events } },
})

let world: World

beforeAll(async () => {
  world = await startWorld({ handlers: ['verification', 'counts'] })
  const licence = { kind: 'driving-licence', expires: null, claims: [['age_over_21', true]] as const }
  const degree = [['degree', 'MSc'] as const, ['birth_date', '1990-04-12'] as const]
  const gone = Date.UTC(2027, 1)
  await world.alice.addCredential('car', { label: 'My licence', credential: dmv.issue(licence) })
  await world.alice.addCredential('uni', {
    label: 'My degree',
    credential: uni.issue({ kind: 'diploma', expires: null, claims: degree }),
  })
  await world.alice.addCredential('old', {
    label: 'The old one',
    credential: dmv.issue({ ...licence, kind: 'old-licence', expires: gone }),
  })
  world.clock.now = gone
})
afterAll(() => world[Symbol.asyncDispose]())

test('a connection learns what it may use, and of credentials the claims that its contract declares', async () => {
  const shop = await connectService(
    world,
    'Shop',
    terms(['identity.verify', 'other.run'], field('age_over_21', 'required'), field('birth_date', 'on-demand')),
  )
  const told = await shop.connected.catalogue(LIFE)
  expect(told).toEqual({
    events: [
      {
        type: 'identity.verify',
        handler: 'verification',
        version: expect.any(String),
        summary: expect.any(String),
        asks: [
          { name: 'age_over_21', tier: 'required' },
          { name: 'birth_date', tier: 'on-demand' },
        ],
      },
    ],
    credentials: [
      { alias: 'car', kind: 'driving-licence', issuer: dmv.name, claims: ['age_over_21'] },
      { alias: 'uni', kind: 'diploma', issuer: uni.name, claims: ['birth_date'] },
    ],
  })
  expect(JSON.stringify(told)).not.toMatch(/MSc|1990|degree|My /)
  const row = (await world.rows()).find(({ eventType }) => eventType === 'catalogue.get')
  expect(row).toMatchObject({ who: 'Shop', result: 'replied', fields: ['age_over_21', 'birth_date'] })
})

test('a credential without a declared claim is as good as absent, and so is one whose claim was declined', async () => {
  const bolt = await connectService(world, 'Bolt', terms(['counts.run'], field('email', 'required')))
  expect((await bolt.connected.catalogue(LIFE)).credentials).toEqual([])
  const picky = terms(['counts.run'], field('age_over_21', 'optional'))
  const zip = await connectService(world, 'Zip', { ...picky, declined: ['age_over_21'] })
  expect((await zip.connected.catalogue(LIFE)).credentials).toEqual([])
})

test('it is refused like any event: without a token, and to a connection that has ended', async () => {
  const limits = { requestsPerHour: 1, storageBytes: 0 }
  const { changes } = terms(['counts.run'], field('email', 'required'))
  const once = await connectService(world, 'Once', { changes: { ...changes, limits } })
  await once.connected.catalogue(LIFE)
  await expect(once.connected.catalogue(LIFE)).rejects.toThrow('rate-limited')
  await world.alice.sever(once.invitation.connection)
  await expect(once.connected.catalogue(LIFE)).rejects.toThrow('connection-inactive')
})
