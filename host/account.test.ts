/** An account: sign-up, sessions, the operator's backup, its end; and that nothing of it lies open on the disk. */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { foundUser } from '#client/entries/directories.ts'
import { generateKemKey } from '#host/crypto/kem.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { backupId } from '#host/entries/device.ts'
import { parseDeviceId } from '#host/entries/ids.ts'
import { exportSeed } from '#host/crypto/seed.ts'
import { openPart } from '#host/entries/sealed.ts'
import { SESSION_CONTEXT, sessionMessage } from '#host/entries/session.ts'
import { enterChannel, openShare } from '#host/entries/share.ts'
import { decodeVersion } from '#host/entries/version.ts'
import { heldChannel, heldShare } from '#host/vault/account/held.ts'
import { attach, draft, entryOf, freshKeys, type Rig, signUp, textOf } from './entries-rig.fixture.ts'
import { startWorld, type World } from './world.fixture.ts'

let world: World

beforeEach(async () => {
  world = await startWorld({ handlers: [] })
})
afterEach(() => world[Symbol.asyncDispose]())

function refused(work: Promise<unknown>, code: string) {
  return expect(work).rejects.toThrow(new RegExp(`was refused: ${code}`))
}

/** A token of a device, by its own signature unless another is given. */
async function tokenOf({ owner, book, signing }: Rig, by = signing, audience?: string) {
  const asked = await owner.entries.challenge()
  const whom = audience ?? asked.audience
  const said = sessionMessage({ user: book.user, device: book.device, audience: whom, challenge: asked.challenge })
  const signature = by.sign(SESSION_CONTEXT, said)
  const answer = { challenge: asked.challenge, signature, ...(audience && { audience }) }
  return { answer, token: () => owner.entries.token(answer) }
}

/** Whether these bytes, or their hexadecimal or base64 text, are anywhere in the data folder. */
async function atRest(bytes: Uint8Array): Promise<boolean> {
  const files = await readdir(world.folder, { recursive: true, withFileTypes: true })
  const forms = [Buffer.from(bytes), Buffer.from(bytes.toHex()), Buffer.from(bytes.toBase64())]
  // The lock of a host that was killed is being let go of: it holds a process id.
  for (const file of files.filter((one) => one.isFile() && !one.name.endsWith('.lock'))) {
    const content = await readFile(join(file.parentPath, file.name))
    if (forms.some((form) => content.includes(form))) return true
  }
  return false
}

describe('signing up', () => {
  test('makes the account once, by the device that is its root', async () => {
    await refused(world.alice.entries.directory(), 'command-invalid')
    await refused(world.alice.entries.list(), 'command-invalid')
    const { signing, kem } = freshKeys()
    const secrets = { signer: signing, opener: kem }
    const other = foundUser({ ...secrets, crypto: nativeCrypto, now: world.now }, 'stranger')
    await refused(world.alice.entries.signUp(other.statement), 'entry-invalid')
    const phone = await signUp(world)
    await refused(world.alice.entries.signUp(other.statement), 'conflict')
    expect(phone.book.directory().devices.size).toBe(1)
  })

  test('is refused where it is closed; who is there already goes on', async () => {
    await world.host.vaults.instance.change({ signUps: 'closed' })
    await refused(signUp(world), 'sign-ups-closed')
    await world.host.vaults.instance.change({ signUps: 'open' })
    const phone = await signUp(world)
    await world.host.vaults.instance.change({ signUps: 'closed' })
    await phone.create('Router')
    expect((await phone.owner.entries.directory()).instance).toEqual({ signUps: 'closed', backupKey: null })
  })

  test('takes no root that its own keys did not sign', async () => {
    const kem = generateKemKey()
    const secrets = { signer: world.signing('phone'), opener: kem }
    const { statement } = foundUser({ ...secrets, crypto: nativeCrypto, now: world.now }, 'phone')
    const forged = statement.map((byte, at) => (at === statement.length - 1 ? byte ^ 1 : byte))
    await refused(world.alice.entries.signUp(forged), 'directory-invalid')
    await world.alice.entries.signUp(statement)
  })
})

describe('a session', () => {
  test('is for who signed the challenge, once, until the device is revoked', async () => {
    const phone = await signUp(world)
    const tablet = await attach(world, phone, 'tablet')
    await phone.learn()
    const made = await tokenOf(tablet)
    const { token, expires } = await made.token()
    expect(expires).toBe(world.clock.now + 15 * 60_000)
    expect(await phone.owner.entries.session(token)).toMatchObject({
      user: phone.book.user,
      device: tablet.book.device,
    })
    await refused(tablet.owner.entries.token(made.answer), 'token-invalid')
    await phone.owner.entries.revoke(phone.book.revoke(tablet.book.device).statement)
    await refused(phone.owner.entries.session(token), 'device-inactive')
  })

  test('is none by another key, too late, for another audience, or after a new token key', async () => {
    const phone = await signUp(world)
    await refused((await tokenOf(phone, freshKeys().signing)).token(), 'token-invalid')
    const late = await tokenOf(phone)
    world.clock.now += 2 * 60_000
    await refused(late.token(), 'token-invalid')
    const audience = 'https://door.example'
    const elsewhere = await (await tokenOf(phone, undefined, audience)).token()
    await refused(phone.owner.entries.session(elsewhere.token), 'token-invalid')
    expect(await phone.owner.entries.session(elsewhere.token, audience)).toMatchObject({ audience })
    const { token } = await (await tokenOf(phone)).token()
    await world.host.vaults.instance.change({ tokenKey: 'new' })
    await refused(phone.owner.entries.session(token), 'token-invalid')
    const over = await (await tokenOf(phone)).token()
    world.clock.now += 15 * 60_000
    await refused(phone.owner.entries.session(over.token), 'token-invalid')
  })

  test('has few challenges open at a time', async () => {
    const phone = await signUp(world)
    for (let count = 0; count < 32; count++) await phone.owner.entries.challenge()
    await refused(phone.owner.entries.challenge(), 'busy')
    world.clock.now += 2 * 60_000
    await phone.owner.entries.challenge()
  })
})

describe('the operator’s backup', () => {
  test('is opted into by a signed statement, for the host’s key alone; a version then has a share more', async () => {
    const phone = await signUp(world)
    const offline = generateKemKey()
    const raw = offline.publicKey
    await refused(phone.owner.entries.optIn(phone.book.setBackup(raw)), 'entry-invalid')
    await world.host.vaults.instance.change({ backupKey: raw })
    await refused(phone.owner.entries.optIn(phone.book.setBackup(generateKemKey().publicKey)), 'entry-invalid')
    await refused(phone.owner.entries.optOut(phone.book.setBackup(raw)), 'entry-invalid')
    await phone.owner.entries.optIn(phone.book.setBackup(raw))
    await refused(phone.send('create', phone.book.create(draft('stale'))), 'recipients-stale')
    await phone.learn()
    const entry = await phone.create('Router')
    const [served] = (await phone.owner.entries.get(entry)).versions
    if (!served) throw new Error('a version')
    // With what the operator keeps offline, and what is on the host: the content.
    const vault = await world.vault()
    const version = decodeVersion(nativeCrypto, served)
    const share = heldShare(vault, version.header.version, backupId(nativeCrypto, raw))
    const channel = share && heldChannel(vault, share)
    if (!share || !channel || !served.content) throw new Error('a share for the operator')
    const entered = enterChannel(nativeCrypto, channel, offline)
    const key = openShare(nativeCrypto, entered, version, { part: 'content', share })
    const content = openPart(nativeCrypto, { ...version.header, part: 'content' }, key, served.content)
    expect(textOf(content)).toBe('what Router holds')
    await phone.owner.entries.optOut(phone.book.setBackup(null))
    await phone.learn()
    await phone.update(entry, 'not for the operator')
    expect((await phone.owner.entries.get(entry)).versions[0]?.recipients).toEqual([parseDeviceId(phone.book.device)])
  })

  test('and all else that is secret is in no byte at rest', async () => {
    const phone = await signUp(world)
    const offline = generateKemKey()
    await world.host.vaults.instance.change({ backupKey: offline.publicKey })
    await phone.owner.entries.optIn(phone.book.setBackup(offline.publicKey))
    await phone.learn()
    const secret = 'a passphrase that nobody else is to read'
    const write = phone.book.create(draft('the title of it', secret))
    await phone.send('create', write)
    await phone.read(entryOf(write))
    await (await tokenOf(phone)).token()
    const vault = await world.vault()
    await vault.store.snapshot()
    const tokenKey = new Uint8Array((await world.host.vaults.instance.tokenKey()).export())
    await world.kill()
    const secrets = [
      exportSeed(offline),
      exportSeed(phone.kem),
      exportSeed(phone.signing),
      tokenKey,
      Buffer.from(secret),
      Buffer.from('the title of it'),
    ]
    for (const bytes of secrets) expect(await atRest(bytes)).toBe(false)
    // The search finds what is there.
    await writeFile(join(world.folder, 'planted'), `before ${secret} after`)
    expect(await atRest(Buffer.from(secret))).toBe(true)
    await rm(join(world.folder, 'planted'))
    await world.start()
  })
})

describe('an account’s end', () => {
  test('removes all that devices signed and sealed, and says what remains', async () => {
    const phone = await signUp(world)
    const entry = await phone.create('Router')
    await phone.update(entry, 'second')
    const { token } = await (await tokenOf(phone)).token()
    const { user } = phone.book
    await refused(phone.owner.entries.deleteAccount({ token: `${token}x`, user }), 'token-invalid')
    await refused(phone.owner.entries.deleteAccount({ token, user: new Uint8Array(32) }), 'command-invalid')
    const ended = await phone.owner.entries.deleteAccount({ token, user })
    expect(ended).toMatchObject({ left: 0, remains: expect.arrayContaining([expect.stringMatching(/audit trail/)]) })
    const { store } = await world.vault()
    expect(store.namespaces().filter((name) => /^(directory|channels|entries|versions|shares)$/.test(name))).toEqual([])
    await refused(phone.owner.entries.list(), 'command-invalid')
    const again = await signUp(world)
    await again.create('anew')
  })

  test('gives a device that was revoked no second life in the next account', async () => {
    const phone = await signUp(world)
    const tablet = await attach(world, phone, 'tablet')
    await phone.owner.entries.revoke(phone.book.revoke(tablet.book.device).statement)
    const { token } = await (await tokenOf(phone)).token()
    await phone.owner.entries.deleteAccount({ token, user: phone.book.user })
    const again = await signUp(world)
    const vouch = (keys: Rig['keys'], label: string) =>
      again.owner.entries.attach(again.book.attach({ keys, label, role: 'device', expires: null }))
    await refused(vouch(tablet.keys, 'tablet'), 'command-invalid')
    await vouch(freshKeys().keys, 'tablet')
    expect(await again.owner.entries.devices()).toHaveLength(2)
  })
})
