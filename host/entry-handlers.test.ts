/** What handlers read of entries: as the vault's own device, when the owner's devices let it, and verified. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { openIssuer } from '#client/issuer.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import type { EntryId } from '#host/entries/ids.ts'
import { manifestOf, registryOf } from '#host/plugin/fixtures/stage.ts'
import { createPool } from '#host/plugin/pool.ts'
import { OWN_OPENED_MAX, OWN_VERIFIED_MAX } from '#host/vault/account/limits.ts'
import { emptyOwn, keepContent } from '#host/vault/account/own.ts'
import { attach, attachVault, draft, type Rig, signUp } from './entries-rig.fixture.ts'
import { type Asker, connectService, told } from './service.fixture.ts'
import { gatedPool, random, startWorld, type World } from './world.fixture.ts'

const handlers = { handlers: true, users: [] }
const ADDRESS = { fields: ['shipping_address'] }
const absent = { status: 'refused', code: 'field-unavailable' }

let world: World
let phone: Rig
let acme: Asker

beforeEach(async () => {
  world = await startWorld({ handlers: ['data-access', 'verification'] })
  phone = await signUp(world)
  acme = await connectService(world, 'Acme')
})
afterEach(async () => {
  vi.restoreAllMocks()
  await world[Symbol.asyncDispose]()
})

const outlineOf = (title: string, kind = 'profile-field') => ({ title, kind, urls: [] })
const named = (title: string, value: string, audience = handlers) =>
  draft(title, value, { outline: outlineOf(title), audience })
const putEntry = (title: string, value: string, audience = handlers, by = phone) =>
  by.create(title, named(title, value, audience))
const change = (entry: EntryId, value: string, title = 'shipping_address') =>
  phone.update(entry, value, { outline: outlineOf(title) })
const given = (value: string) => ({ status: 'replied', body: { fields: { shipping_address: value } } })
const ask = (field = 'shipping_address') => acme.ask('data.request', { fields: [field] })

describe('a field that is an entry', () => {
  beforeEach(() => attachVault(phone))

  test('is given to a handler that may have it, and wins over the plain item of its name', async () => {
    expect(await ask()).toEqual(given('12 Rose Lane'))
    const entry = await putEntry('shipping_address', '1 Entry Road')
    expect(await ask()).toEqual(given('1 Entry Road'))
    await world.alice.putField('shipping_address', 'a plain item')
    await change(entry, '2 Entry Road')
    expect(await ask()).toEqual(given('2 Entry Road'))
    await phone.send('deleteEntry', phone.book.remove(await phone.read(entry)))
    expect(await ask()).toEqual(given('a plain item'))
  })

  test('is absent like one that never was, when it is not for handlers', async () => {
    expect(await ask('phone')).toMatchObject(absent)
    const before = await ask('phone')
    const entry = await putEntry('phone', '+1 555', { handlers: false, users: [] })
    expect(await ask('phone')).toEqual(before)
    await phone.send('update', phone.book.share(await phone.read(entry), handlers))
    expect(await ask('phone')).toMatchObject({ body: { fields: { phone: '+1 555' } } })
    await phone.send('update', phone.book.share(await phone.read(entry), { handlers: false, users: [] }))
    expect(await ask('phone')).toEqual(before)
  })

  test('is of the entry made last, when two have its name', async () => {
    const first = await putEntry('shipping_address', 'first')
    world.clock.now += 1
    await putEntry('shipping_address', 'second')
    await change(first, 'first again')
    expect(await ask()).toEqual(given('second'))
  })

  test('that is renamed, or of another kind, is no field of its old name', async () => {
    const entry = await putEntry('shipping_address', '1 Entry Road')
    await phone.update(entry, 'x', { outline: outlineOf('billing_address') })
    expect(await ask()).toEqual(given('12 Rose Lane'))
    await phone.update(entry, 'x', { outline: outlineOf('shipping_address', 'note') })
    expect(await ask()).toEqual(given('12 Rose Lane'))
  })

  test('may be of a kind that the handler’s manifest names, and then yields to a profile field', async () => {
    const manifest = manifestOf('data-access')
    const registry = registryOf(
      { ...manifest, needs: { ...manifest.needs, kinds: ['delivery-place'] } },
      'verification',
    )
    await using pool = await createPool({ registry, cells: 1, spares: 0 })
    const named = async () => {
      const held = await acme.hold('data.request', ADDRESS)
      await world.hand(held.message, { pool, registry })
      return told(await held.answer)
    }
    const outline = outlineOf('shipping_address', 'delivery-place')
    await phone.create('place', draft('place', '3 Kind Court', { outline, audience: handlers }))
    expect(await ask()).toEqual(given('12 Rose Lane'))
    expect(await named()).toEqual(given('3 Kind Court'))
    await putEntry('shipping_address', '1 Entry Road')
    expect(await named()).toEqual(given('1 Entry Road'))
  })

  test.each([
    ['is no text', Uint8Array.of(0xff, 0xfe)],
    ['is longer than a field', new Uint8Array(70_000).fill(65)],
  ])('whose content %s is absent, and the owner is told', async (_what, content) => {
    const entry = await phone.create('', { ...named('shipping_address', ''), content })
    expect(await ask()).toMatchObject(absent)
    const row = (await world.rows()).find(({ eventType }) => eventType === 'entry.distrusted')
    expect(row).toMatchObject({ result: 'refused', reason: 'entry-invalid', fields: [entry.toHex()], who: 'vault' })
  })

  test('needs the PIN when the plain item of its name does', async () => {
    await world.alice.setFactor({ pin: '271828', windowMs: 60_000 })
    const { store } = await world.vault()
    const plain = { namespace: 'personal', key: 'field/shipping_address', sensitivity: 'critical' } as const
    await store.commit([{ ...plain, value: new Uint8Array(1) }], { now: world.now() })
    await putEntry('shipping_address', '1 Entry Road')
    const { answer, pending } = await acme.request('data.request', ADDRESS)
    await pending
    await world.alice.unlock('271828')
    expect(await answer).toMatchObject({ status: 'replied' })
  })
})

describe('a vault that its owner vouches for later', () => {
  test('reads what it is given shares of', async () => {
    const entry = await putEntry('shipping_address', '1 Entry Road')
    expect(await ask()).toEqual(given('12 Rose Lane'))
    await attachVault(phone)
    expect(await ask()).toEqual(given('12 Rose Lane'))
    const vault = phone.book
      .directory()
      .devices.values()
      .find(({ role }) => role === 'vault')
    if (!vault) throw new Error('the vault is a device')
    const { versions } = await phone.owner.entries.backlog(vault.id)
    const made = phone.book.backfill({ entry, versions, prune: null }, { owner: phone.book.user, device: vault.id })
    const shares = made.shares.map(({ share }) => ({ entry, seq: 1, share }))
    await phone.owner.entries.backfill(shares, made.channels)
    expect(await ask()).toEqual(given('1 Entry Road'))
    await phone.owner.entries.revoke(phone.book.revoke(vault.id).statement)
    expect(await ask()).toEqual(given('12 Rose Lane'))
  })
})

describe('what changes while a handler runs', () => {
  beforeEach(() => attachVault(phone))

  test.each<[string, (entry: EntryId) => Promise<unknown>, string]>([
    ['the entry is updated', (entry) => change(entry, 'new'), 'new'],
    ['another of its name is made', () => putEntry('shipping_address', 'other'), 'other'],
    [
      'it is deleted',
      async (entry) => phone.send('deleteEntry', phone.book.remove(await phone.read(entry))),
      '12 Rose Lane',
    ],
  ])('%s: it runs again', async (_what, meanwhile, value) => {
    const entry = await putEntry('shipping_address', 'old')
    world.clock.now += 1
    await expectRerun(() => meanwhile(entry), value)
  })

  test.each<[string, () => Promise<unknown>]>([
    ['a plain field is put', () => world.alice.putField('shipping_address', 'new')],
    ['an entry takes its place', () => putEntry('shipping_address', 'new')],
  ])('%s: it runs again', async (_what, meanwhile) => expectRerun(meanwhile, 'new'))

  test('another entry is written: it does not run again', async () => {
    await putEntry('shipping_address', 'mine')
    expect(await runsOf(() => putEntry('email', 'x'), 'mine')).toBe(1)
  })
})

async function expectRerun(meanwhile: () => Promise<unknown>, value: string): Promise<void> {
  expect(await runsOf(meanwhile, value)).toBe(2)
}

/** How often the handler ran for one request during which something happened. */
async function runsOf(meanwhile: () => Promise<unknown>, value: string): Promise<number> {
  await using pool = await createPool({ registry: world.host.registry, cells: 1, spares: 0 })
  const gated = gatedPool(pool)
  const held = await acme.hold('data.request', ADDRESS)
  const handed = world.hand(held.message, { pool: gated })
  await gated.entered
  await meanwhile()
  gated.release()
  const { steps } = await handed
  const reply = await held.answer
  expect(reply.status === 'replied' && JSON.parse(new TextDecoder().decode(reply.body))).toEqual(given(value).body)
  return steps.filter(({ name }) => name === 'dispatch').length
}

/** Everything secret that is kept open. */
async function opened(): Promise<Uint8Array[]> {
  const { own } = (await world.vault()).account
  const secrets = [...own.contents.values()].flatMap(({ content }) => content ?? [])
  return [...secrets, ...[...own.channels.values()].map(({ key }) => key)]
}

const isWiped = (bytes: Uint8Array) => bytes.every((byte) => byte === 0)

describe('what was opened', () => {
  beforeEach(() => attachVault(phone))

  test('is verified once, and kept, as long as not too many are', async () => {
    const entry = await putEntry('shipping_address', '1 Entry Road')
    const verify = vi.spyOn(nativeCrypto, 'verify')
    for (let times = 0; times < 3; times++) await ask()
    expect(verify).toHaveBeenCalledTimes(1)
    const { verified } = (await world.vault()).account.own
    while (verified.size < OWN_VERIFIED_MAX) verified.add(`${verified.size}`)
    await change(entry, '2 Entry Road')
    expect(await ask()).toEqual(given('2 Entry Road'))
    expect(verified.size).toBe(1)
  })

  test.each<[string, () => Promise<unknown>]>([
    ['the vault is locked', () => world.alice.lock()],
    [
      'the vault is closed',
      async () => {
        await world.host[Symbol.asyncDispose]()
        await world.start()
      },
    ],
    [
      'a device is revoked',
      async () => {
        const tablet = await attach(world, phone, 'tablet')
        await phone.owner.entries.revoke(phone.book.revoke(tablet.book.device).statement)
        await ask()
      },
    ],
  ])('is wiped when %s', async (_when, end) => {
    await putEntry('shipping_address', '1 Entry Road')
    await ask()
    const secrets = await opened()
    expect(secrets).toHaveLength(2)
    expect(secrets.some(isWiped)).toBe(false)
    await end()
    expect(secrets.every(isWiped)).toBe(true)
  })

  test('is bounded: what was longest here goes, and is wiped', () => {
    const own = emptyOwn()
    const contents = Array.from({ length: OWN_OPENED_MAX + 1 }, (_, at) => new Uint8Array([1, at]))
    for (const [at, content] of contents.entries()) keepContent(own, `${at}`, { revision: 1, content })
    expect(own.contents.size).toBe(OWN_OPENED_MAX)
    expect(contents.filter(isWiped)).toEqual([contents[0]])
    const large = new Uint8Array(2 ** 20).fill(1)
    keepContent(own, 'large', { revision: 1, content: large })
    expect([...own.contents.keys()]).toEqual(['large'])
    expect(own.bytes).toBe(large.length)
  })
})

test('a statement that is new is verified once, and none before it again', async () => {
  await attachVault(phone)
  const tablet = await attach(world, phone, 'tablet')
  const statement = phone.book.rename(tablet.book.device, 'slate')
  const verify = vi.spyOn(nativeCrypto, 'verify')
  await phone.owner.entries.rename(statement)
  await phone.owner.entries.devices()
  expect(verify).toHaveBeenCalledTimes(1)
})

function putCredential(content: Uint8Array): Promise<EntryId> {
  return phone.create('', { outline: outlineOf('car', 'credential'), content, audience: handlers })
}

describe('a credential that is an entry', () => {
  const issuer = openIssuer(nativeCrypto, new Uint8Array(32).fill(1))
  const expires = Date.UTC(2029, 5)
  const issue = (value: boolean) => issuer.issue({ kind: 'licence', expires, claims: [['age_over_21', value]] })
  const proves = async () => {
    const fields = [
      { name: 'age_over_21', tier: 'required', purpose: 'wine', retention: { kind: 'until-revoked' } },
    ] as const
    const shop = await connectService(world, `Shop-${random(4).toHex()}`, { changes: { fields } })
    const nonce = random(24)
    const request = { claims: ['age_over_21'], nonce: nonce.toBase64({ alphabet: 'base64url', omitPadding: true }) }
    const answer = await shop.ask('identity.verify', request)
    if (answer.status !== 'replied') return answer
    const proof = Uint8Array.fromBase64((answer.body as { proof: string }).proof, { alphabet: 'base64url' })
    const asked = { nonce, issuers: [issuer.name], claims: ['age_over_21'] }
    return shop.connected.verifyProof(proof, asked).claims.get('age_over_21')
  }

  beforeEach(() => attachVault(phone))

  test('proves, and takes the place of a plain one of its alias', async () => {
    await world.alice.addCredential('car', { label: 'plain', credential: issue(false) })
    expect(await proves()).toBe(false)
    await putCredential(issue(true))
    expect(await proves()).toBe(true)
  })

  test('that is none proves nothing, and the owner is told', async () => {
    await putCredential(random(64))
    expect(await proves()).toMatchObject({ status: 'refused', code: 'claims-unavailable' })
    const row = (await world.rows()).find(({ eventType }) => eventType === 'entry.distrusted')
    expect(row).toMatchObject({ reason: 'entry-invalid' })
  })
})
