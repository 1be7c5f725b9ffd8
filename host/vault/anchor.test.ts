import { cp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { forgetfulStore } from '#client/transport.ts'
import { openFolder } from '#host/commands/open.ts'
import { connectService } from '#host/service.fixture.ts'
import type { Cbor } from '#host/wire/cbor.ts'
import { startWorld, until, type World } from '#host/world.fixture.ts'

/** Stops the host and puts a copy of its folder aside. */
async function copied(world: World): Promise<string> {
  await world.kill()
  const copy = `${world.folder}.copy`
  // The lock of the host that was killed may just be going.
  await cp(world.folder, copy, { recursive: true, filter: (path) => !path.endsWith('.lock') })
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
  await again.putField('note', 'on')
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
