import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { openFolder } from '#host/commands/open.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { softwareSealer } from '#host/storage/sealer.ts'
import { connectService } from '#host/service.fixture.ts'
import { random, startWorld } from '#host/world.fixture.ts'

const birth = () => ({
  device: { id: 'phone', label: 'phone', verifyKey: generateSigningKey().publicKey },
  fields: { email: 'bob@example.org' },
  now: 0,
})

test('a vault is made once, and found under its name alone', async () => {
  await using world = await startWorld({ handlers: ['counts'] })
  const { vaults } = world.host
  const bob = await vaults.create('bob', birth())
  expect(await vaults.find('bob')).toBe(bob)
  expect(await vaults.find('carol')).toBeUndefined()
  await expect(vaults.create('bob', birth())).rejects.toMatchObject({ code: 'conflict' })
  expect(await vaults.names()).toEqual(['alice', 'bob'])
  await world.kill()
  await world.start()
  const opened = await Promise.all([world.host.vaults.find('bob'), world.host.vaults.find('bob')])
  expect(opened[0]).toBe(opened[1])
  expect(opened[0]?.store.namespace('personal').get('field/email')).toBeDefined()
})

test('a key whose vault was never written, as a crash leaves it, stops nobody', async () => {
  await using world = await startWorld({ handlers: ['counts'] })
  await world.kill()
  const sealer = await softwareSealer(join(world.folder, 'install.key'), { random, create: false })
  await writeFile(join(world.folder, 'vaults', 'ghost.key'), sealer.seal(random(32), 'vault ghost'))
  await world.start()
  const acme = await connectService(world, 'Acme')
  expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 1 })
  expect(await world.host.vaults.find('ghost')).toBeUndefined()
})

test('a vault opens with its own key only', async () => {
  await using world = await startWorld({ handlers: ['counts'] })
  await world.host.vaults.create('bob', birth())
  await world.kill()
  const folder = join(world.folder, 'vaults')
  expect((await readdir(folder)).sort()).toEqual(['alice.key', 'bob.key'])
  const sealer = await softwareSealer(join(world.folder, 'install.key'), { random, create: false })
  await writeFile(join(folder, 'bob.key'), sealer.seal(random(32), 'vault alice'))
  {
    await using opened = await openFolder(world.folder, { create: false })
    await expect(opened.vaults.find('bob')).rejects.toMatchObject({ code: 'key-missing' })
    expect(await opened.vaults.find('alice')).toBeDefined()
  }
  await writeFile(join(folder, 'bob.key'), sealer.seal(random(32), 'vault bob'))
  await using opened = await openFolder(world.folder, { create: false })
  await expect(opened.vaults.find('bob')).rejects.toMatchObject({ code: 'key-missing' })
})

test('a vault that does not open stays closed, and its neighbours are served', async () => {
  await using world = await startWorld({ handlers: ['counts'] })
  await world.host.vaults.create('bob', birth())
  await world.kill()
  const sealer = await softwareSealer(join(world.folder, 'install.key'), { random, create: false })
  await writeFile(join(world.folder, 'vaults', 'bob.key'), sealer.seal(random(32), 'vault bob'))
  await world.start()
  expect(world.warnings).toEqual([expect.stringMatching(/^vault bob stays closed: /)])
  await expect(world.host.vaults.find('bob')).rejects.toMatchObject({ code: 'key-missing' })
  const acme = await connectService(world, 'Acme')
  expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 1 })
})
