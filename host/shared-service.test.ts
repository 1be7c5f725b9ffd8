/** Entries shared with a service: to the devices that it vouches for itself, over its connection. */
import { afterEach, beforeEach, expect, test } from 'vitest'

import { openBook, type Book } from '#client/entries/book.ts'
import { foundUser } from '#client/entries/directories.ts'
import { entryPage, servedEntry, standing } from '#client/owner-entries.ts'
import { nativeCrypto as crypto } from '#host/crypto/native.ts'
import type { EntryId } from '#host/entries/ids.ts'
import { check } from '#host/schema.ts'
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { draft, freshKeys, type Rig, signUp, textOf } from './entries-rig.fixture.ts'
import { type Asker, connectService, HOUR_MS } from './service.fixture.ts'
import { random, startWorld, type World } from './world.fixture.ts'

let world: World
let phone: Rig
let acme: Asker

beforeEach(async () => {
  world = await startWorld({ handlers: [] })
  phone = await signUp(world)
  acme = await connectService(world, 'Acme')
})
afterEach(() => world[Symbol.asyncDispose]())

/** A service's own directory: the first of its machines, and one that this one vouches for. */
function fleet() {
  const machines = [freshKeys(), freshKeys()].map(({ signing, kem, keys }) => {
    return { keys, secrets: { signer: signing, opener: kem } }
  })
  const [first, second] = machines
  if (!first || !second) throw new Error('two machines')
  const { user, statement } = foundUser({ ...first.secrets, crypto, now: world.now }, 'front')
  const options = { crypto, user, now: world.now, random }
  const books = machines.map(({ secrets }) => openBook({ ...options, ...secrets }))
  const statements = [statement]
  const learn = () => books.forEach((book) => expect(book.learn(user, { statements, heads: [] })).toEqual([]))
  learn()
  const [front] = books
  statements.push(front?.attach({ keys: second.keys, label: 'back', role: 'device', expires: null }) ?? statement)
  learn()
  return { user, statements, books }
}

async function asked(type: string, body: Cbor): Promise<Cbor> {
  const { answer } = await acme.connected.conversation.request(type, encodeCbor(body), { lifeMs: HOUR_MS })
  const reply = await answer
  if (reply.status !== 'replied') throw new Error(reply.status === 'refused' ? reply.code : reply.status)
  return decodeCbor(reply.body)
}

/** As one of the service's machines reads it: judged by the owner's directory. */
async function read(book: Book, entry: EntryId): Promise<string | null> {
  const { statements } = await phone.owner.entries.directory()
  expect(book.learn(phone.book.user, { statements, heads: [] })).toEqual([])
  const page = entryPage(
    check(standing, await asked('shared.get', { device: book.device, entry }), 'malformed', 'page'),
  )
  const { versions, findings } = book.read(phone.book.user, servedEntry(entry, page))
  expect(findings).toEqual([])
  return textOf(versions.at(-1)?.content() ?? null)
}

test('each of its devices reads what was shared, none reads anything else, and severing ends it', async () => {
  const { user, statements, books } = fleet()
  expect(phone.book.learn(user, { statements, heads: [] })).toEqual([])
  const { connection } = acme.invitation
  await phone.owner.entries.learn({ connection, user, statements })
  const hidden = await phone.create('not for Acme')
  const entry = await phone.create('the order')
  const shared = phone.book.share(await phone.read(entry), { handlers: false, users: [user] })
  expect(await phone.send('share', shared)).toMatchObject({ conflict: null, seq: 2 })
  for (const book of books) {
    expect(await read(book, entry)).toBe('what the order holds')
    await expect(read(book, hidden)).rejects.toThrow('not-permitted')
  }
  await expect(asked('shared.get', { device: phone.book.device, entry })).rejects.toThrow('not-permitted')

  const other = await connectService(world, 'Other')
  const mine = acme
  acme = other
  await expect(read(books[0] as Book, entry)).rejects.toThrow('not-permitted')
  acme = mine

  expect((await phone.owner.sever(connection)).join()).toMatch(/may have kept it/)
  await expect(read(books[0] as Book, entry)).rejects.toThrow('connection-inactive')
  const current = await phone.read(entry)
  await expect(phone.send('update', phone.book.resign(current))).rejects.toThrow('recipients-stale')
  const alone = phone.book.update(current, draft('the order', 'mine'))
  expect(alone.shares).toHaveLength(1)
  expect(await phone.send('update', alone)).toMatchObject({ conflict: null, seq: 3 })
})
