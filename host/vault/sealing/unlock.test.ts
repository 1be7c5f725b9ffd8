import { createSecretKey } from 'node:crypto'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { forgetfulStore } from '#client/transport.ts'
import { decodeDescriptor, decodePresentation, encodeChallenge } from '#host/contracts/provisioning.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { CHALLENGE_LIFE_MS } from '#host/storage/limits.ts'
import {
  decodeProtected,
  encodeProtected,
  isProtected,
  openHeader,
  ownerInput,
  unwrapRoot,
} from '#host/storage/protected.ts'
import { codeOf, type Installation, installation, random } from './installation.fixture.ts'

let disk: Installation
const FILE = 'alice.key'

beforeEach(async () => {
  disk = await installation()
})
afterEach(() => disk[Symbol.asyncDispose]())

async function put(room: Awaited<ReturnType<Installation['start']>>, value: string): Promise<void> {
  const { store } = await room.vault()
  await store.commit([{ namespace: 'personal', key: 'field/x', value: new TextEncoder().encode(value) }], {
    now: disk.clock.now,
  })
}
async function got(room: Awaited<ReturnType<Installation['start']>>): Promise<string> {
  const item = (await room.vault()).store.namespace('personal').get('field/x')
  return new TextDecoder().decode(item?.value)
}
const file = async (): Promise<Uint8Array> => (await disk.keys.read(FILE)) ?? new Uint8Array(0)
const putBack = (bytes: Uint8Array): Promise<void> => disk.keys.write(FILE, [bytes])

async function protectedRoom() {
  const store = forgetfulStore()
  const room = await disk.start({ image: 1 })
  await room.device(store).protect()
  return { store, room }
}

describe('a protected vault', () => {
  test('runs on, is locked after a restart, and opens with its owner’s secret in the same code', async () => {
    const store = forgetfulStore()
    let room = await disk.start({ image: 1 })
    expect(isProtected(await file())).toBe(false)
    expect((await room.device(store).attest()).descriptor.state).toBe('open')
    await room.device(store).protect()
    await put(room, 'kept')
    expect(await got(room)).toBe('kept')
    expect(isProtected(await file())).toBe(true)

    room = await disk.start({ image: 1 })
    expect(await codeOf(room.vault())).toBe('vault-locked')
    const { descriptor, accepted } = await room.device(store).attest()
    expect([descriptor.state, descriptor.pin, accepted.hardware]).toEqual(['locked', false, false])
    await room.device(store).unlock()
    expect(await got(room)).toBe('kept')
    expect((await room.device(store).attest()).descriptor.state).toBe('unlocked')
    await room.device(store).lock()
    expect(await codeOf(room.vault())).toBe('vault-locked')
  })

  test('stays unlocked when it is closed for room, and its keys are renewed meanwhile', async () => {
    const store = forgetfulStore()
    let room = await disk.start({ image: 1 })
    await room.device(store).protect()
    await put(room, 'one')
    await room.vaults.renew(await room.vault())
    await put(room, 'two')
    room = await disk.start({ image: 1 })
    await room.device(store).unlock()
    expect(await got(room)).toBe('two')
  })

  test('opens for nobody with the file as it was before, once its keys were renewed', async () => {
    const store = forgetfulStore()
    let room = await disk.start({ image: 1 })
    const before = await file()
    await room.device(store).protect()
    expect((await room.vault()).system.get('erasure')).toBeDefined()
    await room.vaults.renew(await room.vault())
    room = await disk.start({ image: 1 })
    await putBack(before)
    expect(await codeOf(room.vault())).toBe('key-missing')
  })

  test('cannot be protected twice, nor unlocked when it is not protected', async () => {
    const store = forgetfulStore()
    const room = await disk.start({ image: 1 })
    const other = forgetfulStore()
    expect(await codeOf(room.device(other).unlock())).toBe('secret-wrong')
    await room.device(other).importSecret(random(32))
    expect(await codeOf(room.device(other).unlock())).toBe('provision-invalid')
    await room.device(store).protect()
    expect(await codeOf(room.device(store).protect())).toBe('provision-invalid')
  })

  test('is a second device’s, too, which took the secret over', async () => {
    const store = forgetfulStore()
    let room = await disk.start({ image: 1 })
    await room.device(store).protect()
    room = await disk.start({ image: 1 })
    const second = forgetfulStore()
    await room.device(second).importSecret(room.device(store).exportSecret())
    await room.device(second).unlock()
    expect((await room.vault()).id).toBe('alice')
  })
})

describe('the file of a protected vault', () => {
  test('opens with the key file and this measurement, but for what the owner’s secret covers', async () => {
    const { room } = await protectedRoom()
    const { keys, seats } = decodeProtected(await file())
    const [seat] = seats
    if (!seat) throw new Error('no seat')
    const header = openHeader(room.enclave, 'alice', seat)
    const input = await ownerInput({ secret: random(32), pin: null }, header)
    const place = { vault: 'alice', measurement: room.enclave.measurement, epoch: header.epoch }
    expect(() => unwrapRoot(seat.wrapped, { input, place })).toThrow(expect.objectContaining({ code: 'secret-wrong' }))
    expect(() => room.enclave.open(keys, new Uint8Array(0))).toThrow(expect.objectContaining({ code: 'key-missing' }))
  })

  test('opens in no other image: other code', async () => {
    const { store } = await protectedRoom()
    const room = await disk.start({ image: 2 })
    expect((await room.device(store).attest()).descriptor.state).toBe('moved')
    expect(await codeOf(room.device(store).unlock())).toBe('key-missing')
  })

  test('opens in no other image that claims this one’s seat', async () => {
    const { store } = await protectedRoom()
    const room = await disk.start({ image: 2 })
    const record = decodeProtected(await file())
    const seats = record.seats.map((seat) => ({ ...seat, measurement: room.enclave.measurement }))
    await putBack(encodeProtected({ ...record, seats }))
    expect(await codeOf(room.device(store).unlock())).toBe('key-missing')
  })

  test('opens on no other installation: a seal from another backend', async () => {
    const { store } = await protectedRoom()
    const room = await disk.start({ image: 1, key: createSecretKey(random(32)) })
    expect(await codeOf(room.device(store).unlock())).toBe('key-missing')
  })

  test('is not another vault’s: header of vault X given to vault Y', async () => {
    const { store } = await protectedRoom()
    const bytes = await file()
    const room = await disk.start({ image: 1 })
    await disk.keys.write('bob.key', [bytes])
    const shown = decodePresentation(await room.sealing.challenged('bob', encodeChallenge({ nonce: random(32) })))
    expect(decodeDescriptor(shown.descriptor).state).toBe('moved')
    const seat = decodeProtected(bytes).seats[0]
    if (!seat) throw new Error('no seat')
    expect(openHeader(room.enclave, 'alice', seat).seq).toBe(1)
    expect(() => openHeader(room.enclave, 'bob', seat)).toThrow(expect.objectContaining({ code: 'key-missing' }))
    expect(store.get('vine/alice/owner-secret')).toBeDefined()
  })

  test('refuses a changed byte anywhere', async () => {
    const { store } = await protectedRoom()
    const bytes = await file()
    const room = await disk.start({ image: 1 })
    for (let at = 0; at < bytes.length; at += 37) {
      const changed = bytes.slice()
      changed[at] = (changed[at] ?? 0) ^ 0x40
      await putBack(changed)
      const code = await codeOf(room.device(store).unlock())
      expect(['key-missing', 'secret-wrong', 'provision-invalid'], `byte ${at}`).toContain(code)
      expect(await codeOf(room.vault())).not.toBe('done')
    }
    await putBack(bytes)
    disk.clock.now += 24 * 3_600_000
    await room.device(store).unlock()
  })
})

describe('an order', () => {
  test('is for one evidence: a repeat of it, and one to evidence that nobody waits for, are stale', async () => {
    const store = forgetfulStore()
    const room = await disk.start({ image: 1 })
    await room.device(store).protect()
    const sent: Uint8Array[] = []
    const spy = {
      ...room.sealing,
      ordered(vault: string, data: Uint8Array) {
        sent.push(data)
        return room.sealing.ordered(vault, data)
      },
    }
    await room.device(store, { through: spy }).unlock()
    const [once] = sent
    if (!once) throw new Error('nothing was sent')
    expect(await codeOf(room.sealing.ordered('alice', once))).toBe('challenge-stale')
    const again = await disk.start({ image: 1 })
    expect(await codeOf(again.sealing.ordered('alice', once))).toBe('challenge-stale')
    expect(await codeOf(again.sealing.ordered('alice', random(64)))).toBe('provision-invalid')
  })

  test('has as much time as the enclave says in its evidence', async () => {
    const store = forgetfulStore()
    const room = await disk.start({ image: 1 })
    const { descriptor } = await room.device(store).attest()
    expect(descriptor.notAfter).toBe(disk.clock.now + CHALLENGE_LIFE_MS)
  })

  test('is a device’s of this vault: another’s key spends no try', async () => {
    const store = forgetfulStore()
    let room = await disk.start({ image: 1 })
    await room.device(store).protect()
    room = await disk.start({ image: 1 })
    const before = await file()
    const stranger = room.device(store, { signing: generateSigningKey() })
    for (let tries = 0; tries < 5; tries++) expect(await codeOf(stranger.unlock())).toBe('provision-invalid')
    expect(await file()).toEqual(before)
  })
})
