import { cp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { forgetfulStore } from '#client/transport.ts'
import { UNKNOWN_PER_HOUR_MAX } from '#host/contracts/limits.ts'
import { signUnknown, verifyUnknown } from '#host/contracts/unknown.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { REKEY_AGE_MS } from '#host/limits.ts'
import type { Message } from '#host/messaging/port.ts'
import { decodeEnvelope } from '#host/wire/envelope.ts'
import { openFolder } from '#host/commands/open.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { connectService } from '#host/service.fixture.ts'
import { ANCHORS_KEPT } from '#host/storage/limits.ts'
import type { Cbor } from '#host/wire/cbor.ts'
import { copyOf, startWorld, until, type World } from '#host/world.fixture.ts'
import { decodeRecord } from './records.ts'

/** Whose envelope it says it is. */
function cidOf(data: Uint8Array): Uint8Array {
  const envelope = decodeEnvelope(data)
  if (!('cid' in envelope)) throw new Error('a command is sealed')
  return envelope.cid
}

/** Stops the host and puts a copy of its folder aside. */
async function copied(world: World): Promise<string> {
  await world.kill()
  const copy = await copyOf(world, `${world.folder}.copy`)
  await world.start()
  return copy
}

/** Stops the host and puts another folder's contents in the place of its own. */
async function replaced(world: World, copy: string): Promise<void> {
  await world.kill()
  for (const name of await readdir(world.folder)) await rm(join(world.folder, name), { recursive: true, force: true })
  await cp(copy, world.folder, { recursive: true })
  await rm(copy, { recursive: true })
  await world.start()
}

test('every answer tells a device how far the vault is, and it remembers the newest', async () => {
  await using world = await startWorld({ handlers: ['counts'] })
  const store = forgetfulStore()
  const phone = await world.pair('phone', store)
  const first = phone.anchor
  expect(first?.sequence).toBeGreaterThan(0)
  await Promise.all(Array.from({ length: 12 }, (_, at) => phone.putField('note', `${at}`)))
  await phone.putField('note', 'last')
  expect(phone.anchor?.sequence).toBeGreaterThan(first?.sequence ?? 0)
  const { head } = (await world.vault()).store
  expect(phone.anchor?.sequence).toBeLessThan(head.sequence)
  // Remembered over a restart of either side, and true then.
  await world.kill()
  await world.start()
  const again = await world.pair('phone', store)
  expect(again.anchor?.sequence).toBeGreaterThanOrEqual(phone.anchor?.sequence ?? 0)
  // The vault remembers what it handed out: the newest, and so many.
  for (let at = 0; at <= ANCHORS_KEPT; at++) await again.putField('note', `${at}`)
  const given = (await world.vault()).system.get('anchor/phone')
  const anchors = given ? decodeRecord('anchors', given.value) : []
  expect(anchors).toHaveLength(ANCHORS_KEPT)
  expect(anchors.at(-1)).toEqual(again.anchor)
})

test('a device that pairs with a vault put back to an older copy is told, and so is the trail', async () => {
  await using world = await startWorld({ handlers: ['counts'] })
  const store = forgetfulStore()
  await world.pair('phone', store)
  const copy = await copied(world)
  const phone = await world.pair('phone', store)
  for (const note of ['one', 'two']) await phone.putField('note', note)
  await replaced(world, copy)
  await expect(world.pair('phone', store)).rejects.toMatchObject({
    code: 'journal-behind',
    message: expect.stringContaining('have its host restore the newest'),
  })
  expect((await world.rows()).at(-1)).toMatchObject({
    result: 'refused',
    reason: 'journal-behind',
    who: "Alice's phone",
  })
  // One that remembers nothing cannot tell.
  await world.pair('phone')
})

test('a command that remembers more than the vault has is refused, and so is all until the owner says', async () => {
  await using world = await startWorld({ handlers: ['counts'], devices: ['tablet'] })
  const acme = await connectService(world, 'Acme')
  await world.alice.putField('note', 'zero')
  const known = world.alice.anchor
  if (!known) throw new Error('every answer has one')
  const put = (anchor: Cbor) => world.holdCommand('field.put', { name: 'note', value: 'one', anchor })
  expect((await world.hand(put({ ...known }))).outcome).toBe('done')
  expect((await world.hand(put({ ...known, sequence: -1 }))).outcome).toBe('malformed')
  const behind = { code: 'journal-behind' }
  expect((await world.hand(put({ ...known, chain: new Uint8Array(32) }))).outcome).toBe(behind.code)
  expect(await acme.ask('counts.run')).toMatchObject({ status: 'refused', ...behind })
  await expect(world.alice.putField('note', 'two')).rejects.toMatchObject(behind)
  expect((await world.vault()).store.namespace('personal').get('field/note')?.revision).toBe(2)
  // Another device does not make it good, nor does another start.
  await world.kill()
  await world.start()
  const tablet = await world.pair('tablet')
  await expect(tablet.putField('note', 'four')).rejects.toMatchObject(behind)
  expect(await acme.ask('counts.run')).toMatchObject({ status: 'refused', ...behind })
  // The owner restored it themselves, and pairs the device that found out anew, with an empty store.
  const phone = await world.pair('phone')
  expect(await acme.ask('counts.run')).toMatchObject({ status: 'replied' })
  await phone.putField('note', 'five')
  await tablet.putField('note', 'six')
})

test('a device whose session moved on is told by its next command that its vault was put back', async () => {
  await using world = await startWorld({ handlers: ['counts'], devices: ['tablet'] })
  const tablet = await world.pair('tablet')
  await world.alice.putField('note', 'before')
  const copy = await copied(world)
  const phoneOf = async () => (await world.vault()).system.get('session/device/phone')?.revision ?? 0
  const before = await phoneOf()
  world.clock.now += REKEY_AGE_MS + 1
  await world.alice.putField('note', 'offers the next epoch')
  await until('the session moved on', async () => (await phoneOf()) > before)
  await world.alice.putField('note', 'in the next epoch')
  await world.alice.putField('note', 'and on')
  await replaced(world, copy)
  const said = await world.listen('OwnerSpace.*.forApp.session.unknown')
  await expect(world.alice.putField('note', 'lost')).rejects.toMatchObject({ code: 'journal-behind' })
  // What the killed host had not acknowledged came again, too.
  const times = said.length
  expect(times).toBeGreaterThan(0)
  // Whose session is as it was is understood, and finds nothing that it did not know.
  await tablet.putField('note', 'understood')
  expect(said).toHaveLength(times)
})

test('what is said of an unknown session is about one message, and so often an hour', async () => {
  await using world = await startWorld({ handlers: ['counts'], devices: ['tablet'] })
  const said = await world.listen('OwnerSpace.*.forApp.session.unknown')
  const known = world.alice.anchor
  if (!known) throw new Error('every answer has one')
  const strange = (): Message => {
    const { subject, data } = world.holdCommand('field.put', { name: 'note', value: 'x' })
    const changed = new Uint8Array(data)
    const at = Buffer.from(data).indexOf(cidOf(data))
    changed[at] = (changed[at] ?? 0) ^ 1
    return { subject, data: changed }
  }
  for (let times = 0; times < UNKNOWN_PER_HOUR_MAX + 2; times++) {
    expect((await world.hand(strange())).outcome).toBe('device-unknown')
  }
  expect(said).toHaveLength(UNKNOWN_PER_HOUR_MAX)
  world.clock.now += 3_600_001
  const message = strange()
  await world.hand(message)
  expect(said).toHaveLength(UNKNOWN_PER_HOUR_MAX + 1)
  const { signing } = await world.vault()
  const { mid, anchor } = verifyUnknown(nativeCrypto, said.at(-1)?.data ?? new Uint8Array(0), signing.publicKey)
  const envelope = decodeEnvelope(message.data)
  expect('mid' in envelope && Buffer.from(mid).equals(envelope.mid)).toBe(true)
  expect(anchor.sequence).toBeGreaterThanOrEqual(known.sequence)
  expect(() => verifyUnknown(nativeCrypto, said[0]?.data ?? new Uint8Array(0), generateSigningKey().publicKey)).toThrow(
    'signature',
  )
  // Said of a message that nobody waits for, or by a vault that knows as much as ever: the phone goes on.
  await world.alice.putField('note', 'on')
})

test('what a forger says of a message is no word of the vault’s', async () => {
  await using world = await startWorld({ handlers: ['counts'] })
  const forger = generateSigningKey()
  const line = world.broker.connect()
  await world.alice.putField('note', 'one')
  const heard = await world.listen('OwnerSpace.*.forVault.>')
  world.broker.connect()
  await world.kill()
  const waiting = world.alice.putField('note', 'two')
  await until('it left', () => heard.length > 0)
  const envelope = decodeEnvelope(heard.at(-1)?.data ?? new Uint8Array(0))
  if (!('mid' in envelope)) throw new Error('a command is sealed')
  const anchor = { sequence: 0, chain: new Uint8Array(32), epoch: 0 }
  const data = signUnknown({ vault: 'alice', mid: envelope.mid, anchor }, forger)
  await line.publish('OwnerSpace.alice.forApp.session.unknown', data)
  await world.start()
  await world.alice.conversation.resend()
  await waiting
})

test('a vault that went another way from an older copy on is found out, however far it went', async () => {
  await using world = await startWorld({ handlers: ['counts'], devices: ['tablet'] })
  const store = forgetfulStore()
  const phone = await world.pair('phone', store)
  await phone.putField('note', 'before')
  const copy = await copied(world)
  const late = await world.pair('phone', store)
  await late.putField('note', 'here')
  await replaced(world, copy)
  const other = await world.pair('tablet')
  for (let at = 0; at < 12; at++) await other.putField('note', `there ${at}`)
  await expect(world.pair('phone', store)).rejects.toMatchObject({ code: 'journal-behind' })
})

test('a sever, and the owner’s word, destroy the key: copies of before open nowhere', async () => {
  await using world = await startWorld({ handlers: ['counts'] })
  const { connection } = await world.alice.invite('Acme', 'service')
  const copy = await copied(world)
  const epoch = async () => (await world.vault()).store.head.epoch
  expect(await epoch()).toBe(0)
  await world.alice.sever(connection)
  await until('the first renewal', async () => (await epoch()) === 1)
  await world.alice.renewKeys()
  await until('the second', async () => (await epoch()) === 2)
  await until('nothing more to do', async () => !(await world.vault()).system.get('erasure'))
  await world.kill()
  await cp(join(world.folder, 'vaults'), join(copy, 'vaults'), { recursive: true, force: true })
  {
    await using thief = await openFolder(copy, { create: false })
    await expect(thief.vaults.find('alice')).rejects.toMatchObject({ code: 'key-missing' })
  }
  await rm(copy, { recursive: true })
  await world.start()
  expect(await epoch()).toBe(2)
  await world.alice.putField('note', 'on')
})
