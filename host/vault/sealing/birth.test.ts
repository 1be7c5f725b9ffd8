/** A vault that was protected before it was there. */
import { afterEach, beforeEach, expect, test } from 'vitest'

import { type ClientStore, forgetfulStore } from '#client/transport.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { decodeProtected, isProtected } from '#host/storage/protected.ts'
import { codeOf, type Installation, installation, random } from './installation.fixture.ts'

const secret = random(32)
let disk: Installation
let store: ClientStore

beforeEach(async () => {
  disk = await installation({ secret, pin: '246810' })
  store = forgetfulStore()
})
afterEach(() => disk[Symbol.asyncDispose]())

test('is there for who made it, and locked for whoever starts next: no key of the installation opens it', async () => {
  let room = await disk.start({ image: 1 })
  expect((await room.vault()).store.namespace('personal').get('field/email')).toBeDefined()
  const file = (await disk.keys.read('alice.key')) ?? new Uint8Array()
  expect(isProtected(file)).toBe(true)
  expect(decodeProtected(file).seats.map(({ measurement }) => measurement)).toEqual([room.enclave.measurement])
  room = await disk.start({ image: 1 })
  expect(await codeOf(room.vault())).toBe('vault-locked')
})

test('opens with its image, the secret, the PIN and its device together, and with three of them never', async () => {
  await disk.start({ image: 1 })
  let room = await disk.start({ image: 2 })
  const device = room.device(store)
  await device.importSecret(secret)
  expect(await codeOf(device.unlock('246810'))).toBe('key-missing')

  room = await disk.start({ image: 1 })
  const stranger = room.device(store, { signing: generateSigningKey() })
  expect(await codeOf(stranger.unlock('246810'))).toBe('provision-invalid')
  expect(await codeOf(room.device(store).unlock('000000'))).toBe('secret-wrong')
  const other = forgetfulStore()
  await room.device(other).importSecret(random(32))
  expect(await codeOf(room.device(other).unlock('246810'))).toBe('secret-wrong')
  await room.device(store).unlock('246810')
  expect((await room.vault()).store.namespace('personal').get('field/email')).toBeDefined()
})

test('is protected once: an order to do it again is refused', async () => {
  const room = await disk.start({ image: 1 })
  expect(await codeOf(room.device(store).protect('246810'))).toBe('provision-invalid')
})
