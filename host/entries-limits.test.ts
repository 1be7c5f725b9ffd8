/** Limits of an account's commands, in a whole host: as many as there may be, and one more. */
import { afterAll, beforeAll, expect, test } from 'vitest'

import { parseEntryId, parseHash, parseVersionId } from '#host/entries/ids.ts'
import { signPrune } from '#host/entries/prune.ts'
import { signStatement } from '#host/entries/statement.ts'
import { nativeCrypto as crypto } from '#host/crypto/native.ts'
import { SESSION_CONTEXT, sessionMessage } from '#host/entries/session.ts'
import type { Change } from '#host/storage/port.ts'
import { digits, entryChange, entryRecord } from '#host/vault/account/held.ts'
import { pack } from '#host/wire/pack.ts'
import { type Rig, signUp } from './entries-rig.fixture.ts'
import { random, startWorld, type World } from './world.fixture.ts'

let world: World
let phone: Rig

beforeAll(async () => {
  world = await startWorld({ handlers: [] })
  phone = await signUp(world)
})
afterAll(() => world[Symbol.asyncDispose]())

function refused(work: Promise<unknown>, what: string) {
  return expect(work).rejects.toThrow(new RegExp(`was refused: ${what}`))
}

async function put(changes: readonly Change[]): Promise<void> {
  const { store } = await world.vault()
  for (let at = 0; at < changes.length; at += 1_024) {
    await store.commit(changes.slice(at, at + 1_024), { now: world.now() })
  }
}

test('a directory is served 64 statements at a time', async () => {
  const { user, device: by } = phone.book
  let { seq, hash: prev } = phone.book.directory().head
  const kept: Change[] = []
  while (seq < 64) {
    const body = { kind: 'rename', device: by, label: `phone ${(seq += 1)}` } as const
    const said = signStatement(crypto, { user, seq, prev, by, at: world.now(), body }, phone.signing)
    kept.push({ namespace: 'directory', key: `statement/${digits(seq)}`, value: said.bytes })
    prev = said.hash
  }
  await put([...kept, { namespace: 'directory', key: 'head', value: pack({ user, seq }) }])
  expect(await phone.owner.entries.directory()).toMatchObject({ statements: { length: 64 }, next: 63 })
  expect(await phone.owner.entries.directory(0)).toMatchObject({ statements: { length: 64 }, next: null })
  await phone.learn()
})

test('a backfill has at most 512 shares', async () => {
  const place = { entry: parseEntryId(random(16)), seq: 1 }
  const ids = { sharer: phone.book.device, recipient: phone.book.device, epoch: 1 }
  const shares = Array.from({ length: 513 }, () => ({ ...place, share: { ...ids, sealed: new Uint8Array(128) } }))
  await refused(phone.owner.entries.backfill(shares, []), 'command-invalid')
  await refused(phone.owner.entries.backfill(shares.slice(1), []), 'entry-invalid: share: of no version')
})

test('an audience has at most 256 characters, a token 1,024', async () => {
  const answer = { challenge: random(32), signature: random(3_373) }
  const token = (length: number) => phone.owner.entries.token({ ...answer, audience: 'x'.repeat(length) })
  await refused(token(257), 'command-invalid')
  await refused(token(256), 'token-invalid')
  await refused(phone.owner.entries.session('x'.repeat(1_025)), 'command-invalid')
  await refused(phone.owner.entries.session('x'.repeat(1_024)), 'token-invalid')
})

test('one command forgets at most 256 versions', async () => {
  const entry = await phone.create('Router')
  const record = entryRecord(await world.vault(), entry)
  if (!record) throw new Error('no head')
  await put([entryChange(entry, { ...record, seq: 1_000 })])
  const { user, device: by } = phone.book
  const directory = phone.book.directory().head
  const prune = (seq: number) => {
    const words = { user, entry, upTo: { seq, hash: record.hash }, directory, at: world.now(), by }
    return phone.owner.entries.prune(signPrune(words, phone.signing).bytes)
  }
  await refused(prune(257), 'command-invalid: name a version')
  await refused(prune(256), 'entry-invalid')
  await put([entryChange(entry, record)])
})

test('heads come 8,192 at a time, and an account ends 8,192 keys at a time', async () => {
  const { device: by } = phone.book
  const record = { seq: 1, first: 1, operation: 'put', by, hash: parseHash(random(32)) } as const
  const heads = Array.from({ length: 8_192 }, (_, at) => {
    const entry = new Uint8Array(16)
    new DataView(entry.buffer).setUint32(12, at)
    return entryChange(parseEntryId(entry), { ...record, version: parseVersionId(entry) })
  })
  await put(heads)
  const page = await phone.owner.entries.heads()
  expect(page.heads.length).toBe(8_192 * 52)
  expect(page.next).not.toBeNull()
  const { challenge, audience } = await phone.owner.entries.challenge()
  const { user, device } = phone.book
  const message = sessionMessage({ user, device, audience, challenge })
  const signature = phone.signing.sign(SESSION_CONTEXT, message)
  const { token } = await phone.owner.entries.token({ challenge, signature })
  const ended = await phone.owner.entries.deleteAccount({ token, user })
  expect(ended.removed).toBe(8_192)
  expect(ended.left).toBeGreaterThan(0)
})
