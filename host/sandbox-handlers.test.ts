/** Handlers at the shared table: what a contract admits them to and what the sandbox's terms let them do. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'

import { acceptSandbox, guestSandbox, type Sandbox } from '#client/sandbox.ts'
import { mailbox } from '#host/commands/demo/mailbox.ts'
import type { SandboxClauses } from '#host/contracts/sandbox.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { createPool, type Pool } from '#host/plugin/pool.ts'
import { sharedWith } from '#host/vault/sandbox/handler.ts'
import { decodeCbor } from '#host/wire/cbor.ts'
import { bytes, CLAUSES, codeOf, type SandboxPeers, startSandboxes, text } from './sandbox.fixture.ts'
import { type Asker, connectService, told } from './service.fixture.ts'
import { gatedPool, random, until } from './world.fixture.ts'

let all: SandboxPeers
let acme: Asker
let cells: Pool
beforeAll(async () => {
  all = await startSandboxes(['shares'])
  acme = await connectService(all.peers.alice, 'Acme')
  cells = await createPool({ registry: all.peers.alice.host.registry, cells: 1, spares: 0 })
})
afterAll(async () => {
  await cells[Symbol.asyncDispose]()
  await all[Symbol.asyncDispose]()
})
beforeEach(() => all.peers.pass(3_600_000))

interface Table {
  readonly id: string
  readonly hers: Sandbox
  readonly his: Sandbox
}

/** Alice creates, a service accepts: events of the service come to handlers of the vault that hosts. */
async function share(clauses: Partial<SandboxClauses> = {}, asker: Asker = acme): Promise<Table> {
  const { conversation } = asker.connected
  const offers = mailbox<Uint8Array>()
  conversation.on('sandbox.offered', ({ body }) => offers.put((decodeCbor(body) as { terms: Uint8Array }).terms))
  const id = await all.creator.create(asker.invitation.connection, { ...CLAUSES, ...clauses })
  const hostKey = (await all.peers.alice.vault()).signing.publicKey
  const by = { crypto: nativeCrypto, signing: asker.options.signing, now: all.peers.alice.now() }
  await acceptSandbox(conversation, { terms: await offers.take(), hostKey }, by)
  const his = guestSandbox(conversation, id, { crypto: nativeCrypto, secret: random(32), random })
  return { id, hers: all.creator.open(id, 'creator'), his }
}

/** What the handler said, or the code of the refusal. */
async function tell(what: string, asker: Asker = acme): Promise<unknown> {
  const reply = await asker.ask('shares.run', what)
  return reply.status === 'replied' ? reply.body : reply.status === 'refused' ? reply.code : reply.status
}

test('granted: it reads and writes the mutual area, as its vault’s side, with history and author', async () => {
  const { id, hers, his } = await share()
  await his.write({ place: 'mutual', key: 'plan', expected: 0 }, bytes('his'))
  expect(await tell(`read|sandbox/${id}/mutual|plan|`)).toBe('his')
  expect(await tell(`write|sandbox/${id}/mutual|plan|the handler's`)).toBe('his')
  expect(await his.read('mutual', 'plan')).toMatchObject({
    value: bytes("the handler's"),
    author: 'creator',
    revision: 2,
  })
  expect(await tell(`both|sandbox/${id}/mutual|bill|7`)).toBe('')
  expect(await tell(`remove|sandbox/${id}/mutual|plan|`)).toBe("the handler's")
  const past = (await his.history()).history.map(({ change, by, kind, key }) => `${change} ${by} ${kind} ${key}`)
  expect(past).toEqual([
    '1 guest write plan',
    '2 creator write plan',
    '3 creator write bill',
    '4 creator write bill2',
    '5 creator remove plan',
  ])
  const { store } = await all.peers.alice.vault()
  expect(store.namespace(`sandbox/${id}-mutual`).get('bill')?.author).toBe('handler/shares')
  const row = (await all.peers.alice.rows()).findLast(({ eventType }) => eventType === 'shares.run')
  expect(row).toMatchObject({ result: 'replied', reason: `${id}: 1 changed, 0 asked` })
  await hers.end()
})

test('granted to read: its own side, which it may not write and the asker does not see', async () => {
  const { id, hers, his } = await share()
  await hers.write({ place: 'mine', key: 'note', expected: 0 }, bytes('between us'))
  expect(await tell(`read|sandbox/${id}/own|note|`)).toBe('between us')
  expect(await tell(`blind|sandbox/${id}/own|note|mine`)).toBe('refused')
  expect(await his.read('theirs', 'note')).toBeNull()
  await hers.end()
})

test('refused: no right, another’s, one that has ended and none at all look alike', async () => {
  const hidden = await share({ rights: { creator: 'none', guest: 'write' } })
  expect(await tell(`read|sandbox/${hidden.id}/mutual|a|`)).toBe('unavailable')
  expect(await tell(`read|sandbox/${hidden.id}/own|a|`)).toBe('')
  const other = await connectService(all.peers.alice, 'Bolt')
  const others = await share({}, other)
  expect(await tell(`read|sandbox/${others.id}/mutual|a|`)).toBe('unavailable')
  expect(await tell(`read|sandbox/${others.id}/mutual|a|`, other)).toBe('')
  await others.hers.end()
  expect(await tell(`read|sandbox/${others.id}/mutual|a|`, other)).toBe('unavailable')
  expect(await tell('read|sandbox/s-0000000000000000/mutual|a|')).toBe('unavailable')
  await hidden.hers.end()
})

test('refused: to write where its side only reads, and what its manifest does not need', async () => {
  const { id, hers, his } = await share({ rights: { creator: 'read', guest: 'write' } })
  await his.write({ place: 'mutual', key: 'a', expected: 0 }, bytes('1'))
  expect(await tell(`read|sandbox/${id}/mutual|a|`)).toBe('1')
  expect(await tell(`write|sandbox/${id}/mutual|a|2`)).toBe('refused')
  expect(await tell('read|connection|a|')).toBe('not-granted')
  expect(text((await hers.read('mutual', 'a'))?.value)).toBe('1')
  await hers.end()
})

test('what it did not read it does not overwrite', async () => {
  const { id, hers } = await share()
  await hers.write({ place: 'mutual', key: 'a', expected: 0 }, bytes('1'))
  expect(await tell(`blind|sandbox/${id}/mutual|a|2`)).toBe('conflict')
  expect(await tell(`blind|sandbox/${id}/mutual|b|2`)).toBe('done')
  expect(text((await hers.read('mutual', 'a'))?.value)).toBe('1')
  await hers.end()
})

test('more than the terms’ size is refused, and nothing is done', async () => {
  const { id, hers } = await share({ bytesMax: 600 })
  expect(await tell(`both|sandbox/${id}/mutual|a|${'x'.repeat(250)}`)).toBe('storage-full')
  expect((await hers.list('mutual')).items).toEqual([])
  await hers.end()
})

test('a change that needs a yes is asked for, and done when the other side says it', async () => {
  const { id, hers, his } = await share({ rights: { creator: 'approval', guest: 'write' } })
  const asked = mailbox<unknown>()
  acme.connected.conversation.on('sandbox.asked', ({ body }) => asked.put(decodeCbor(body)))
  expect(await tell(`write|sandbox/${id}/mutual|plan|please`)).toBe('')
  expect(await asked.take()).toEqual({ sandbox: id, proposal: 1 })
  expect(await his.read('mutual', 'plan')).toBeNull()
  await his.decide(1, true)
  expect(text((await his.read('mutual', 'plan'))?.value)).toBe('please')
  expect((await his.history()).history).toMatchObject([{ by: 'creator', approved: true }])
  await hers.end()
})

test('it runs again when what it read changed meanwhile, and whoever watches is told', async () => {
  const { id, hers, his } = await share()
  await his.write({ place: 'mutual', key: 'a', expected: 0 }, bytes('1'))
  const pool = gatedPool(cells)
  const request = await acme.hold('shares.run', `write|sandbox/${id}/mutual|a|3`)
  const handed = all.peers.alice.hand(request.message, { pool })
  await pool.entered
  await his.write({ place: 'mutual', key: 'a', expected: 1 }, bytes('2'))
  pool.release()
  expect((await handed).outcome).toBe('done')
  expect(told(await request.answer)).toEqual({ status: 'replied', body: '2' })
  expect((await his.history()).history.map(({ value }) => text(value))).toEqual(['1', '2', '3'])
  const changed = mailbox<unknown>()
  acme.connected.conversation.on('sandbox.changed', ({ body }) => changed.put(decodeCbor(body)))
  await his.watch(0)
  await tell(`both|sandbox/${id}/mutual|b|4`)
  expect(await changed.take()).toEqual({ sandbox: id, change: 5 })
  await hers.end()
})

test('after the owner’s yes it works under the terms as they are then', async () => {
  const { id, hers } = await share()
  const asking = acme.request('shares.ask', `write|sandbox/${id}/mutual|a|yes`)
  const question = await all.peers.alice.questions.take()
  expect((await hers.list('mutual')).items).toEqual([])
  await all.peers.alice.alice.approve(question)
  expect(told(await (await asking).answer)).toEqual({ status: 'replied', body: '' })
  expect(text((await hers.read('mutual', 'a'))?.value)).toBe('yes')
  await hers.end()
})

test('severed while it runs, nothing of it is done', async () => {
  const bolt = await connectService(all.peers.alice, 'Severed')
  const { id, hers } = await share({}, bolt)
  const pool = gatedPool(cells)
  const request = await bolt.hold('shares.run', `write|sandbox/${id}/mutual|a|late`)
  const handed = all.peers.alice.hand(request.message, { pool })
  await pool.entered
  await all.peers.alice.alice.sever(bolt.invitation.connection)
  pool.release()
  expect((await handed).outcome).toBe('connection-inactive')
  expect((await hers.list('mutual')).items).toEqual([])
})

test('a vault that is the guest has nothing of it to grant', async () => {
  const { id, hers } = await all.share()
  const here = await all.peers.alice.vault()
  const there = await all.peers.bob.vault()
  const at = (vault: typeof here, connection: string) => {
    const found = vault.connections.values().find(({ id: known }) => known === connection)
    return found ? sharedWith(vault, found).map(({ id: shared }) => shared) : undefined
  }
  await until('the guest’s yes is here', () => at(here, all.atAlice)?.includes(id))
  expect(at(there, all.atBob)).toEqual([])
  expect(await codeOf(hers.end())).toBe('done')
})
