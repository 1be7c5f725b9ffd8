/** The rooms and who has a key: the access matrix, and all that the owner may do in each of them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { type Asker, connectService } from './service.fixture.ts'
import { startWorld, type World } from './world.fixture.ts'

let world: World
let acme: Asker
let bolt: Asker
let zoe: Asker

const EVENTS = ['data.store', 'data.read', 'data.remove', 'peeks.run', 'tallies.run']
const permissions = {
  events: EVENTS,
  store: { categories: ['receipts', 'tokens'], bytesMax: 10_000 },
  messages: false,
  authentication: false,
  payment: false,
}
const terms = { changes: { permissions, limits: { requestsPerHour: 10_000, storageBytes: 10_000 } } }

beforeAll(async () => {
  world = await startWorld({ handlers: ['keychain', 'peeks', 'tallies'] })
  acme = await connectService(world, 'Acme', terms)
  bolt = await connectService(world, 'Bolt', terms)
  zoe = await connectService(world, 'Zoe', { ...terms, kind: 'peer' })
  await acme.ask('data.store', { key: 'a', category: 'receipts', visibility: 'transparent', json: 'seen' })
  await acme.ask('data.store', { key: 'b', category: 'tokens', visibility: 'opaque', json: 'unseen' })
  await acme.ask('tallies.run')
  const { store } = await world.vault()
  const value = new TextEncoder().encode('drawn together')
  await store.commit([{ namespace: 'sandbox/works', key: 'plan', value }], { now: 1 })
})
afterAll(() => world[Symbol.asyncDispose]())

/** Keys of Acme's that a party of a vault finds by asking for all there is. */
async function found(asker: Asker): Promise<number> {
  const told = await asker.ask('data.read', {})
  if (told.status !== 'replied') throw new Error('data.read was refused')
  return (told.body as { items: unknown[] }).items.length
}

async function owned(namespace: string): Promise<readonly string[]> {
  const { items } = await world.alice.browse(namespace)
  return items.map(({ key, value }) => `${key}${value ? '' : ' (closed)'}`)
}

const nameOf = ({ invitation }: Asker): string => `connection/${invitation.connection}`

describe('the access matrix', () => {
  const refused = expect.objectContaining({ status: 'refused', code: 'not-granted' })

  test.each<[room: string, who: string, look: () => Promise<unknown>, sees: unknown]>([
    ['personal', 'owner', async () => (await owned('personal')).includes('field/email'), true],
    ['system', 'owner: that it is there, not what it is', async () => (await owned('system')).length > 0, true],
    ['system', 'owner: never a value', async () => (await owned('system')).every((line) => line.includes('(')), true],
    ['audit', 'owner: by its own command', async () => (await world.alice.auditRows()).rows.length > 0, true],
    ['connection', 'owner', () => owned(nameOf(acme)), ['ring/a', 'ring/b (closed)']],
    ['connection', 'that connection', () => found(acme), 2],
    ['connection', 'other connection', () => found(bolt), 0],
    ['connection', 'peer', () => found(zoe), 0],
    ['handler', 'owner', () => owned('handler/tallies'), expect.arrayContaining([expect.anything()])],
    ['sandbox', 'owner', () => owned('sandbox/works'), ['plan']],
    ['personal, system, audit, sandbox, other', 'handler', () => acme.ask('peeks.run'), refused],
    ['personal, system, audit, sandbox, other', 'peer', () => zoe.ask('peeks.run'), refused],
  ])('%s × %s', async (_room, _who, look, sees) => {
    expect(await look()).toEqual(sees)
  })
})

describe('the owner', () => {
  test('sees every namespace by name, whose it is, and how much is in it', async () => {
    const all = await world.alice.namespaces()
    const rooms = all.map(({ name }) => name)
    expect(rooms).toEqual([...rooms].sort())
    expect(rooms).toEqual(expect.arrayContaining(['audit', 'handler/tallies', 'personal', 'sandbox/works', 'system']))
    expect(all.find(({ name }) => name === nameOf(acme))).toMatchObject({ alias: 'Acme' })
    expect(all.find(({ name }) => name === 'personal')?.bytes).toBeGreaterThan(0)
  })

  test('reads a page at a time, with who put it there and when', async () => {
    const first = await world.alice.browse(nameOf(acme), { limit: 1 })
    expect(first.items).toMatchObject([
      { key: 'ring/a', author: 'handler/keychain', category: 'receipts', updated: world.clock.now, revision: 1 },
    ])
    const second = await world.alice.browse(nameOf(acme), { after: first.next ?? '', prefix: 'ring/' })
    expect(second.items).toMatchObject([{ key: 'ring/b', visibility: 'opaque', value: null }])
    expect(second.next).toBeNull()
    await world.alice.putField('email', 'new@example.org')
    const { items } = await world.alice.browse('personal', { prefix: 'field/email' })
    expect(items).toMatchObject([{ author: 'device/phone', value: new TextEncoder().encode('new@example.org') }])
    await expect(world.alice.browse('personal/../system')).rejects.toThrow('command-invalid')
  })

  test('keeps knowing the author after a restart', async () => {
    await world.kill()
    await world.start()
    const { items } = await world.alice.browse(nameOf(acme), { limit: 1 })
    expect(items).toMatchObject([{ author: 'handler/keychain' }])
  })

  test('searches all of it by a text or a category, in pages', async () => {
    const byText = await world.alice.search('items', { filter: 'key~ring/' })
    expect(byText.columns.slice(0, 2)).toEqual(['namespace', 'key'])
    expect(byText.rows.map((row) => row.slice(0, 2))).toEqual([
      [nameOf(acme), 'ring/a'],
      [nameOf(acme), 'ring/b'],
    ])
    expect(byText.next).toBeNull()
    const one = await world.alice.search('items', { filter: 'key~ring/', limit: 1 })
    expect(one.rows).toHaveLength(1)
    const rest = await world.alice.search('items', { filter: 'key~ring/', after: one.next })
    expect(rest.rows.map(([, key]) => key)).toEqual(['ring/b'])
    const tokens = await world.alice.search('items', { filter: 'category:tokens author:handler/keychain' })
    expect(tokens.rows.map(([, key]) => key)).toEqual(['ring/b'])
    expect(JSON.stringify([byText, tokens])).not.toContain('unseen')
  })

  test('is told what would stop working before anything is removed, and then removes it', async () => {
    const asked = await world.alice.remove({ namespace: 'personal', key: 'field/shipping_address' })
    expect(asked).toMatchObject({ removed: false })
    expect(asked.stops.map(({ alias, what }) => `${alias}: ${what}`)).toEqual([
      'Acme: the field shipping_address, on-demand',
      'Bolt: the field shipping_address, on-demand',
      'Zoe: the field shipping_address, on-demand',
    ])
    expect(await owned('personal')).toContain('field/shipping_address')
    const done = await world.alice.remove({ namespace: 'personal', key: 'field/shipping_address', confirm: true })
    expect(done.removed).toBe(true)
    expect(await owned('personal')).not.toContain('field/shipping_address')

    const tally = (await world.alice.browse('handler/tallies')).items[0]?.key ?? ''
    const { stops } = await world.alice.remove({ namespace: 'handler/tallies', key: tally })
    expect(stops).toMatchObject([{ what: 'events that need it: tallies.run' }, {}, {}])
    expect((await world.alice.remove({ namespace: nameOf(acme), key: 'ring/a' })).stops).toMatchObject([
      { alias: 'Acme', what: 'what it keeps here' },
    ])
    for (const namespace of ['system', 'audit', 'sandbox/works']) {
      await expect(world.alice.remove({ namespace, key: 'head', confirm: true })).rejects.toThrow('the vault’s own')
    }
    await expect(world.alice.remove({ namespace: 'personal', key: 'none' })).rejects.toThrow('no such item')
  })

  test('gives a connection another name', async () => {
    await world.alice.renameConnection(bolt.invitation.connection, 'Bolt & Sons')
    await world.kill()
    await world.start()
    const all = (await world.vault()).connections
    expect([...all.values()].map(({ record }) => record.alias)).toEqual(
      expect.arrayContaining(['Acme', 'Bolt & Sons', 'Zoe']),
    )
    await expect(world.alice.renameConnection('c-none', 'x')).rejects.toThrow('command-invalid')
  })
})

async function severed(opaque?: 'keep' | 'discard'): Promise<readonly string[]> {
  const shop = await connectService(world, 'Shop', terms)
  await shop.ask('data.store', { key: 'a', category: 'receipts', visibility: 'transparent', json: 1 })
  await shop.ask('data.store', { key: 'b', category: 'tokens', visibility: 'opaque', json: 2 })
  await world.alice.sever(shop.invitation.connection, opaque)
  expect(await shop.ask('data.read', {})).toMatchObject({ status: 'refused', code: 'connection-inactive' })
  return owned(nameOf(shop))
}

describe('severing', () => {
  test('leaves what is transparent to the owner, and what is opaque as the owner says', async () => {
    expect(await severed()).toEqual(['ring/a', 'ring/b (closed)'])
    expect(await severed('keep')).toEqual(['ring/a', 'ring/b (closed)'])
    expect(await severed('discard')).toEqual(['ring/a'])
  })

  test('is for good: who connects again starts from nothing', async () => {
    await world.alice.sever(acme.invitation.connection)
    const again = await connectService(world, 'Acme', terms)
    expect(again.invitation.connection).not.toBe(acme.invitation.connection)
    expect(await found(again)).toBe(0)
    expect(again.connected.authentication).not.toEqual(acme.connected.authentication)
  })
})

test('a vault without a connection is a whole personal safe', async () => {
  await using alone = await startWorld({ handlers: [] })
  await alone.alice.putField('blood_type', 'A')
  await alone.alice.createKey('wallet', 'bip340')
  expect(await alone.alice.keys()).toHaveLength(2)
  const { items } = await alone.alice.browse('personal', { prefix: 'field/blood_type' })
  expect(items).toMatchObject([{ value: new TextEncoder().encode('A') }])
  expect((await alone.alice.search('items', { filter: 'blood' })).rows).toHaveLength(1)
  await alone.kill()
  await alone.start()
  expect((await alone.alice.browse('personal', { prefix: 'field/blood_type' })).items).toHaveLength(1)
  const gone = await alone.alice.remove({ namespace: 'personal', key: 'field/blood_type', confirm: true })
  expect(gone).toEqual({ removed: true, stops: [] })
  expect(await alone.alice.auditCheckpoint()).toMatchObject({ vault: 'alice' })
  expect((await alone.rows()).every(({ connection }) => connection === null)).toBe(true)
})
