import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { type ClientStore, forgetfulStore } from '#client/transport.ts'
import { type Approval, signApproval } from '#host/contracts/approval.ts'
import type { MoveOffer } from '#host/contracts/provisioning.ts'
import type { Release } from '#host/crypto/enclave.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { decodeProtected, encodeProtected, type Move, openHeader } from '#host/storage/protected.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import {
  codeOf,
  type Cut,
  type Installation,
  installation,
  PowerCut,
  random,
  type Room,
  type RoomOptions,
} from './installation.fixture.ts'
import { erased } from '../erasure.ts'
import { abandon, approve, type Approved, arrive, type ArrivalFacts, handOver, type MoveFacts } from './move.ts'

let disk: Installation
let store: ClientStore
const FILE = 'alice.key'
const A: RoomOptions = { image: 1, next: { image: 2 } }
const B: RoomOptions = { image: 2, next: { image: 3 } }

beforeEach(async () => {
  disk = await installation()
  store = forgetfulStore()
})
afterEach(() => disk[Symbol.asyncDispose]())

const file = async (): Promise<Uint8Array> => (await disk.keys.read(FILE)) ?? new Uint8Array(0)

async function protectedRoom(): Promise<Room> {
  const room = await disk.start(A)
  await room.device(store).protect()
  await (
    await room.vault()
  ).store.commit([{ namespace: 'personal', key: 'field/x', value: Uint8Array.of(7) }], {
    now: disk.clock.now,
  })
  // As upkeep leaves it: the renewal that protecting makes due is done.
  await (await room.vault()).store.commit([erased], { now: disk.clock.now })
  return room
}

async function offered(room: Room): Promise<MoveOffer> {
  const { offer } = (await room.device(store).attest()).descriptor
  if (!offer) throw new Error('nothing is offered')
  return offer
}

async function isWhole(room: Room): Promise<boolean> {
  const item = (await room.vault()).store.namespace('personal').get('field/x')
  return item?.value[0] === 7
}

const seats = async (): Promise<number> => decodeProtected(await file()).seats.length

/** What an owner does at A after a restart: unlock, and say yes again if nothing came of it. */
async function goOn(): Promise<void> {
  const room = await disk.start(A)
  const { state } = (await room.device(store).attest()).descriptor
  if (state === 'moved') return
  if (state === 'locked') await room.device(store).move(await offered(room))
  else expect(await codeOf(room.device(store).unlock())).toBe('move-refused')
}

const refusal = (why: string) =>
  expect.objectContaining({ code: 'move-refused', message: expect.stringContaining(why) })

describe('a move', () => {
  test('goes where the owner said yes to, and never back', async () => {
    let room = await protectedRoom()
    const offer = await offered(room)
    expect([offer.release, offer.serial, offer.changes]).toEqual(['image-2', 2, 'image 2'])
    await room.device(store).move(offer)
    expect(await codeOf(room.vault())).toBe('vault-locked')
    expect((await room.device(store).attest()).descriptor.state).toBe('moving')
    expect(await seats()).toBe(2)
    expect(room.lefts()).toBe(1)

    const left = await file()
    room = await disk.start(B)
    await room.device(store).unlock()
    expect(await isWhole(room)).toBe(true)
    expect(await seats()).toBe(1)
    await room.vaults.renew(await room.vault())

    room = await disk.start(A)
    expect(await codeOf(room.device(store).abandon())).toBe('journal-behind')
    // It was asked: the image that waits gets the folder, whichever of the two was started first.
    expect(room.lefts()).toBe(1)
    const fresh = forgetfulStore()
    await fresh.put(new Map([['vine/alice/owner-secret', store.get('vine/alice/owner-secret') ?? null]]))
    expect(await codeOf(room.device(fresh).abandon())).toBe('key-missing')
    // Even with the file as it was before: what came since opens with it nowhere.
    await disk.keys.write(FILE, [left])
    await room.device(fresh).abandon()
    expect(await codeOf(room.device(fresh).unlock())).toBe('key-missing')
    expect(await codeOf(room.vault())).toBe('vault-locked')
  })

  test('keeps the PIN, and a locked vault moves as an open one', async () => {
    let room = await disk.start(A)
    await room.device(store).protect('246810')
    room = await disk.start(A)
    const offer = await offered(room)
    expect(await codeOf(room.device(store).move(offer, '000000'))).toBe('secret-wrong')
    await room.device(store).move(offer, '246810')
    room = await disk.start(B)
    expect(await codeOf(room.device(store).unlock('000000'))).toBe('secret-wrong')
    await room.device(store).unlock('246810')
    expect((await room.vault()).id).toBe('alice')
  })

  test('can be abandoned until the next image was unlocked, and begun again', async () => {
    let room = await protectedRoom()
    const first = await offered(room)
    await room.device(store).move(first)
    await room.device(store).abandon()
    expect(await seats()).toBe(1)
    await room.device(store).unlock()
    expect(await isWhole(room)).toBe(true)
    // The approval is used: the same one once more answers no question.
    expect(await codeOf(room.device(store).move(first))).toBe('move-refused')
    room = await disk.start(B)
    expect(await codeOf(room.device(store).unlock())).toBe('key-missing')
    room = await disk.start(A)
    await room.device(store).move(await offered(room))
    room = await disk.start(B)
    await room.device(store).unlock()
    expect(await isWhole(room)).toBe(true)
  })

  test('is not B’s to end with the header of A, nor A’s with B’s', async () => {
    const room = await protectedRoom()
    await room.device(store).move(await offered(room))
    const record = decodeProtected(await file())
    const [a, b] = record.seats
    if (!a || !b) throw new Error('two seats')
    const swapped = [
      { ...a, header: b.header },
      { ...b, header: a.header },
    ]
    await disk.keys.write(FILE, [encodeProtected({ ...record, seats: swapped })])
    expect(await codeOf(room.device(store).unlock())).toBe('key-missing')
    const next = await disk.start(B)
    expect(await codeOf(next.device(store).unlock())).toBe('key-missing')
  })

  test('needs the next image beside it: without it the move waits, and the next unlock finishes it', async () => {
    let room = await protectedRoom()
    const offer = await offered(room)
    room = await disk.start({ image: 1 })
    expect((await room.device(store).attest()).descriptor.offer).toBe(null)
    expect(await codeOf(room.device(store).move(offer))).toBe('move-refused')
    room = await disk.start({ ...A, cut: { write: 2, when: 'after' } })
    await expect(room.device(store).move(await offered(room))).rejects.toThrow(PowerCut)
    // Approved, and the successor is gone.
    room = await disk.start({ image: 1 })
    for (let tries = 0; tries < 5; tries++) expect(await codeOf(room.device(store).unlock())).toBe('move-refused')
    expect(await seats()).toBe(1)
    room = await disk.start(A)
    await expect(room.device(store).unlock()).rejects.toThrow('unlock it there')
    expect(await seats()).toBe(2)
    room = await disk.start(B)
    await room.device(store).unlock()
    expect(await isWhole(room)).toBe(true)
  })

  test('of a vault to other code than was approved is refused by the image that hands over', async () => {
    let room = await protectedRoom()
    const offer = await offered(room)
    room = await disk.start({ ...A, cut: { write: 2, when: 'after' } })
    const second = await offered(room)
    expect(second.request).not.toEqual(offer.request)
    await expect(room.device(store).move(second)).rejects.toThrow(PowerCut)
    room = await disk.start({ image: 1, next: { image: 5 } })
    await expect(room.device(store).unlock()).rejects.toThrow('not what was approved')
    expect(await seats()).toBe(1)
  })

  test('to what the log does not list, or an older release, is not offered', async () => {
    let room = await disk.start({ ...A, listed: { find: () => undefined } })
    await room.device(store).protect()
    expect((await room.device(store).attest()).descriptor.offer).toBe(null)
    room = await disk.start({ image: 1, serial: 1, next: { image: 2, serial: 1 } })
    expect((await room.device(store).attest()).descriptor.offer).toBe(null)
  })

  test('of one vault happens once: two at the same time', async () => {
    const room = await protectedRoom()
    const offer = await offered(room)
    const both = await Promise.all([1, 2].map(() => codeOf(room.device(store).move(offer))))
    expect(both.sort()).toEqual(['done', 'move-refused'])
    expect(await seats()).toBe(2)
  })
})

describe('power fails', () => {
  const cuts: { name: string; at: 'A' | 'B'; cut: Cut }[] = [1, 2, 3].flatMap((write) =>
    (['before', 'after'] as const).map((when) => ({
      name: `${when} write ${write} of A`,
      at: 'A',
      cut: { write, when },
    })),
  )
  cuts.push(
    ...[1, 2].flatMap((write) =>
      (['before', 'after'] as const).map((when) => ({
        name: `${when} write ${write} of B`,
        at: 'B' as const,
        cut: { write, when },
      })),
    ),
  )

  test('three writes of A, two of B: the cuts are all there are', async () => {
    let room = await protectedRoom()
    const before = room.writes()
    await room.device(store).move(await offered(room))
    expect(room.writes() - before).toBe(3)
    room = await disk.start(B)
    await room.device(store).unlock()
    expect(room.writes()).toBe(2)
  })

  test.each(cuts)('$name: the owner gets to B with all that was there', async ({ at, cut }) => {
    await protectedRoom()
    let room = await disk.start(at === 'A' ? { ...A, cut } : A)
    const moving = room.device(store).move(await offered(room))
    await (at === 'A' ? expect(moving).rejects.toThrow(PowerCut) : moving)
    if (at === 'B') {
      room = await disk.start({ ...B, cut })
      await expect(room.device(store).unlock()).rejects.toThrow(PowerCut)
    }
    await goOn()
    room = await disk.start(B)
    await room.device(store).unlock()
    expect(await isWhole(room)).toBe(true)
    expect(await seats()).toBe(1)
    // What A kept is to open nothing that comes: due with the unlock, whenever the power failed.
    expect((await room.vault()).system.get('erasure')).toBeDefined()
  })

  test.each(cuts)('$name: or abandons, if B was not unlocked', async ({ at, cut }) => {
    await protectedRoom()
    let room = await disk.start(at === 'A' ? { ...A, cut } : A)
    const moving = room.device(store).move(await offered(room))
    await (at === 'A' ? expect(moving).rejects.toThrow(PowerCut) : moving)
    if (at === 'B') {
      room = await disk.start({ ...B, cut })
      await expect(room.device(store).unlock()).rejects.toThrow(PowerCut)
    }
    const confirmed = at === 'B' && cut.write === 2 && cut.when === 'after'
    const moved = at === 'B' || cut.write > 2 || (cut.write === 2 && cut.when === 'after')
    room = await disk.start(A)
    const code = await codeOf(room.device(store).abandon())
    expect(code).toBe(confirmed ? 'key-missing' : moved ? 'done' : 'move-refused')
    if (confirmed) return
    await room.device(store).unlock()
    expect(await isWhole(room)).toBe(true)
    room = await disk.start(B)
    expect(await codeOf(room.device(store).unlock())).toBe('key-missing')
  })
})

describe('an approval', () => {
  const [from, to] = [new Uint8Array(48).fill(1), new Uint8Array(48).fill(2)]
  const root = new Uint8Array(48)
  const request = random(16)
  const phone = generateSigningKey()
  const device = phone.publicKey
  const approval: Approval = { vault: 'alice', request, from, to, release: 'b', serial: 2 }
  const signed = (value: Approval): Approved => ({ approval: signApproval(value, phone), device })
  const b: Release = { id: 'b', root, serial: 2 }
  const facts: MoveFacts = {
    vault: 'alice',
    enclave: { measurement: from, release: { id: 'a', root, serial: 1 } },
    offer: { request, to, release: 'b', serial: 2, changes: '' },
    releaseOf: () => b,
    move: null,
  }
  const other = new Uint8Array(48).fill(3)
  const begun: Move = { phase: 'approved', request, to, release: 'b', serial: 2, ...signed(approval) }
  test('begins the move that was offered', () => {
    const yes = signed(approval)
    const move = approve(yes, facts)
    expect(move).toEqual({ ...begun, ...yes })
    expect(handOver(move).phase).toBe('handed')
    expect(abandon(handOver(move))).toBe(null)
  })

  test.each([
    ['for another vault', { ...approval, vault: 'bob' }, facts, 'another vault'],
    ['from another source', { ...approval, from: other }, facts, 'other code than hands over'],
    ['to another question: a replay', { ...approval, request: random(16) }, facts, 'no open question'],
    ['to no question', approval, { ...facts, offer: undefined }, 'no open question'],
    ['to another image', { ...approval, to: other }, facts, 'another image'],
    ['with another release', { ...approval, release: 'c' }, facts, 'another image'],
    ['with another serial', { ...approval, serial: 3 }, facts, 'another image'],
    ['to a release that was withdrawn', approval, { ...facts, releaseOf: () => undefined }, 'does not list'],
    [
      'with a serial that the log has not',
      approval,
      { ...facts, releaseOf: () => ({ ...b, serial: 3 }) },
      'does not list',
    ],
    [
      'backwards: the serial does not rise',
      approval,
      { ...facts, enclave: { measurement: from, release: { id: 'a', root, serial: 2 } } },
      'forward only',
    ],
    ['while another move is under way', approval, { ...facts, move: begun }, 'another move'],
  ] satisfies [string, Approval, MoveFacts, string][])('%s is none', (_name, given, known, why) => {
    expect(() => approve(signed(given), known)).toThrow(refusal(why))
  })

  test('signed by another key than is said is none', () => {
    const stranger = generateSigningKey().publicKey
    expect(() => approve({ ...signed(approval), device: stranger }, facts)).toThrow(refusal('approval'))
  })

  const arrival: ArrivalFacts = {
    vault: 'alice',
    from,
    serial: 1,
    enclave: { measurement: to, release: b },
    isUnlocker: (key) => equalBytes(key, device),
  }
  test('lets the vault into the next image', () => {
    expect(() => arrive(signed(approval), arrival)).not.toThrow()
  })

  test.each([
    ['for another vault', { vault: 'bob' }, 'another vault'],
    ['from other code than hands over', { from: other }, 'other code than hands over'],
    ['to other code', { enclave: { measurement: other, release: b } }, 'other code than runs here'],
    ['by no device of the vault', { isUnlocker: () => false }, 'no device of the vault'],
    ['to an image that is not newer', { serial: 2 }, 'not newer'],
    ['to an older image', { serial: 3 }, 'not newer'],
  ] satisfies [string, Partial<ArrivalFacts>, string][])('%s lets nothing in', (_name, change, why) => {
    expect(() => arrive(signed(approval), { ...arrival, ...change })).toThrow(refusal(why))
  })

  test('is a device’s of this vault: no provider’s key, nor another’s', async () => {
    const room = await protectedRoom()
    const offer = await offered(room)
    const provider = room.device(store, { signing: generateSigningKey() })
    expect(await codeOf(provider.move(offer))).toBe('provision-invalid')
    expect(await seats()).toBe(1)
    expect(signApproval(approval, disk.signing).length).toBeLessThan(4_096)
  })

  test('leads nowhere without an approval, and nothing is abandoned that was not begun', async () => {
    expect(() => handOver(null)).toThrow(refusal('no move was approved'))
    const room = await protectedRoom()
    expect(await codeOf(room.device(store).abandon())).toBe('move-refused')
  })
})

test('an older release does not open a vault that a newer one has run', async () => {
  await protectedRoom()
  const fresh = forgetfulStore()
  await fresh.put(new Map([['vine/alice/owner-secret', store.get('vine/alice/owner-secret') ?? null]]))
  // The same code under a lower serial: the log was put back.
  const room = await disk.start({ image: 1, serial: 0 })
  expect(await codeOf(room.device(store).unlock())).toBe('journal-behind')
  expect(await codeOf(room.device(fresh).unlock())).toBe('move-refused')
  const [seat] = decodeProtected(await file()).seats
  expect(seat && openHeader(room.enclave, 'alice', seat).serial).toBe(1)
})
