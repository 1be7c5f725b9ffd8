import { afterAll, beforeAll, expect, test } from 'vitest'

import { openFolder } from './commands/open.ts'
import { Refusal, type RefusalCode } from './errors.ts'
import { upkeep } from './upkeep.ts'
import { dueErasure, erasureDue } from './vault/erasure.ts'
import { random, startWorld, VAULT, type World } from './world.fixture.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({ handlers: [] })
  await world.kill()
})
afterAll(() => world[Symbol.asyncDispose]())

/** A round in which keys are renewed with this outcome, and one in which nothing is amiss: what is due after each. */
async function dueAfter(failure: Error): Promise<boolean[]> {
  await using opened = await openFolder(world.folder, { create: false })
  const vault = await opened.vaults.find(VAULT)
  if (!vault) throw new Error('no vault')
  await vault.store.commit([dueErasure], { now: world.now() })
  const moment = { bus: world.broker.connect(), now: world.now(), random }
  await upkeep({ ...opened.vaults, renew: () => Promise.reject(failure) }, moment)
  const first = erasureDue(vault)
  await upkeep(opened.vaults, moment)
  return [first, erasureDue(vault)]
}

test.each<RefusalCode>(['storage-failed', 'vault-locked', 'key-missing', 'conflict'])(
  'new keys that %s keeps from being made are made in the next round',
  async (code) => expect(await dueAfter(new Refusal(code, 'just now'))).toEqual([true, false]),
)

test('a fault ends the round, and whoever runs it', async () => {
  await expect(dueAfter(new Error('a fault'))).rejects.toThrow('a fault')
})

test('a vault that its owner locks in the middle of a round is left to the next', async () => {
  await using opened = await openFolder(world.folder, { create: false })
  const vault = await opened.vaults.find(VAULT)
  if (!vault) throw new Error('no vault')
  await vault.store.commit([dueErasure], { now: world.now() })
  const locked = { ...opened.vaults, renew: async () => vault.store[Symbol.asyncDispose]() }
  const commits = vault.store.attempts
  await upkeep(locked, { bus: world.broker.connect(), now: world.now(), random })
  expect(vault.store.attempts).toBe(commits + 1)
  expect(erasureDue(vault)).toBe(true)
})
