/** A hostile host changes what it keeps of an entry: handlers are not served it, and the owner is told why. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { generateKemKey } from '#host/crypto/kem.ts'
import { nativeCrypto as crypto } from '#host/crypto/native.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { deviceId } from '#host/entries/device.ts'
import { type DeviceId, type EntryId, parseHash } from '#host/entries/ids.ts'
import type { Device, VersionHeader, VersionWrite } from '#host/entries/model.ts'
import { openChannel, sealShare } from '#host/entries/share.ts'
import { hashSealed, sealPart } from '#host/entries/sealed.ts'
import { signStatement } from '#host/entries/statement.ts'
import { decodeVersion, hashRecipients, signVersion } from '#host/entries/version.ts'
import type { Change } from '#host/storage/port.ts'
import {
  channelChange,
  contentKey,
  entryChange,
  entryRecord,
  headerKey,
  heldVersion,
  shareChange,
  shareKey,
  versionChanges,
} from '#host/vault/account/held.ts'
import { forgetOwn } from '#host/vault/account/own.ts'
import type { Vault } from '#host/vault/vault.ts'
import { compareBytes, joinBytes } from '#host/wire/bytes.ts'
import { decodeCbor } from '#host/wire/cbor.ts'
import { encodeHeldVersion, type HeldVersion } from '#host/vault/account/rows.ts'
import { attach, attachVault, draft, entryOf, type Rig, signUp } from './entries-rig.fixture.ts'
import { type Asker, connectService } from './service.fixture.ts'
import { startWorld, until, type World } from './world.fixture.ts'

const handlers = { handlers: true, users: [] }
const outline = { title: 'phone', kind: 'profile-field', urls: [] }
const absent = { status: 'refused', code: 'field-unavailable' }
const served = { status: 'replied', body: { fields: { phone: 'mine' } } }

let world: World
let phone: Rig
let acme: Asker
let vault: Vault
/** As the directory has the vault. */
let own: Device
let entry: EntryId
let other: EntryId
const told: { code: string; entry: string }[] = []

beforeAll(async () => {
  world = await startWorld({ handlers: ['data-access'] })
  phone = await signUp(world)
  await attachVault(phone)
  acme = await connectService(world, 'Acme')
  vault = await world.vault()
  const listed = phone.book
    .directory()
    .devices.values()
    .find(({ role }) => role === 'vault')
  if (!listed) throw new Error('the vault is a device')
  own = listed
  world.alice.conversation.on('entry.distrusted', ({ body }) => {
    const { code, entry: id } = decodeCbor(body) as { code: string; entry: Uint8Array }
    told.push({ code, entry: id.toHex() })
  })
})
afterAll(() => world[Symbol.asyncDispose]())

beforeEach(async () => {
  world.clock.now += 1
  other = await phone.create('', { outline: { ...outline, title: 'email' }, audience: handlers })
  entry = await phone.create('', draft('', 'mine', { outline, audience: handlers }))
  expect(await ask()).toEqual(served)
})

const ask = () => acme.ask('data.request', { fields: ['phone'] })
const flip = (bytes: Uint8Array, at = 0) => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte))
const commit = (changes: readonly Change[]) => vault.store.commit(changes, { now: world.now() })

/** As after a restart: nothing is remembered but what the store has. */
function cold(): void {
  forgetOwn(vault.account.own)
  vault.account.own.verified.clear()
  vault.account.own.known.clear()
}

/** All of it is looked at and judged again; what entries were called is known. */
function lookAgain(): void {
  const { own: live } = vault.account
  for (const [key, seen] of live.heads) live.heads.set(key, { ...seen, revision: -1 })
  live.contents.clear()
  live.verified.clear()
  live.known.clear()
  live.turn = -1
}

function raw(namespace: 'shares' | 'versions' | 'entries', key: string): Uint8Array {
  const value = vault.store.namespace(namespace).get(key)?.value
  if (!value) throw new Error(`${key} is not kept`)
  return value
}

const versionOf = (id: EntryId) => {
  const held = heldVersion(vault, id, entryRecord(vault, id)?.seq ?? 0)
  if (!held) throw new Error('a version is kept')
  return held
}
const shareKeyOf = (id: EntryId) => shareKey(versionOf(id).version, own.id)
const share = (value: Uint8Array): Change => ({ namespace: 'shares', key: shareKeyOf(entry), value })
const header = (change: Partial<HeldVersion>): Change => {
  const key = headerKey(entry, entryRecord(vault, entry)?.seq ?? 0)
  return { namespace: 'versions', key, value: encodeHeldVersion({ ...versionOf(entry), ...change }) }
}

/** Puts a version where the next would be, as only a host can. */
async function plant(write: VersionWrite, recipients: readonly DeviceId[]): Promise<void> {
  const { header, hash } = decodeVersion(crypto, write)
  const { entry: id, version, seq, operation, by } = header
  const held = { ...write, version, hash, recipients: joinBytes(recipients.toSorted(compareBytes)) }
  const { channels, shares, ...row } = held
  await commit([
    entryChange(id, { seq, hash, version, first: 1, operation, by }),
    ...versionChanges(id, { ...row, seq }),
    ...channels.map(channelChange),
    ...shares.map((one) => shareChange(version, one)),
    { namespace: 'entries', key: 'turn', value: new Uint8Array(0) },
  ])
}

function otherHash(): Change {
  const record = entryRecord(vault, entry)
  if (!record) throw new Error('an entry is kept')
  return entryChange(entry, { ...record, hash: parseHash(new Uint8Array(32)) })
}

/** A version that a host makes by itself, with a share that does open. */
function forge(by: 'stranger' | 'phone', change: Partial<VersionHeader> = {}) {
  const [signing, kem] = [generateSigningKey(), generateKemKey()]
  const keys = { signing: signing.publicKey, sealing: kem.publicKey }
  const id = by === 'phone' ? phone.book.device : deviceId(crypto, keys)
  const { header: before } = decodeVersion(crypto, versionOf(entry))
  const part = { outline: new Uint8Array(32).fill(1), content: new Uint8Array(32).fill(2) }
  const place = { user: before.user, entry, version: before.version }
  const outlineBytes = sealPart(crypto, { ...place, part: 'outline' }, part.outline, openedOutline())
  const content = sealPart(crypto, { ...place, part: 'content' }, part.content, new TextEncoder().encode('evil'))
  const signed = signVersion(
    crypto,
    {
      ...before,
      outline: hashSealed(crypto, outlineBytes),
      content: hashSealed(crypto, content),
      recipients: hashRecipients(crypto, [own.id]),
      by: id,
      ...change,
    },
    signing,
  )
  const channel = openChannel(crypto, { sharer: id, recipient: own.id, epoch: 77 }, own.keys.sealing)
  const made = sealShare(crypto, channel, signed, part)
  const write: VersionWrite = {
    header: signed.bytes,
    signature: signed.signature,
    outline: outlineBytes,
    content,
    channels: [channel.channel],
    shares: [made],
  }
  return { write, signing, kem, keys }
}

/** Vine-CBOR `[1, "phone", "profile-field", []]`. */
function openedOutline(): Uint8Array {
  return Uint8Array.fromHex(
    '840165' + Buffer.from('phone').toString('hex') + '6d' + Buffer.from('profile-field').toString('hex') + '80',
  )
}

async function expectDistrust(code: string): Promise<void> {
  expect(await ask()).toMatchObject(absent)
  const here = { code, entry: entry.toHex() }
  const tellings = () => told.filter((one) => one.entry === here.entry)
  await until('the owner is told', () => tellings().length > 0)
  expect(tellings()).toEqual([here])
  const rows = (await world.rows()).filter(({ fields, eventType }) => {
    return eventType === 'entry.distrusted' && fields[0] === here.entry
  })
  expect(rows.map(({ reason, result, who }) => [reason, result, who])).toEqual([[code, 'refused', 'vault']])
  // Told once.
  expect(await ask()).toMatchObject(absent)
  expect(tellings()).toHaveLength(1)
}

describe('is not served to a handler, and named', () => {
  test('signer-revoked: what a revoked device writes after its end; what it wrote before is served', async () => {
    const tablet = await attach(world, phone, 'tablet')
    await phone.learn()
    // Of two entries of one name the one made last is read: made in the same millisecond, chance would say which.
    world.clock.now += 1
    const write = tablet.book.create(draft('', 'mine', { outline, audience: handlers }))
    await tablet.send('create', write)
    entry = entryOf(write)
    const late = tablet.book.update(await tablet.read(entry), draft('', 'late', { outline, audience: handlers }))
    await phone.read(entry)
    const heads = await allHeads()
    const { statement } = phone.book.revoke(tablet.book.device, { lost: true })
    expect(heads).toBeGreaterThan(0)
    await phone.owner.entries.revoke(statement, true)
    await phone.learn()
    cold()
    expect(await ask()).toEqual(served)
    await plant(
      late,
      late.shares.map(({ recipient }) => recipient),
    )
    await expectDistrust('signer-revoked')
  })

  test.each<[string, string, () => Promise<unknown>]>([
    ['share-swapped', 'the share of another entry', () => commit([share(raw('shares', shareKeyOf(other)))])],
    [
      'share-swapped',
      'the content half of another share',
      () => {
        const [mine, theirs] = [raw('shares', shareKeyOf(entry)), raw('shares', shareKeyOf(other))]
        return commit([share(joinBytes([mine.subarray(0, 84), theirs.subarray(84, 132), mine.subarray(132)]))])
      },
    ],
    [
      'content-altered',
      'other content',
      () =>
        commit([{ namespace: 'versions', key: contentKey(entry, 1), value: raw('versions', contentKey(other, 1)) }]),
    ],
    [
      'content-altered',
      'no content',
      () => commit([{ namespace: 'versions', key: contentKey(entry, 1), value: null }]),
    ],
    ['outline-altered', 'another outline', () => commit([header({ outline: versionOf(other).outline })])],
    ['version-forged', 'another signature', () => commit([header({ signature: flip(versionOf(entry).signature) })])],
    [
      'version-forged',
      'the second half of another',
      () => commit([header({ signature: flip(versionOf(entry).signature, 3_350) })]),
    ],
    ['version-malformed', 'a header that is none', () => commit([header({ header: flip(versionOf(entry).header) })])],
    [
      'recipients-altered',
      'a recipient more',
      () => commit([header({ recipients: joinBytes([versionOf(entry).recipients, new Uint8Array(32)]) })]),
    ],
    ['version-foreign', 'a version of another entry', () => commit([header({ ...versionOf(other) })])],
    ['entry-forked', 'a head that names another hash', () => commit([otherHash()])],
    [
      'signer-unknown',
      'a version that the host made, by a device nobody vouches for',
      () => plant(forge('stranger').write, [own.id]),
    ],
    [
      'version-forged',
      'a version that the host made in the name of the phone',
      () => plant(forge('phone').write, [own.id]),
    ],
  ])('%s: %s', async (code, _what, tamper) => {
    // What was there is known by its name: an outline that does not open any more hides nothing older.
    await tamper()
    lookAgain()
    await expectDistrust(code)
  })

  test('entry-rolled-back: an old version, while a newer one was served', async () => {
    const before = raw('entries', `head/${entry.toHex()}`)
    await phone.update(entry, 'mine', { outline })
    expect(await ask()).toEqual(served)
    await commit([{ namespace: 'entries', key: `head/${entry.toHex()}`, value: before }])
    await expectDistrust('entry-rolled-back')
  })

  test('signer-unknown: a forged row of a device, whose statement the walk passes over', async () => {
    const { write, signing, kem, keys } = forge('stranger')
    const { user, head } = phone.book.directory()
    const body = { kind: 'attest', label: 'mine, honestly', keys, role: 'device', expires: null } as const
    const statement = { user, seq: head.seq + 1, prev: head.hash, by: phone.book.device, at: world.now(), body }
    const { bytes } = signStatement(crypto, statement, signing)
    expect(kem.publicKey).toEqual(keys.sealing)
    const space = vault.store.namespace('directory')
    const key = `statement/${String(head.seq + 1).padStart(10, '0')}`
    const value = space.get('head')?.value ?? null
    await commit([
      { namespace: 'directory', key, value: bytes },
      { namespace: 'directory', key: 'head', value },
    ])
    try {
      await plant(write, [own.id])
      lookAgain()
      await expectDistrust('signer-unknown')
    } finally {
      await commit([
        { namespace: 'directory', key, value: null },
        { namespace: 'directory', key: 'head', value },
      ])
    }
  })
})

/** The phone's book knows every entry: what a revocation is measured by. */
async function allHeads(): Promise<number> {
  const { versions } = await phone.owner.entries.list()
  for (const { entry: id } of versions) await phone.read(id as EntryId)
  return versions.length
}
