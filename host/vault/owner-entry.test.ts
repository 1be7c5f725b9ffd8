/** What a write relies on until it is durable: whatever comes between its judgement and its commit takes it back. */
import { afterAll, beforeAll, expect, test } from 'vitest'

import type { Cbor } from '#host/wire/cbor.ts'
import { parseEventType } from '#host/wire/id.ts'
import type { VersionWrite } from '#host/entries/model.ts'
import { attach, draft, type Rig, signUp } from '../entries-rig.fixture.ts'
import { random, startWorld, type World } from '../world.fixture.ts'
import type { Command, Done } from './command.ts'
import { directoryCommands } from './owner-directory.ts'
import { entryCommands } from './owner-entry.ts'

let world: World
let phone: Rig

beforeAll(async () => {
  world = await startWorld({ handlers: [] })
  phone = await signUp(world)
})
afterAll(() => world[Symbol.asyncDispose]())

/** A command that was judged and is not committed yet. */
async function judged(type: string, body: Cbor): Promise<Done> {
  const vault = await world.vault()
  const device = vault.devices.get('phone')
  const run = { ...entryCommands, ...directoryCommands }[type]
  if (!device || !run) throw new Error(`no ${type}`)
  const [now, none] = [world.now(), new Uint8Array(0)]
  const about = { id: 'e'.repeat(32), ts: now, exp: now + 1, contractVersion: 0, causation: null, body: none }
  const event = { ...about, type: parseEventType(type) } as unknown as Command['opened']['event']
  const opened = { kind: 'event', vault, party: device, event, replay: false, mark() {}, release() {} } as const
  const { registry } = world.host
  return run({ vault, device, body, opened, registry, pool: {} as Command['pool'], now, random })
}

async function commit({ changes = [], expected = [] }: Done): Promise<unknown> {
  const { store } = await world.vault()
  return store.commit(changes, { now: world.now(), expected })
}

const cbor = ({ channels, shares, ...rest }: VersionWrite): Cbor => ({
  ...rest,
  channels: channels.map(({ sharer, recipient, epoch, ciphertext }) => [sharer, recipient, epoch, ciphertext]),
  shares: shares.map(({ sharer, recipient, epoch, sealed }) => [sharer, recipient, epoch, sealed]),
})

const conflict = expect.objectContaining({ code: 'conflict' })

test('a version relies on its entry, on the directory, and an entry’s first on how many there are', async () => {
  const entry = await phone.create('Router')
  const current = await phone.read(entry)
  const next = phone.book.update(current, draft('Router', 'judged'))
  const overtaken = await judged('entry.update', { write: cbor(next) })
  await phone.update(entry, 'in between')
  await expect(commit(overtaken)).rejects.toEqual(conflict)

  const later = phone.book.update(await phone.read(entry), draft('Router', 'judged again'))
  const stale = await judged('entry.update', { write: cbor(later) })
  await attach(world, phone, 'tablet')
  await expect(commit(stale)).rejects.toEqual(conflict)

  const first = await judged('entry.create', { write: cbor(phone.book.create(draft('first'))) })
  await phone.create('another')
  await expect(commit(first)).rejects.toEqual(conflict)
})

test('a revocation relies on where every entry stands', async () => {
  const laptop = await attach(world, phone, 'laptop')
  await phone.learn()
  const body = { statement: phone.book.revoke(laptop.book.device).statement }
  const end = await judged('device.revoke', body)
  await phone.create('in between')
  await expect(commit(end)).rejects.toEqual(conflict)
  await expect(judged('device.revoke', body)).rejects.toEqual(conflict)
})

test('a prune relies on its entry', async () => {
  const entry = await phone.create('long')
  await phone.update(entry, 'two')
  const prune = phone.book.prune(entry, (await phone.read(entry)).version)
  const forget = await judged('entry.prune', { prune })
  await phone.update(entry, 'three')
  await expect(commit(forget)).rejects.toEqual(conflict)
})
