import { open } from 'node:fs/promises'
import { join } from 'node:path'

import { expect, test, vi } from 'vitest'

import { connectService, told } from './service.fixture.ts'
import { startWorld, until } from './world.fixture.ts'

test('a host whose disk is full answers nobody, and does it all when there is room, without a restart', async () => {
  await using world = await startWorld({ handlers: ['counts'] })
  const acme = await connectService(world, 'Acme')
  expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 1 })
  const { host } = world
  const before = await world.vault()
  let down: unknown
  void host.down.then((reason) => (down = reason))

  const handle = await open(join(world.folder, 'log'))
  // The class of file handles is not exported.
  const prototype = Object.getPrototypeOf(handle) as { writev(): Promise<unknown> }
  const full = vi
    .spyOn(prototype, 'writev')
    .mockRejectedValue(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }))
  await handle.close()
  const answers: unknown[] = []
  const asked = [await acme.request('counts.run'), await acme.request('counts.run')]
  for (const { answer } of asked) void answer.then((reply) => answers.push(told(reply)))
  await until('a write that fails', () => full.mock.calls.length > 0)
  // What is there is read, from what is durable.
  const reader = await until('the vault, opened again', async () => {
    // While the log is closed it is refused, like any event.
    const vault = await world.vault().catch(() => undefined)
    return vault !== before && vault
  })
  expect(
    new TextDecoder().decode(reader.store.namespace(`connection/${acme.invitation.connection}`).get('n')?.value),
  ).toBe('1')
  expect(answers).toEqual([])

  full.mockRestore()
  await Promise.all(asked.map(({ answer }) => answer))
  const replies = [2, 3].map((body) => ({ status: 'replied', body }))
  await until('both answers', () => answers.length === 2)
  expect(answers).toEqual(expect.arrayContaining(replies))
  expect(down).toBeUndefined()
  expect(world.host).toBe(host)
  expect((await world.rows()).filter(({ eventType }) => eventType === 'counts.run')).toHaveLength(3)
})
