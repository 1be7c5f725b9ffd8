/** Two vaults on two hosts share a sandbox: one copy, in the creator's. */
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { type OwnerSandboxes, ownerSandboxes, type Sandbox } from '#client/sandbox.ts'
import type { SandboxClauses } from '#host/contracts/sandbox.ts'
import type { Refusal } from '#host/errors.ts'
import type { VaultStore } from '#host/storage/port.ts'
import { noticesOf, type Peers, startPeers } from './peers.fixture.ts'
import { until } from './world.fixture.ts'

const CLAUSES: SandboxClauses = {
  name: 'Rose Lane',
  rights: { creator: 'write', guest: 'write' },
  takeBack: true,
  portability: 'none',
  purge: false,
  bytesMax: 100_000,
}
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (value: Uint8Array | undefined): string => new TextDecoder().decode(value)
const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: unknown) => (error as Refusal).code,
  )

let peers: Peers
let creator: OwnerSandboxes
let guest: OwnerSandboxes
let atAlice: string
let atBob: string

beforeAll(async () => {
  peers = await startPeers({ handlers: [] })
  ;({ atAlice, atBob } = await peers.connect())
  creator = ownerSandboxes(peers.alice.alice.conversation)
  guest = ownerSandboxes(peers.bob.alice.conversation)
})
afterAll(() => peers[Symbol.asyncDispose]())

/** Alice creates, Bob accepts. */
async function share(clauses: Partial<SandboxClauses> = {}): Promise<{ id: string; hers: Sandbox; his: Sandbox }> {
  const offered = noticesOf(peers.bob, 'sandbox.offered')
  const accepted = noticesOf(peers.alice, 'sandbox.accepted')
  const id = await creator.create(atAlice, { ...CLAUSES, ...clauses })
  expect(await offered.take()).toMatchObject({ sandbox: id, connection: atBob, alias: 'Alice' })
  await guest.accept(id)
  await accepted.take()
  return { id, hers: creator.open(id, 'creator'), his: guest.open(id, 'guest') }
}

test('both work in it, and each sees its own side and the mutual area', async () => {
  const { id, hers, his } = await share()
  const first = await his.write({ place: 'mine', key: 'note', expected: 0 }, bytes('his own words'))
  expect(text((await his.read('mine', 'note'))?.value)).toBe('his own words')
  expect(await hers.read('theirs', 'note')).toBeNull()
  expect(await codeOf(his.write({ place: 'mine', key: 'note', expected: 0 }, bytes('x')))).toBe('conflict')
  await his.write({ place: 'mine', key: 'note', expected: first.change }, bytes('his own words, later'))
  await his.move('note', 'mutual')
  expect(text((await hers.read('mutual', 'note'))?.value)).toBe('his own words, later')
  expect(await his.read('mine', 'note')).toBeNull()
  expect((await hers.history()).history).toMatchObject([{ by: 'guest', kind: 'move-in', key: 'note' }])
  expect(await his.history()).toEqual(await hers.history())
  await his.move('note', 'mine')
  expect((await hers.list('mutual')).items).toEqual([])
  expect(text((await his.read('mine', 'note'))?.value)).toBe('his own words, later')
  expect((await creator.all()).find(({ sandbox }) => sandbox === id)).toMatchObject({
    role: 'creator',
    status: 'active',
  })
})
