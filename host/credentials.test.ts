/** A vault with a driving licence, and services that want to know one thing of it. */
import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { openIssuer } from '#client/issuer.ts'
import type { ContractField, Tier } from '#host/contracts/contract.ts'
import { type Claim, decodeCredential } from '#host/crypto/credential.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { CREDENTIALS_MAX } from '#host/limits.ts'
import { createPool, type Pool } from '#host/plugin/pool.ts'
import { storedCredentials } from '#host/vault/credentials.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'

import { type Asker, connectService, told } from './service.fixture.ts'
import { startWorld, type World } from './world.fixture.ts'

const expires = Date.UTC(2029, 5)
const dmv = openIssuer(nativeCrypto, new Uint8Array(32).fill(1))
const BIRTH = '1990-04-12'
const NUMBER = 'D4427-8813'
const claims: readonly Claim[] = [
  ['age_over_21', true],
  ['licence_valid', true],
  ['birth_date', BIRTH],
  ['licence_number', NUMBER],
  ['donor', false],
]
const licence = dmv.issue({ kind: 'driving-licence', expires, claims })
const boat = dmv.issue({ kind: 'boat-licence', expires, claims: [['may_sail', true]] })
const { signature } = decodeCredential(licence)

const field = (name: string, tier: Tier): ContractField => ({
  name,
  tier,
  purpose: 'to sell wine',
  retention: { kind: 'until-revoked' },
})
const fields = [field('age_over_21', 'required'), field('licence_valid', 'optional'), field('donor', 'consent')]

let world: World
let pool: Pool
let shop: Asker

beforeAll(async () => {
  world = await startWorld({ handlers: ['verification'] })
  pool = await createPool({ registry: world.host.registry, cells: 1, spares: 0 })
  await world.alice.addCredential('car', { label: 'My licence', credential: licence })
  shop = await connectService(world, 'Shop', { changes: { fields } })
})
afterAll(async () => {
  await pool[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

const fresh = (): Uint8Array => new Uint8Array(randomBytes(24))
const asking = (nonce: Uint8Array, names: readonly string[] = ['age_over_21']): unknown => ({
  claims: names,
  nonce: nonce.toBase64({ alphabet: 'base64url', omitPadding: true }),
})

/** The presentation in an answer. */
function presentationIn(answer: unknown): Uint8Array {
  const { status, body } = answer as { status: string; body: { proof: string } }
  expect(status).toBe('replied')
  return Uint8Array.fromBase64(body.proof, { alphabet: 'base64url' })
}

async function proven(service: Asker, nonce: Uint8Array, names?: readonly string[]): Promise<Uint8Array> {
  return presentationIn(await service.ask('identity.verify', asking(nonce, names)))
}

const invalid = expect.objectContaining({ code: 'proof-invalid' })
const issuers = [dmv.name]
const over21 = ['age_over_21']

describe('a service that asks whether the owner is over 21', () => {
  test('learns that, from whom, and nothing else', async () => {
    const nonce = fresh()
    const bytes = await proven(shop, nonce)
    const { kind, issuer, claims: shown } = shop.connected.verifyProof(bytes, { nonce, issuers, claims: over21 })
    expect([kind, issuer, [...shown]]).toEqual(['driving-licence', dmv.name, [['age_over_21', true]]])
    for (const hidden of [BIRTH, NUMBER, signature.subarray(0, 48), signature.subarray(48)]) {
      expect(Buffer.from(bytes).indexOf(hidden)).toBe(-1)
    }
  })

  test('gets several claims in one proof', async () => {
    const nonce = fresh()
    const bytes = await proven(shop, nonce, ['licence_valid', 'age_over_21'])
    expect(shop.connected.verifyProof(bytes, { nonce, issuers, claims: over21 }).claims.size).toBe(2)
  })

  test('cannot use the proof again, elsewhere, changed, or as another issuer’s', async () => {
    const bar = await connectService(world, 'Bar', { changes: { fields } })
    const nonce = fresh()
    const bytes = await proven(shop, nonce)
    expect(() => shop.connected.verifyProof(bytes, { nonce: fresh(), issuers, claims: over21 })).toThrow(invalid)
    expect(() => bar.connected.verifyProof(bytes, { nonce, issuers, claims: over21 })).toThrow(invalid)
    const other = openIssuer(nativeCrypto, new Uint8Array(32).fill(2))
    expect(() => shop.connected.verifyProof(bytes, { nonce, issuers: [other.name], claims: over21 })).toThrow(invalid)
    const tampered = bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte))
    expect(() => shop.connected.verifyProof(tampered, { nonce, issuers, claims: over21 })).toThrow(invalid)
    const lie = { ...(decodeCbor(bytes) as object), claims: [['age_over_21', false]] }
    expect(() => shop.connected.verifyProof(encodeCbor(lie), { nonce, issuers, claims: over21 })).toThrow(invalid)
  })

  test('cannot tell with another service that it was the same owner', async () => {
    const pub = await connectService(world, 'Pub', { changes: { fields } })
    const nonce = fresh()
    const proofs = [await proven(shop, nonce), await proven(pub, nonce), await proven(shop, nonce)].map((bytes) => {
      const { proof, ...same } = decodeCbor(bytes) as { proof: Uint8Array; header: Uint8Array }
      return { same, parts: partsOf(proof) }
    })
    for (const { same } of proofs) expect(same).toEqual(proofs[0]?.same)
    const parts = proofs.flatMap((proof) => proof.parts)
    expect(parts).toHaveLength(3 * (3 + 3 + 4 + 1))
    expect(new Set(parts).size).toBe(parts.length)
  })
})

describe('what the contract does not say', () => {
  test('is refused before any instance exists', async () => {
    const before = pool.stats.instances
    const message = shop.seal('identity.verify', asking(fresh(), ['age_over_21', 'birth_date']))
    expect((await world.hand(message, { pool })).outcome).toBe('field-undeclared')
    expect(pool.stats.instances).toBe(before)
    expect((await world.hand(shop.seal('identity.verify', asking(fresh())), { pool })).outcome).toBe('done')
    expect(pool.stats.instances).toBe(before + 1)
  })

  test('is refused when the owner declined it', async () => {
    const kiosk = await connectService(world, 'Kiosk', { changes: { fields }, declined: ['licence_valid'] })
    expect(await kiosk.ask('identity.verify', asking(fresh(), ['licence_valid']))).toMatchObject({
      status: 'refused',
      code: 'field-declined',
    })
  })

  test('a proof from a critical credential waits for the PIN, within its window', async () => {
    await expect(world.alice.protectCredential('car')).rejects.toThrow('set a second factor first')
    await world.alice.addCredential('boat', { label: 'Boat', credential: boat })
    await world.alice.setFactor({ pin: '271828', windowMs: 0 })
    await world.alice.protectCredential('boat')
    await world.alice.renameCredential('boat', 'My boat')
    await world.alice.addCredential('boat', { label: 'Boat again', credential: boat })
    expect(await world.alice.credentials()).toMatchObject([{ critical: true }, { alias: 'car', critical: false }])
    const pier = await connectService(world, 'Pier', { changes: { fields: [field('may_sail', 'required')] } })
    const ask = async (nonce: Uint8Array) => {
      const { answer, pending } = await pier.request('identity.verify', asking(nonce, ['may_sail']))
      await pending
      return async () => {
        const verified = { nonce, issuers, claims: ['may_sail'] }
        expect(pier.connected.verifyProof(presentationIn(told(await answer)), verified).claims.size).toBe(1)
      }
    }
    const [first, second] = [await ask(fresh()), await ask(fresh())]
    // What is not critical goes on.
    await proven(shop, fresh())
    await world.alice.unlock('271828')
    await first()
    expect((await world.alice.pending()).questions).toMatchObject([{ locked: true, who: 'Pier' }])
    await world.alice.unlock('271828')
    await second()
    const { items } = await world.alice.browse('personal', { prefix: 'credential/boat' })
    expect(items).toMatchObject([{ sensitivity: 'critical', value: null }])
    await world.alice.removeCredential('boat')
  })

  test('a claim of the consent tier is the owner’s to allow, each time', async () => {
    const nonce = fresh()
    const ask = async () => {
      const { answer, pending } = await shop.request('identity.verify', asking(nonce, ['donor']))
      await pending
      return { answer: answer.then(told), question: await world.questions.take() }
    }
    const first = await ask()
    expect(first.question).toMatchObject({ who: 'Shop', fields: ['donor'], purpose: 'to sell wine' })
    await world.alice.approve(first.question)
    const asked = { nonce, issuers, claims: ['donor'] }
    const { claims: shown } = shop.connected.verifyProof(presentationIn(await first.answer), asked)
    expect([...shown]).toEqual([['donor', false]])
    const second = await ask()
    await world.alice.deny(second.question)
    expect(await second.answer).toMatchObject({ status: 'refused', code: 'consent-denied' })
  })
})

describe('the owner', () => {
  const unavailable = { status: 'refused', code: 'claims-unavailable' }

  test('sees what credentials there are and no value; nothing of them lies open on the disk', async () => {
    const [entry, ...others] = await world.alice.credentials()
    expect(others).toEqual([])
    expect(entry).toEqual({
      alias: 'car',
      label: 'My licence',
      kind: 'driving-licence',
      issuer: dmv.name,
      claims: claims.map(([name]) => name),
      expires,
      addedAt: world.clock.now,
      critical: false,
    })
    const item = (await world.vault()).store.namespace('personal').get('credential/car')
    expect(item).toMatchObject({ visibility: 'opaque', sensitivity: 'secret' })
    const files = await readdir(world.folder, { recursive: true, withFileTypes: true })
    const texts = files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name)))
    for (const bytes of await Promise.all(texts)) {
      expect(bytes.indexOf(NUMBER)).toBe(-1)
      expect(bytes.indexOf(signature)).toBe(-1)
    }
  })

  test('has each credential read once, and anew when it was replaced', async () => {
    const vault = await world.vault()
    const car = () => storedCredentials(vault)[0]?.credential
    const before = car()
    expect(before).toBeDefined()
    expect(car()).toBe(before)
    await world.alice.addCredential('car', { label: 'My licence', credential: licence })
    expect(car()).not.toBe(before)
  })

  test('chooses when several fit', async () => {
    await world.alice.addCredential('boat', { label: 'Boat licence', credential: licence })
    const nonce = fresh()
    const { answer, pending } = await shop.request('identity.verify', asking(nonce))
    await pending
    const question = await world.questions.take()
    expect(question.choices).toEqual(['Boat licence', 'My licence'])
    await world.kill()
    await world.start()
    await world.alice.approve(question, 'My licence')
    expect(
      shop.connected.verifyProof(presentationIn(told(await answer)), { nonce, issuers, claims: over21 }).claims.size,
    ).toBe(1)
    await world.alice.removeCredential('boat')
    expect((await world.alice.credentials()).map(({ alias }) => alias)).toEqual(['car'])
  })

  test.each([
    ['no issuer signed', () => unsigned(), /not signed by its issuer/u],
    ['has expired', () => dmv.issue({ kind: 'k', expires: Date.UTC(2020, 0), claims }), /has expired/u],
    ['cannot be read', () => new Uint8Array(3), /refused: malformed/u],
  ])('is not given a credential that %s', async (_what, credential, why) => {
    const adding = world.alice.addCredential('bad', { label: 'Bad', credential: credential() })
    await expect(adding).rejects.toThrow(why)
  })

  test.each([
    ['an alias of another form', { alias: 'My Car' }],
    ['no label', { label: '' }],
    ['a label too long to be offered', { label: 'ü'.repeat(33) }],
  ])('may not give it %s', async (_what, change) => {
    const { alias, label } = { alias: 'new', label: 'New', ...change }
    await expect(world.alice.addCredential(alias, { label, credential: licence })).rejects.toThrow(/command-invalid/u)
  })

  test('removes what there is', async () => {
    await expect(world.alice.removeCredential('nothing')).rejects.toThrow(/no such credential/u)
  })

  test('keeps as many as a vault holds', async () => {
    const { store } = await world.vault()
    const kept = store.namespace('personal').get('credential/car')?.value ?? new Uint8Array()
    const more = Array.from({ length: CREDENTIALS_MAX - 1 }, (_, at) => `credential/more-${at}`)
    const write = (value: Uint8Array | null) =>
      store.commit(
        more.map((key) => ({ namespace: 'personal', key, value })),
        { now: world.clock.now },
      )
    await write(kept)
    const add = (alias: string) => world.alice.addCredential(alias, { label: 'One more', credential: licence })
    await expect(add('one-more')).rejects.toThrow(/remove one/u)
    await write(null)
  })

  test('has nothing to show once it expired, or is removed', async () => {
    const before = world.clock.now
    await world.alice.addCredential('car', {
      label: 'My licence',
      credential: dmv.issue({ kind: 'driving-licence', expires: Date.UTC(2027, 1), claims }),
    })
    const { answer } = await shop.request('identity.verify', asking(fresh()))
    expect(told(await answer)).toMatchObject({ status: 'replied' })
    world.clock.now = Date.UTC(2027, 1)
    expect(await shop.ask('identity.verify', asking(fresh()))).toMatchObject(unavailable)
    world.clock.now = before
    const [stops] = await world.alice.removeCredential('car')
    expect(stops?.what).toMatch(/^proofs of /u)
    expect(await shop.ask('identity.verify', asking(fresh()))).toMatchObject(unavailable)
  })
})

function unsigned(): Uint8Array {
  const changed = claims.map(([name, value]) => [name, name === 'age_over_21' ? false : value])
  return encodeCbor({ ...(decodeCbor(licence) as object), claims: changed })
}

/** Three points and the scalars of a proof. */
function partsOf(proof: Uint8Array): string[] {
  const hex = proof.toHex()
  return [0, 96, 192].map((at) => hex.slice(at, at + 96)).concat(hex.slice(288).match(/.{64}/gu) ?? [])
}
