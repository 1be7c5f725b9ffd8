/** What the vault that hosts knows of its guest's own side: not even what its items are called. */
import { afterAll, beforeAll, expect, test } from 'vitest'

import { SANDBOX_OWN_KEY_BYTES_MAX } from '#host/contracts/limits.ts'
import { sealSandboxName } from '#host/contracts/sandbox-seal.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { findSandbox } from '#host/vault/sandbox/held.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { bytes, codeOf, holds, type SandboxPeers, startSandboxes, stateNow, text, written } from './sandbox.fixture.ts'
import { until } from './world.fixture.ts'

let all: SandboxPeers
beforeAll(async () => {
  all = await startSandboxes()
})
afterAll(() => all[Symbol.asyncDispose]())

const MINE = { place: 'mine', expected: 0 } as const

test('the host cannot read the guest’s side, and what it changes there does not open', async () => {
  const secret = 'quiet-lighthouse-7'
  const given = await written(all.peers.alice)
  const { id, hers, his } = await all.share()
  await his.write({ ...MINE, key: 'a' }, bytes(secret))
  await his.write({ ...MINE, key: 'b' }, bytes('other'))
  expect(holds(given, secret)).toBe(false)
  expect(holds(await stateNow(all.peers.alice), secret)).toBe(false)
  const { store } = await all.peers.alice.vault()
  const space = store.namespace(`sandbox/${id}-guest`)
  const [[, a], [hidden, b]] = [await itemOf('a'), await itemOf('b')]
  async function itemOf(key: string) {
    const { record } = findSandbox(await all.peers.bob.vault(), id) ?? {}
    const name = sealSandboxName(nativeCrypto, record?.key ?? new Uint8Array(0), id, key)
    const item = space.get(name)
    if (!item) throw new Error('the sealed items are there')
    return [name, item] as const
  }
  // Nor how long they are, within a size class.
  expect(a.value.length).toBe(b.value.length)
  // One item's bytes in the place of another.
  await store.commit([{ namespace: `sandbox/${id}-guest`, key: hidden, value: a.value }], { now: 0 })
  expect(await codeOf(his.read('mine', 'b'))).toBe('unopenable')
  await store.commit([{ namespace: `sandbox/${id}-guest`, key: hidden, value: b.value }], { now: 0 })
  expect(text((await his.read('mine', 'b'))?.value)).toBe('other')
  await hers.end()
})

test('the host does not see what the guest’s items are called, until they are shared', async () => {
  const given = await written(all.peers.alice)
  const { id, hers, his } = await all.share({ portability: 'mutual-and-own' })
  const named = (name: string) => given.some(({ key, value }) => holds([{ key, value }], name))
  for (const key of ['divorce-lawyer', 'diary', 'dentist']) await his.write({ ...MINE, key }, bytes(key.slice(0, 3)))
  expect(named('divorce-lawyer') || named('diary') || named('dentist')).toBe(false)
  expect((await his.list('mine')).items.map(({ key }) => key).sort()).toEqual(['dentist', 'diary', 'divorce-lawyer'])
  expect((await his.list('mine', { prefix: 'dia' })).items).toMatchObject([{ key: 'diary', size: expect.any(Number) }])
  expect((await hers.list('theirs')).items).toEqual([])

  await his.share('diary', 'writable')
  await his.move('dentist', 'mutual')
  expect(named('divorce-lawyer')).toBe(false)
  expect((await hers.list('theirs')).items).toMatchObject([{ key: 'diary', grant: 'writable' }])
  expect((await hers.list('theirs', { prefix: 'x' })).items).toEqual([])
  const { revision = 0 } = (await hers.read('theirs', 'diary')) ?? {}
  await hers.write({ place: 'theirs', key: 'diary', expected: revision }, bytes('hers'))
  expect(await his.read('mine', 'diary')).toMatchObject({ value: bytes('hers'), author: 'creator', grant: 'writable' })
  expect(text((await hers.read('mutual', 'dentist'))?.value)).toBe('den')
  const copied = await all.peers.bob.alice.conversation.request('sandbox.export', encodeCbor({ sandbox: id }), {
    lifeMs: 60_000,
  })
  expect((await copied.answer).status).toBe('replied')

  // Not shared any longer, it has no name there, and another may have it.
  await his.share('diary', 'none')
  expect((await hers.list('theirs')).items).toEqual([])
  const { store } = await all.peers.alice.vault()
  expect(store.namespace(`sandbox/${id}-shown`).bytes).toBe(0)
  expect(text((await his.read('mine', 'diary'))?.value)).toBe('hers')
  await his.move('dentist', 'mine')
  expect(text((await his.read('mine', 'dentist'))?.value)).toBe('den')
  await his.remove({ place: 'mine', key: 'dentist', expected: (await his.read('mine', 'dentist'))?.revision ?? 0 })
  const late = his.remove({ place: 'mine', key: 'dentist', expected: 1 })
  await expect(late).rejects.toThrow('dentist is not there')
  expect(await codeOf(his.write({ ...MINE, key: 'k'.repeat(SANDBOX_OWN_KEY_BYTES_MAX + 1) }, bytes('')))).toBe(
    'malformed-request',
  )
  await his.write({ ...MINE, key: 'k'.repeat(SANDBOX_OWN_KEY_BYTES_MAX) }, bytes('longest'))
  await hers.end()
  await until('the copy came', async () => (await all.guest.copy(id).catch(() => [])).length > 0)
  expect((await all.guest.copy(id)).map(({ key, value }) => `${key.slice(0, 14)} ${text(value)}`).sort()).toEqual([
    'diary hers',
    'divorce-lawyer div',
    'kkkkkkkkkkkkkk longest',
  ])
})
