import { expect, test } from 'vitest'

import { FIELD_VALUE_CHARS_MAX } from '#host/limits.ts'
import { connectService } from '#host/service.fixture.ts'
import { VAULT_FULL_AGAIN_MS } from '#host/storage/limits.ts'
import type { Change } from '#host/storage/port.ts'
import { startWorld, until } from '#host/world.fixture.ts'
import { checkQuota, compactionDue } from './quota.ts'

test('a full vault refuses what makes it larger, tells its owner, and goes on with all the rest', async () => {
  const bytesMax = 96 * 1_024
  await using world = await startWorld({ handlers: ['counts'], bounds: { vaultBytesMax: bytesMax } })
  const heard: unknown[] = []
  world.alice.conversation.on('vault.full', (event) => heard.push(event))
  const acme = await connectService(world, 'Acme')
  const value = 'a'.repeat(FIELD_VALUE_CHARS_MAX)
  const fill = async (name: string, text: string) => {
    for (let at = 0; at < 100; at++) await world.alice.putField(`${name}_${at}`, text)
  }
  await expect(fill('note', value)).rejects.toThrow('vault-full')
  await expect(fill('word', 'a')).rejects.toThrow('vault-full')
  expect((await world.vault()).store.size.bytes).toBeLessThan(bytesMax + 8_192)
  expect(await acme.ask('counts.run')).toMatchObject({ status: 'refused', code: 'vault-full' })
  await expect(world.alice.putField('note_0', `${value.slice(1)}bc`.slice(0, 4_096))).resolves.toBeUndefined()
  expect(heard).toHaveLength(1)
  world.clock.now += VAULT_FULL_AGAIN_MS
  expect(await acme.ask('counts.run')).toMatchObject({ code: 'vault-full' })
  await world.alice.putField('note_0', '')
  await world.alice.putField('note_1', '')
  await world.alice.putField('note_2', '')
  expect(heard).toHaveLength(2)
  expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 1 })
  await world.rows()
})

function note(length: number): Change {
  return { namespace: 'personal', key: 'note', value: new Uint8Array(length) }
}

test('a vault that takes too much on disk is refused, until a snapshot lets go what is no longer there', async () => {
  const vaultDiskBytesMax = 512 * 1_024
  await using world = await startWorld({ handlers: ['counts'], bounds: { vaultDiskBytesMax } })
  const vault = await world.vault()
  const taken = () => vault.store.disk.journal + vault.store.disk.snapshot
  // One key again and again: the vault stays small, its journal does not. All of it is one frame.
  const versions = Array.from({ length: 8 }, () => vault.store.commit([note(64 * 1_024)], { now: world.clock.now }))
  await Promise.all(versions)
  const refused = { code: 'vault-full', message: expect.stringContaining('on disk') }
  expect(() => checkQuota(vault, [note(1)])).toThrow(expect.objectContaining(refused))
  expect(() => checkQuota(vault, [{ ...note(1), value: null }])).not.toThrow()
  expect(() => checkQuota(vault, [{ ...note(1), namespace: 'audit' }])).not.toThrow()
  expect(compactionDue(vault)).toBe(true)
  // The next round of upkeep sees to it.
  await until('room on disk', () => taken() < vaultDiskBytesMax / 4)
  expect(compactionDue(vault)).toBe(false)
  await expect(world.alice.putField('note', 'b')).resolves.toBeUndefined()

  // What was removed is in the snapshot until new keys are made.
  await vault.store.commit([note(300 * 1_024)], { now: world.clock.now })
  await vault.store.snapshot()
  await vault.store.commit([{ ...note(0), value: null }], { now: world.clock.now })
  const before = taken()
  await world.host.vaults.renew(vault)
  expect(taken()).toBeLessThan(before - 250 * 1_024)
})
