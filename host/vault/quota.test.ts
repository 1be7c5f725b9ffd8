import { expect, test } from 'vitest'

import { FIELD_VALUE_CHARS_MAX } from '#host/limits.ts'
import { connectService } from '#host/service.fixture.ts'
import { VAULT_FULL_AGAIN_MS } from '#host/storage/limits.ts'
import { startWorld } from '#host/world.fixture.ts'

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
