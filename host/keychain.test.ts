/** A service's ring in a real vault: what the contract caps, what the owner sees, what survives a restart. */
import { afterAll, beforeAll, expect, test } from 'vitest'

import { HANDLER_STORAGE_BYTES_MAX, ITEMS_PAGE_BYTES, VALUE_BYTES_MAX } from '#host/limits.ts'
import { createPool, type Pool } from '#host/plugin/pool.ts'
import { commit } from '#host/vault/commit.ts'
import { type Asker, connectService, HOUR_MS, told } from './service.fixture.ts'
import { gatedPool, random, startWorld, type World } from './world.fixture.ts'

let world: World
let pool: Pool

beforeAll(async () => {
  world = await startWorld({ handlers: ['keychain', 'counts'] })
  pool = await createPool({ registry: world.host.registry, cells: 2, spares: 0 })
})
afterAll(async () => {
  await pool[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

const EVENTS = ['data.store', 'data.read', 'data.remove', 'counts.ask']
const others = { messages: false, authentication: false, payment: false }
const store = { categories: ['receipts', 'tokens'], bytesMax: 100 }
const terms = (bytesMax = 100, storageBytes = 1_000) => ({
  permissions: { events: EVENTS, store: { ...store, bytesMax }, ...others },
  limits: { requestsPerHour: 10_000, storageBytes },
})
const receipt = { category: 'receipts', visibility: 'transparent' }
const refused = (code: string) => expect.objectContaining({ status: 'refused', code })
const replied = (body: unknown) => ({ status: 'replied', body })

async function spaceOf({ invitation }: Asker) {
  return (await world.vault()).store.namespace(`connection/${invitation.connection}`)
}

async function restart(): Promise<void> {
  await world.kill()
  await world.start()
}

test('a service stores, reads, lists and removes; another connection sees nothing of it', async () => {
  const acme = await connectService(world, 'Acme', { changes: terms() })
  const bolt = await connectService(world, 'Bolt', { changes: terms() })
  expect(await acme.ask('data.store', { ...receipt, key: 'a', json: 1 })).toEqual(replied({ key: 'a', revision: 1 }))
  await acme.ask('data.store', { key: 'b', category: 'tokens', visibility: 'opaque', base64url: 'AAEC' })
  await acme.ask('data.store', { ...receipt, key: 'c', json: 3 })
  await restart()
  const item = { key: 'a', ...receipt, revision: 1, size: 1 }
  expect(await acme.ask('data.read', { key: 'a' })).toEqual(replied({ item: { ...item, json: 1 } }))
  const opaque = { key: 'b', category: 'tokens', visibility: 'opaque', revision: 1, size: 3 }
  expect(await acme.ask('data.read', { limit: 2 })).toEqual(replied({ items: [item, opaque], next: 'b' }))
  expect(await acme.ask('data.read', { limit: 2, after: 'b' })).toEqual(
    replied({ items: [{ ...item, key: 'c' }], next: null }),
  )
  expect(await bolt.ask('data.read', {})).toEqual(replied({ items: [], next: null }))
  expect(await bolt.ask('data.read', { key: 'a' })).toEqual(refused('not-found'))
  expect(await bolt.ask('data.remove', { key: 'a' })).toEqual(replied({ key: 'a', removed: false }))
  expect(await acme.ask('data.remove', { key: 'a', expected: 1 })).toEqual(replied({ key: 'a', removed: true }))
  expect(await acme.ask('data.read', { key: 'a' })).toEqual(refused('not-found'))
})

test('of two that swap at once one wins, and the other is told the revision there is now', async () => {
  const acme = await connectService(world, 'Acme', { changes: terms() })
  await acme.ask('data.store', { ...receipt, key: 'a', json: 0 })
  const swaps = [1, 2].map((json) => acme.ask('data.store', { ...receipt, key: 'a', json, expected: 1 }))
  const ends = await Promise.all(swaps)
  expect(ends.filter(({ status }) => status === 'replied')).toEqual([replied({ key: 'a', revision: 2 })])
  expect(ends.find(({ status }) => status === 'refused')).toMatchObject({
    code: 'conflict',
    message: 'the item is at revision 2: fetch it again',
  })
})

test('bytes, categories and the right itself are the contract’s; what is refused leaves nothing', async () => {
  const acme = await connectService(world, 'Acme', { changes: terms() })
  const space = await spaceOf(acme)
  // Six bytes of key, and 94 of JSON with its quotes.
  expect(await acme.ask('data.store', { ...receipt, key: 'a', json: 'x'.repeat(93) })).toEqual(refused('storage-full'))
  expect(await acme.ask('data.store', { key: 'a', category: 'cards', visibility: 'opaque', json: 1 })).toEqual(
    refused('category-undeclared'),
  )
  expect(space.bytes).toBe(0)
  expect((await acme.ask('data.store', { ...receipt, key: 'a', json: 'x'.repeat(92) })).status).toBe('replied')
  expect(space.bytes).toBe(100)
  await restart()
  const full = refused('storage-full')
  expect(await acme.ask('data.store', { ...receipt, key: 'b', json: 1 })).toEqual(full)
  expect((await spaceOf(acme)).bytes).toBe(100)

  const permissions = { events: EVENTS, store: null, ...others }
  const bolt = await connectService(world, 'Bolt', { changes: { permissions } })
  expect(await bolt.ask('data.store', { ...receipt, key: 'a', json: 1 })).toEqual(refused('not-permitted'))
  expect(await bolt.ask('data.read', {})).toEqual(refused('not-permitted'))
})

test('what a service declares sensitive is so at least, and its contract and the owner may want more', async () => {
  const sensitivity = { tokens: 'critical' } as const
  const permissions = { events: EVENTS, store: { ...store, sensitivity }, ...others }
  const acme = await connectService(world, 'Acme', { changes: { ...terms(), permissions } })
  const levelOf = async (key: string) => (await spaceOf(acme)).get(`ring/${key}`)?.sensitivity
  const shown = async (key: string) => {
    const { items } = await world.alice.browse(`connection/${acme.invitation.connection}`, { prefix: `ring/${key}` })
    return items.map(({ sensitivity, value }) => [sensitivity, value !== null])
  }
  await acme.ask('data.store', { ...receipt, key: 'a', json: 1 })
  await acme.ask('data.store', { ...receipt, key: 'b', json: 1, sensitivity: 'secret' })
  expect(await shown('a')).toEqual([['data', true]])
  expect(await shown('b')).toEqual([['secret', false]])
  // Its own category demands more than it says.
  await acme.ask('data.store', {
    key: 'c',
    category: 'tokens',
    visibility: 'transparent',
    json: 1,
    sensitivity: 'data',
  })
  expect(await shown('c')).toEqual([['critical', false]])
  // Laxer is not taken.
  await acme.ask('data.store', { ...receipt, key: 'b', json: 2, sensitivity: 'data' })
  await acme.ask('data.store', { ...receipt, key: 'b', json: 3 })
  expect(await levelOf('b')).toBe('secret')
  expect(await acme.ask('data.store', { ...receipt, key: 'd', json: 1, sensitivity: 'top' })).toEqual(
    refused('malformed-request'),
  )
  await world.alice.setFactor({ pin: '271828', windowMs: 60_000 })
  await world.alice.protect(`connection/${acme.invitation.connection}`, 'ring/a')
  const { answer, pending } = await acme.request('data.store', { ...receipt, key: 'a', json: 2, sensitivity: 'data' })
  await pending
  expect((await spaceOf(acme)).get('ring/a')?.revision).toBe(2)
  await world.alice.unlock('271828')
  expect(told(await answer)).toEqual(replied({ key: 'a', revision: 3 }))
  expect(await levelOf('a')).toBe('critical')
  expect(await shown('c')).toEqual([['critical', true]])
  await world.alice.lock()
  // Not even by writing over it, unseen.
  const { pending: locked } = await acme.request('data.remove', { key: 'c' })
  await locked
  await restart()
  expect(await levelOf('c')).toBe('critical')
})

test('two events that each would fit do not both pass: the commit counts', async () => {
  const acme = await connectService(world, 'Acme', { changes: terms(60) })
  const asked = await acme.hold('data.store', { ...receipt, key: 'a', json: 'x'.repeat(40) })
  const gated = gatedPool(pool)
  const delivery = world.hand(asked.message, { pool: gated })
  await gated.entered
  expect((await acme.ask('data.store', { ...receipt, key: 'b', json: 'y'.repeat(40) })).status).toBe('replied')
  gated.release()
  expect((await delivery).outcome).toBe('storage-full')
  expect(told(await asked.answer)).toEqual(refused('storage-full'))
  expect((await spaceOf(acme)).get('ring/a')).toBeUndefined()
})

test('an approved event that no longer fits is refused to its asker, and the owner’s yes is taken', async () => {
  const acme = await connectService(world, 'Acme', { changes: terms(8) })
  const asked = await acme.request('counts.ask')
  const { question } = await world.questions.take()
  const gated = gatedPool(pool)
  const delivery = world.hand(world.holdCommand('consent.approve', { question }), { pool: gated })
  await gated.entered
  expect((await acme.ask('data.store', { ...receipt, key: 'a', json: 1 })).status).toBe('replied')
  gated.release()
  expect((await delivery).outcome).toBe('done')
  expect(told(await asked.answer)).toEqual(refused('storage-full'))
  expect((await spaceOf(acme)).get('n')).toBeUndefined()
})

test('no commit writes what a contract in force does not allow, whoever made it', async () => {
  const acme = await connectService(world, 'Acme', { changes: terms(20, 20) })
  const vault = await world.vault()
  const namespace = `connection/${acme.invitation.connection}` as const
  const write = (key: string, size: number, category?: string | null) =>
    commit({
      vault,
      now: world.now(),
      random,
      changes: [{ namespace, key, value: new Uint8Array(size), category }],
      rows: [],
    })
  await write('a', 9, 'receipts')
  await expect(write('b', 10)).rejects.toMatchObject({ code: 'storage-full' })
  await expect(write('b', 1, 'cards')).rejects.toMatchObject({ code: 'category-undeclared' })
  await write('b', 9)
  expect(vault.store.namespace(namespace).bytes).toBe(20)

  // A later contract that allows less: what is there may shrink, and not stay under a category that is gone.
  const connection = [...vault.connections.values()].find(({ key }) => key === namespace)!
  const less = { permissions: { events: EVENTS, store: { categories: ['tokens'], bytesMax: 5 }, ...others } }
  const renewed = acme.connected.publishContract(acme.contract(2, { ...terms(), ...less }), { lifeMs: HOUR_MS })
  await world.alice.accept(await world.offers.take(), [])
  await renewed
  expect(connection.contract?.contract.version).toBe(2)
  await write('b', 8)
  await expect(write('b', 9)).rejects.toMatchObject({ code: 'storage-full' })
  await expect(write('a', 1)).rejects.toMatchObject({ code: 'category-undeclared' })
  await write('a', 1, null)
  const none = acme.connected.publishContract(
    acme.contract(3, { permissions: { events: EVENTS, store: null, ...others } }),
    { lifeMs: HOUR_MS },
  )
  await world.alice.accept(await world.offers.take(), [])
  await none
  await expect(write('b', 1)).rejects.toMatchObject({ code: 'not-permitted' })
  await commit({ vault, now: world.now(), random, changes: [{ namespace, key: 'b', value: null }], rows: [] })
})

test('the owner sees every item, the values of the transparent ones, and takes one away; all is audited', async () => {
  const acme = await connectService(world, 'Acme', { changes: terms(200_000, 200_000) })
  const { connection } = acme.invitation
  const value = new Uint8Array(65_536).fill(7)
  const base64url = value.toBase64({ alphabet: 'base64url', omitPadding: true })
  await acme.ask('data.store', { ...receipt, key: 'a', json: { total: 12 } })
  world.clock.now += 1_000
  const secret = { key: 'b', category: 'tokens', visibility: 'opaque', base64url }
  expect((await acme.ask('data.store', secret)).status).toBe('replied')
  const page = await world.alice.items(connection, { prefix: 'ring/' })
  const [seen, hidden] = page.items
  expect(new TextDecoder().decode(seen?.value ?? undefined)).toBe('{"total":12}')
  expect(seen).toMatchObject({ key: 'ring/a', ...receipt, size: 12, revision: 1, updated: world.now() - 1_000 })
  const opaque = { key: 'ring/b', category: 'tokens', visibility: 'opaque', size: 65_536, revision: 1, value: null }
  expect(hidden).toEqual({ ...opaque, updated: world.now() })
  expect(page).toMatchObject({ next: null, bytes: 65_536 + 12 + 12, bytesMax: 200_000 })
  expect(await world.alice.items(connection, { limit: 1 })).toMatchObject({ items: [{}], next: 'ring/a' })
  expect(await world.alice.items(connection, { after: 'ring/a' })).toMatchObject({ items: [opaque], next: null })
  await expect(world.alice.items('nobody')).rejects.toThrow('no such connection')

  expect(await world.alice.removeItem(connection, 'ring/b')).toMatchObject([{ what: 'what it keeps here' }])
  expect(await acme.ask('data.read', { key: 'b' })).toEqual(refused('not-found'))
  await expect(world.alice.removeItem(connection, 'ring/b')).rejects.toThrow('no such item')
  const rows = (await world.rows()).filter(({ eventType }) => eventType?.startsWith('connection.'))
  expect(rows).toContainEqual(
    expect.objectContaining({ eventType: 'connection.remove-item', connection, fields: ['ring/b'], result: 'changed' }),
  )
  expect(rows).toContainEqual(expect.objectContaining({ eventType: 'connection.items', connection, result: 'replied' }))
})

test('a page for the owner is bounded by its values, and loses none', async () => {
  const acme = await connectService(world, 'Acme', { changes: terms(4_000_000, 4_000_000) })
  const vault = await world.vault()
  const namespace = `connection/${acme.invitation.connection}` as const
  const sizes = [ITEMS_PAGE_BYTES, 1, ITEMS_PAGE_BYTES + 1, 100_000, 100_000, 100_000]
  const changes = sizes.map((size, at) => ({ namespace, key: `k${at}`, value: new Uint8Array(size) }))
  await commit({ vault, now: world.now(), random, changes, rows: [] })
  const seen: (readonly [string, number | undefined])[] = []
  let after: string | null = null
  do {
    const page = await world.alice.items(acme.invitation.connection, after === null ? {} : { after })
    expect(page.items.length).toBeGreaterThan(0)
    const bytes = page.items.reduce((sum, { value }) => sum + (value?.length ?? 0), 0)
    expect(bytes).toBeLessThanOrEqual(ITEMS_PAGE_BYTES)
    seen.push(...page.items.map(({ key, value }) => [key, value?.length] as const))
    after = page.next
  } while (after !== null)
  expect(seen).toEqual(sizes.map((size, at) => [`k${at}`, size > ITEMS_PAGE_BYTES ? undefined : size]))
})

test('a handler’s own namespace has its bound as well', async () => {
  const vault = await world.vault()
  const value = new Uint8Array(VALUE_BYTES_MAX)
  const write = (key: string) =>
    commit({ vault, now: world.now(), random, changes: [{ namespace: 'handler/filled', key, value }], rows: [] })
  for (let at = 1; at < HANDLER_STORAGE_BYTES_MAX / VALUE_BYTES_MAX; at++) await write(`k${at}`)
  await expect(write('last')).rejects.toMatchObject({ code: 'storage-full' })
})
