import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { forgetfulStore } from '#client/transport.ts'
import { decodeProtected, openHeader } from '#host/storage/protected.ts'
import { codeOf, type Installation, installation, PowerCut, random, type Room } from './installation.fixture.ts'

let disk: Installation
const FILE = 'alice.key'
const DAY_MS = 24 * 3_600_000

beforeEach(async () => {
  disk = await installation()
})
afterEach(() => disk[Symbol.asyncDispose]())

const file = async (): Promise<Uint8Array> => (await disk.keys.read(FILE)) ?? new Uint8Array(0)

async function headerOf(room: Room) {
  const [seat] = decodeProtected(await file()).seats
  if (!seat) throw new Error('no seat')
  return openHeader(room.enclave, 'alice', seat)
}

describe('the owner’s secret', () => {
  test('is wrong by one error, whichever part of it is: secret, PIN, or both', async () => {
    const store = forgetfulStore()
    let room = await disk.start({ image: 1 })
    await room.device(store).protect('123456')
    room = await disk.start({ image: 1 })
    const other = forgetfulStore()
    await room.device(other).importSecret(random(32))
    const said: string[] = []
    const tries = [
      () => room.device(store).unlock('654321'),
      () => room.device(store).unlock(),
      () => room.device(other).unlock('123456'),
      () => room.device(other).unlock('654321'),
    ]
    for (const attempt of tries) {
      disk.clock.now += DAY_MS
      await attempt().catch((error: Error) => said.push(`${Reflect.get(error, 'code')}: ${error.message}`))
    }
    expect(said).toEqual(Array(4).fill(said[0]))
    expect(said[0]).toMatch(/^secret-wrong: /u)
    disk.clock.now += DAY_MS
    expect((await room.device(store).attest()).descriptor.pin).toBe(true)
    await room.device(store).unlock('123456')
    expect(await headerOf(room)).toMatchObject({ failures: 0, notBefore: 0 })
    expect(await trailOf(room)).toContain('tries: 5')
  })

  test('may be said wrong three times; then pauses double, up to a day, and in one nothing is looked at', async () => {
    const store = forgetfulStore()
    let room = await disk.start({ image: 1 })
    await room.device(store).protect()
    room = await disk.start({ image: 1 })
    const wrong = forgetfulStore()
    await room.device(wrong).importSecret(random(32))
    const pauses: number[] = []
    for (let tries = 0; tries < 18; tries++) {
      expect(await codeOf(room.device(wrong).unlock())).toBe('secret-wrong')
      const pause = Math.max(0, (await headerOf(room)).notBefore - disk.clock.now)
      pauses.push(pause)
      if (pause > 0) {
        const before = await file()
        await expect(room.device(store).unlock()).rejects.toThrow('too many tries: wait until')
        expect(await file()).toEqual(before)
      }
      disk.clock.now += pause
    }
    expect(pauses.slice(0, 5)).toEqual([0, 0, 30_000, 60_000, 120_000])
    expect(pauses.at(-1)).toBe(DAY_MS)
    await room.device(store).unlock()
  })

  test('is counted before it is looked at: a power cut right after gives no try back', async () => {
    const store = forgetfulStore()
    let room = await disk.start({ image: 1 })
    await room.device(store).protect()
    const wrong = forgetfulStore()
    await room.device(wrong).importSecret(random(32))
    for (let tries = 1; tries <= 3; tries++) {
      room = await disk.start({ image: 1, cut: { write: 1, when: 'after' } })
      await expect(room.device(wrong).unlock()).rejects.toThrow(PowerCut)
      expect((await headerOf(room)).failures).toBe(tries)
    }
    room = await disk.start({ image: 1 })
    await expect(room.device(store).unlock()).rejects.toThrow('too many tries')
  })

  test('is not there when the count could not be written', async () => {
    const store = forgetfulStore()
    let room = await disk.start({ image: 1 })
    await room.device(store).protect()
    room = await disk.start({ image: 1, cut: { write: 1, when: 'before' } })
    await expect(room.device(store).unlock()).rejects.toThrow(PowerCut)
    expect(await codeOf(disk.start({ image: 1 }).then((next) => next.vault()))).toBe('vault-locked')
  })
})

describe('an older copy', () => {
  test('of the key file is refused: older header and newer state', async () => {
    const store = forgetfulStore()
    let room = await disk.start({ image: 1 })
    await room.device(store).protect()
    const older = await file()
    await room.device(store).unlock()
    room = await disk.start({ image: 1 })
    await disk.keys.write(FILE, [older])
    expect(await codeOf(room.device(store).unlock())).toBe('journal-behind')
    expect(await codeOf(room.vault())).toBe('vault-locked')
  })

  test('of the state is refused: newer header and older state', async () => {
    const store = forgetfulStore()
    let room = await disk.start({ image: 1 })
    await room.device(store).protect()
    const older = await disk.copyLog()
    await (
      await room.vault()
    ).store.commit([{ namespace: 'personal', key: 'field/x', value: Uint8Array.of(1) }], {
      now: disk.clock.now,
    })
    await room.device(store).unlock()
    const forgetful = forgetfulStore()
    await room.device(forgetful).importSecret(room.device(store).exportSecret())
    disk.putLog(older)
    room = await disk.start({ image: 1 })
    // The header alone knows better, also for a device that remembers nothing.
    expect(await codeOf(room.device(forgetful).unlock())).toBe('journal-behind')
    expect(await codeOf(room.device(store).unlock())).toBe('journal-behind')
    expect(await codeOf(room.vault())).toBe('vault-locked')
  })

  test('of both is refused by the device that saw the newer ones', async () => {
    const store = forgetfulStore()
    let room = await disk.start({ image: 1 })
    await room.device(store).protect()
    const [olderLog, olderFile] = [await disk.copyLog(), await file()]
    await room.device(store).unlock()
    disk.putLog(olderLog)
    await disk.keys.write(FILE, [olderFile])
    room = await disk.start({ image: 1 })
    expect(await codeOf(room.device(store).unlock())).toBe('journal-behind')
  })

  test('that went another way is no ancestor of what the device knows: its head hash', async () => {
    const store = forgetfulStore()
    let room = await disk.start({ image: 1 })
    await room.device(store).protect()
    const fork = await disk.copyLog()
    const protectedFile = await file()
    await (await room.vault()).store.commit(change(1), { now: disk.clock.now })
    const forked = forgetfulStore()
    await room.device(forked).importSecret(room.device(store).exportSecret())
    await room.device(store).unlock()
    const newest = store.get('vine/alice/anchor')
    if (!newest) throw new Error('no anchor')

    disk.putLog(fork)
    await disk.keys.write(FILE, [protectedFile])
    room = await disk.start({ image: 1 })
    await room.device(forked).unlock()
    for (let count = 0; count < 3; count++) {
      await (await room.vault()).store.commit(change(9), { now: disk.clock.now })
      await room.device(forked).unlock()
    }
    room = await disk.start({ image: 1 })
    expect(await codeOf(room.device(store).unlock())).toBe('journal-behind')
    await room.device(forked).unlock()
  })
})

describe('split brain', () => {
  test('who finds the file written by another forgets the keys and is locked', async () => {
    const store = forgetfulStore()
    let room = await disk.start({ image: 1 })
    await room.device(store).protect()
    await room.device(store).unlock()
    const mine = await file()
    // Another process with the same code writes the header meanwhile.
    const twin = await disk.start({ image: 1 })
    await twin.device(store).unlock()
    expect(await file()).not.toEqual(mine)
    const loser = room.vaults
    await expect(loser.renew(await room.vault())).rejects.toThrow('another process wrote the keys')
    room = twin
    expect((await room.vault()).id).toBe('alice')
  })
})

const change = (value: number) => [{ namespace: 'personal', key: 'field/x', value: Uint8Array.of(value) }] as const

async function trailOf(room: Room): Promise<string> {
  const page = (await room.vault()).store.namespace('audit').scan({ prefix: '', limit: 200 })
  return page.items.map(([, { value }]) => new TextDecoder().decode(value)).join('\n')
}
