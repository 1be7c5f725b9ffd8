/**
 * A move between two processes, either of them killed between each two steps. `npm run soak` kills at every step there
 * is (`SOAK_MOVES`), an ordinary run at one.
 */
import { cp, readdir, readFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

import type { EnclaveClient } from '#client/sealing.ts'
import { type ClientStore, forgetfulStore } from '#client/transport.ts'
import type { Boot } from '#enclave/boot.ts'
import type { MoveOffer } from '#host/contracts/provisioning.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { Refusal } from '#host/errors.ts'
import { decodeProtected } from '#host/storage/protected.ts'
import { openAttestorKey } from '../attest.ts'
import type { Cut } from './room.fixture.ts'
import { deviceAt, type RoomProcess, startRoom } from './rooms.fixture.ts'
import { measurementOf, type Provided, provided } from './waiting.fixture.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })
const LOOK_MS = 20
/** Far more than a turn takes: when it does not come, the first has not let go. */
const TURN_MS_MAX = 20_000
const signing = generateSigningKey()
/** What the phone keeps: its secret, and how far the vault was. */
const KEPT = ['owner-secret', 'sealed', 'anchor'].map((name) => `vine/alice/${name}`)

let images: Provided
let [a, b]: Boot[] = []
let attestor: Uint8Array
let phone: ClientStore
let folders = 0

beforeAll(async () => {
  images = await provided()
  a = await images.make('A', { handlers: [], release: 3 })
  b = await images.make('B', { handlers: [{ id: 'new' }], release: 4 })
  attestor = (await openAttestorKey(images.at('data'))).publicKey
  phone = forgetfulStore()
  const device = signing.publicKey.toHex()
  await using room = startRoom({ folder: images.at('data'), image: images.at('A'), succeeds: false, cut: null, device })
  await room.told('ready')
  await clientOf(room, 'A', phone).protect()
  await room.ask('stop')
  await room.told('left')
})
afterAll(() => images[Symbol.asyncDispose]())

function clientOf(room: RoomProcess, image: 'A' | 'B', store: ClientStore): EnclaveClient {
  const boot = image === 'A' ? a : b
  if (!boot) throw new Error('not made')
  return deviceAt(room, { signing, store, attestor, accepts: measurementOf(boot) })
}

/** The protected vault of before, in a folder of its own, and the phone as it was then. */
async function stage() {
  const folder = images.at(`data-${++folders}`)
  await cp(images.at('data'), folder, { recursive: true, filter: (path) => !/\.(?:lock|sock)$/u.test(path) })
  const store = forgetfulStore()
  await store.put(new Map(KEPT.map((key) => [key, phone.get(key) ?? null])))
  const start = (image: 'A' | 'B', cut: Cut | null = null) =>
    startRoom({ folder, image: images.at(image), succeeds: image === 'B', cut, device: null })
  return { folder, store, start }
}
type Stage = Awaited<ReturnType<typeof stage>>

async function offered(client: EnclaveClient): Promise<MoveOffer> {
  return vi.waitUntil(async () => (await client.attest()).descriptor.offer, { interval: LOOK_MS, timeout: 60_000 })
}

/** What an owner does at A when something went wrong: unlock, and say yes again if nothing came of it. */
async function goOn(client: EnclaveClient): Promise<void> {
  const { state } = (await client.attest()).descriptor
  if (state === 'moved') return
  if (state === 'moving') await client.unlock()
  else await client.move(await offered(client))
}

/** What came of it, when the other side may be killed meanwhile. */
async function outcomeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'done'
  } catch (error) {
    return error instanceof Refusal ? error.code : 'killed'
  }
}

async function seatsIn(folder: string): Promise<number> {
  return decodeProtected(new Uint8Array(await readFile(`${folder}/vaults/alice.key`))).seats.length
}

/** Both run until B has the vault; whoever died is started again, as often as it takes. */
async function arrived({ folder, store, start }: Stage, rooms: Rooms): Promise<void> {
  for (let tries = 0; tries < 6; tries++) {
    if (rooms.next.isOver()) rooms.next = start('B')
    // It is refused while the other has the folder: then there is nothing to do there.
    if (rooms.host.isOver()) rooms.host = start('A')
    const { host, next } = rooms
    await next.told('waiting')
    if ((await host.told('ready')) && (await outcomeOf(goOn(clientOf(host, 'A', store)))) === 'killed') continue
    if (!(await Promise.race([next.told('ready'), setTimeout(TURN_MS_MAX, false)]))) continue
    const unlocked = await outcomeOf(clientOf(next, 'B', store).unlock())
    if (unlocked !== 'done') {
      await next.over
      continue
    }
    expect(await next.ask('value')).toEqual(Uint8Array.of(7))
    expect(await seatsIn(folder)).toBe(1)
    return
  }
  throw new Error('the vault did not arrive')
}

interface Rooms extends AsyncDisposable {
  host: RoomProcess
  next: RoomProcess
}

async function begun({ start }: Stage, { at, cut }: { at: 'A' | 'B'; cut: Cut | null }): Promise<Rooms> {
  const rooms: Rooms = {
    host: start('A', at === 'A' ? cut : null),
    next: start('B', at === 'B' ? cut : null),
    async [Symbol.asyncDispose]() {
      await Promise.all([rooms.host, rooms.next].map((room) => room[Symbol.asyncDispose]()))
    },
  }
  await rooms.host.told('ready')
  return rooms
}

const both = (at: 'A' | 'B', what: Cut['at'], counts: readonly number[]) =>
  counts.flatMap((count) => (['before', 'after'] as const).map((when) => ({ at, cut: { at: what, count, when } })))
/** First the one that an ordinary run takes: B has the header, and A does not know it yet. */
const cuts: readonly { readonly at: 'A' | 'B'; readonly cut: Cut }[] = [
  { at: 'B', cut: { at: 'seal', count: 1, when: 'after' } },
  { at: 'B', cut: { at: 'turn', count: 1, when: 'before' } },
  ...both('A', 'write', [1, 2, 3]),
  { at: 'A', cut: { at: 'left', count: 1, when: 'before' } },
  // The first evidence is of its image, the second is for the vault.
  ...both('B', 'attest', [1, 2]),
  ...both('B', 'recognize', [1]),
  { at: 'B', cut: { at: 'seal', count: 1, when: 'before' } },
  ...both('B', 'write', [1, 2]),
]
const sample = cuts.slice(0, Number(process.env['SOAK_MOVES'] ?? 1))

describe('of two processes that move a vault', () => {
  test('the second holds no lock and writes nothing until the first has let go', async () => {
    const place = await stage()
    const { folder, store, start } = place
    await using rooms = await begun(place, { at: 'A', cut: null })
    const { host, next } = rooms
    await next.told('waiting')
    const device = clientOf(host, 'A', store)
    const offer = await offered(device)
    const lock = () => readFile(`${folder}/log.lock`, 'utf8')
    expect(await lock()).toMatch(new RegExp(`^${host.pid} `, 'u'))
    const before = await readFile(`${folder}/vaults/alice.key`)
    // Neither a third one beside it, nor one that does not wait.
    await using third = start('B')
    expect(await third.told('waiting')).toBe(false)
    await using rude = startRoom({ folder, image: images.at('B'), succeeds: false, cut: null, device: null })
    expect(await rude.told('ready')).toBe(false)
    expect(await readFile(`${folder}/vaults/alice.key`)).toEqual(before)
    await device.move(offer)
    expect(await host.told('left')).toBe(true)
    expect(await next.told('ready')).toBe(true)
    expect(await lock()).toMatch(new RegExp(`^${next.pid} `, 'u'))
    await clientOf(next, 'B', store).unlock()
    expect(await next.ask('value')).toEqual(Uint8Array.of(7))
    expect(await readdir(folder)).not.toContain('successor.sock')
  })

  test('a broken second leads back to the first, until the owner has unlocked it there', async () => {
    const place = await stage()
    const { store, start } = place
    await using rooms = await begun(place, { at: 'B', cut: { at: 'turn', count: 1, when: 'before' } })
    await rooms.next.told('waiting')
    await clientOf(rooms.host, 'A', store).move(await offered(clientOf(rooms.host, 'A', store)))
    await Promise.all([rooms.next.over, rooms.host.over])
    rooms.host = start('A')
    await rooms.host.told('ready')
    await clientOf(rooms.host, 'A', store).abandon()
    await clientOf(rooms.host, 'A', store).unlock()
    expect(await rooms.host.ask('value')).toEqual(Uint8Array.of(7))
    expect(await seatsIn(place.folder)).toBe(1)
    await arrived(place, rooms)
    await rooms.next[Symbol.asyncDispose]()
    rooms.host = start('A')
    await rooms.host.told('ready')
    expect(await outcomeOf(clientOf(rooms.host, 'A', store).abandon())).toBe('journal-behind')
  })

  test.each(sample)('$at is killed $cut.when its $cut.at $cut.count: the vault arrives', async ({ at, cut }) => {
    const place = await stage()
    await using rooms = await begun(place, { at, cut })
    const victim = at === 'A' ? rooms.host : rooms.next
    await arrived(place, rooms)
    expect(victim.isOver()).toBe(true)
  })
})
