/**
 * Two users with five devices: they enrol, attach, write at once, share, revoke, recover, and catch a host that lies.
 *
 *     node examples/devices.ts
 *
 * Exits with 0 only if all of it came out as it should.
 */
import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type Account, openAccount, signUp } from '#client/account/account.ts'
import { keysOfFrames } from '#client/account/devices.ts'
import type { EntryList } from '#client/account/reading.ts'
import type { AccountStore } from '#client/account/state.ts'
import { encodeKeyFrames } from '#client/entries/frames.ts'
import { openRecovery, sealRecovery } from '#client/entries/recovery.ts'
import type { Draft } from '#client/entries/writing.ts'
import type { OwnerDevice } from '#client/owner.ts'
import type { OwnerEntries } from '#client/owner-entries.ts'
import { surroundings } from '#host/commands/surroundings.ts'
import type { Sharing } from '#host/contracts/sharing.ts'
import { generateKemKey } from '#host/crypto/kem.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import type { OpeningKey, Seeded, SigningKey } from '#host/crypto/port.ts'
import { exportSeed } from '#host/crypto/seed.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import type { EntryId } from '#host/entries/ids.ts'
import { type Person, startPerson, wire } from './person.ts'

/** Nothing but the connection itself: entries are shared one by one. */
const SHARING: Sharing = { events: [], store: null, messages: false, authentication: false, requestsPerHour: 1_000 }
const PASSPHRASE = 'a lamp, two boats and no wind'

/** Who is not let in is not answered. */
const SOON = { patienceMs: 2_000 }
const tools = { crypto: nativeCrypto, hashPassphrase: nativeCrypto.hashPassphrase }

/** They stay on their device. */
interface Keys {
  readonly signing: SigningKey & Seeded
  readonly kem: OpeningKey & Seeded
}

interface Device {
  /** What the vault calls it. */
  readonly name: string
  readonly account: Account
  readonly keys: Keys
  readonly store: AccountStore
  readonly vault: OwnerDevice
}

const folder = await mkdtemp(join(tmpdir(), 'trellis-story-'))
try {
  await using alice = await startPerson('alice', { folder })
  await using bob = await startPerson('bob', { folder })
  await wire(alice, bob)
  await play(alice, bob)
} finally {
  await rm(folder, { recursive: true })
}

async function play(alice: Person, bob: Person): Promise<void> {
  const phone = await enrol(alice)
  const bobs = await enrol(bob)
  const recovery = await sealed(phone)
  console.log('both sign up; Alice keeps a recovery file under a passphrase')

  const router = await phone.account.create(login('router', 'hunter2'))
  const tablet = await attach(alice, phone, 'tablet')
  const laptop = await attach(alice, phone, 'laptop')
  const bobsTablet = await attach(bob, bobs, 'tablet')
  equal(await textOf(laptop.account, router), 'hunter2')
  deepEqual(await labelsOf(phone.account), ['phone active', 'tablet active', 'laptop active'])
  console.log('three more devices show their keys, are vouched for, and read what was written before them')

  await atOnce(tablet.account, laptop.account, router)
  console.log('tablet and laptop write at once: one is told of the conflict, reads, and writes after it')

  const { atAlice, atBob } = await connect(alice, bob)
  const diary = await phone.account.create(login('diary', 'Lisbon'))
  const user = await phone.account.meet(atAlice)
  deepEqual(user, bobs.account.user)
  equal((await phone.account.share(await phone.account.get(router), user)).kind, 'written')
  for (const { account } of [bobs, bobsTablet]) {
    deepEqual(titlesOf(await account.sharedBy(atBob)), ['router'])
    equal(decode((await account.readShared(atBob, router)).content()), 'correct horse, and a battery')
    await rejects(account.readShared(atBob, diary), /not-permitted/)
  }
  console.log('shared with Bob, by the user id he told her: both of his devices read it, and nothing else of hers')

  const note = await tablet.account.create(login('note', 'by the tablet'))
  deepEqual(await laptop.account.list().then(titlesOf), ['router', 'diary', 'note'])
  deepEqual(await phone.account.devices.revoke(tablet.account.device), { resigned: 1, vouched: 0 })
  await rejects(alice.pair(tablet.name, tablet.keys.signing, SOON), { code: 'bus-unavailable' })
  equal((await laptop.account.get(note)).version.header.by.toHex(), phone.account.device.toHex())
  console.log('the tablet is revoked: what it had signed is signed anew, and it is let in no more')

  await caught(laptop, router)
  console.log('a host that serves an old version is found out, by name')

  const again = await recovered(alice, recovery)
  deepEqual(titlesOf(await again.account.list()), ['router', 'diary', 'note'])
  await laptop.account.devices.takeOver(again.account.device)
  await again.account.devices.revoke(again.account.device, { heir: laptop.account.device })
  await laptop.account.refresh()
  deepEqual(laptop.account.directory().root, laptop.account.device)
  await laptop.account.change(diary, () => login('diary', 'not for a thief'))
  deepEqual((await laptop.vault.entries.get(diary)).versions[0]?.recipients, [laptop.account.device])
  await rejects(alice.pair('phone', phone.keys.signing, SOON), { code: 'bus-unavailable' })
  equal(await textOf(laptop.account, diary), 'not for a thief')
  console.log('stolen, recovered from its file and ended: the thief’s phone opens nothing that comes')
}

/** A person's phone, with the account of their vault. */
async function enrol(person: Person): Promise<Device> {
  const keys = { signing: person.signing, kem: generateKemKey() }
  const store = memory()
  const account = await signUp(optionsOf(person.phone, keys, store), 'phone')
  return { name: 'phone', account, keys, store, vault: person.phone }
}

/** A new device shows its keys as text; an existing one reads them, vouches, and shares what was there before. */
async function attach(person: Person, by: Device, label: string): Promise<Device> {
  const keys = { signing: generateSigningKey(), kem: generateKemKey() }
  const shown = { signing: keys.signing.publicKey, sealing: keys.kem.publicKey }
  const frames = encodeKeyFrames(nativeCrypto, shown)
  const read = keysOfFrames(nativeCrypto, frames.toReversed())
  const id = await by.account.devices.attach({ keys: read, label })
  const { findings } = await by.account.devices.backfill(id)
  deepEqual(findings, [])
  const vault = await person.pair(id.toHex(), keys.signing)
  const store = memory()
  const account = await openAccount({ ...optionsOf(vault, keys, store), user: by.account.user })
  return { name: id.toHex(), account, keys, store, vault }
}

/** Both read version 1 and write: one is second, and says what becomes of it. */
async function atOnce(one: Account, other: Account, entry: EntryId): Promise<void> {
  const currents = await Promise.all([one.get(entry), other.get(entry)])
  const written = await Promise.all([
    one.update(currents[0], login('router', 'correct horse')),
    other.update(currents[1], login('router', 'and a battery')),
  ])
  deepEqual(written.map(({ kind }) => kind).toSorted(), ['conflict', 'written'])
  const [late, lost] = written[0].kind === 'conflict' ? [one, written[0]] : [other, written[1]]
  ok(lost.kind === 'conflict')
  equal(lost.current.version.header.seq, 2)
  equal(await late.change(entry, () => login('router', 'correct horse, and a battery')), 3)
  deepEqual(
    (await one.history(entry)).map(({ version }) => version.header.seq),
    [1, 2, 3],
  )
}

/** The laptop's own memory, at a host that shows it the past. */
async function caught({ vault, account, keys, store }: Device, entry: EntryId): Promise<void> {
  await account.get(entry)
  const entries: OwnerEntries = { ...vault.entries, get: (id) => vault.entries.get(id, 1) }
  const options = optionsOf({ entries, shared: vault.shared }, keys, store)
  const liedTo = await openAccount({ ...options, user: account.user })
  await rejects(liedTo.get(entry), { code: 'entry-distrusted', message: /^entry-rolled-back: / })
}

function sealed({ account, keys }: Device): Promise<Uint8Array> {
  const seeds = { signing: exportSeed(keys.signing), sealing: exportSeed(keys.kem) }
  const header = { account: account.user, device: account.device, server: 'at home', madeAt: surroundings.now() }
  return sealRecovery({ ...tools, header, seeds, passphrase: PASSPHRASE, salt: surroundings.random(16) })
}

/** The phone, made anew from its file: it remembers nothing, and reads everything. */
async function recovered(person: Person, file: Uint8Array): Promise<Device> {
  await rejects(openRecovery(file, { ...tools, passphrase: `${PASSPHRASE}!` }), { code: 'recovery-invalid' })
  const { header, seeds } = await openRecovery(file, { ...tools, passphrase: PASSPHRASE })
  const keys = { signing: generateSigningKey(seeds.signing), kem: generateKemKey(seeds.sealing) }
  const vault = await person.pair('phone', keys.signing)
  const store = memory()
  const account = await openAccount({ ...optionsOf(vault, keys, store), user: header.account })
  return { name: 'phone', account, keys, store, vault }
}

function optionsOf(owner: Pick<OwnerDevice, 'entries' | 'shared'>, { signing, kem }: Keys, store: AccountStore) {
  const secrets = { signer: signing, opener: kem }
  return { ...surroundings, ...secrets, crypto: nativeCrypto, owner, store }
}

/** An app keeps it sealed on the device. */
function memory(): AccountStore {
  let kept: Uint8Array | undefined
  return {
    read: () => Promise.resolve(kept),
    write(bytes) {
      kept = bytes
      return Promise.resolve()
    },
  }
}

function login(title: string, text: string): Draft {
  const outline = { title, kind: 'login', urls: ['https://example.org'] }
  return { outline, content: new TextEncoder().encode(text), audience: { handlers: false, users: [] } }
}

async function labelsOf(account: Account): Promise<string[]> {
  return (await account.devices.list()).map(({ label, status }) => `${label} ${status}`)
}

function titlesOf({ entries, findings }: EntryList): (string | undefined)[] {
  deepEqual(findings, [])
  return entries.map(({ outline }) => outline?.title)
}

async function textOf(account: Account, entry: EntryId): Promise<string> {
  return decode((await account.get(entry)).content())
}

function decode(content: Uint8Array | null): string {
  return new TextDecoder().decode(content ?? new Uint8Array())
}

/** Bob invites, Alice dials, both accept. */
async function connect(alice: Person, bob: Person): Promise<{ readonly atAlice: string; readonly atBob: string }> {
  const ready = bob.notices('connection.ready')
  const invitation = await bob.phone.invitePeer('Alice', { name: 'Bob', sharing: SHARING })
  const atAlice = await alice.phone.connectPeer('Bob', invitation, { name: 'Alice', sharing: SHARING })
  await bob.phone.accept(await bob.offers.take(), [])
  await alice.phone.accept(await alice.offers.take(), [])
  await ready.take()
  return { atAlice, atBob: invitation.connection }
}
