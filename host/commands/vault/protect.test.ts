/** An owner's orders as the commands give them, to a host with the next image beside it. */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { type EnclaveClient, enclaveClient } from '#client/sealing.ts'
import type { ClientStore } from '#client/transport.ts'
import { measuredRegisters, softwareMeasurement } from '#enclave/measure.ts'
import type { Release, Releases } from '#host/crypto/enclave.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { Refusal } from '#host/errors.ts'
import { openSuccessor, type Successor } from '#host/vault/sealing/succession.ts'
import { random, startWorld, type World } from '#host/world.fixture.ts'
import { openAttestorKey } from '../attest.ts'
import { type EnclaveOptions, openEnclave } from '../enclaved.ts'
import { makeDevice, openDevice } from '../owner/folder.ts'
import { openDeviceStore } from './device-store.ts'
import { signingSeed } from './files.ts'
import { type Act, give, order } from './protect.ts'

const imageOf = (serial: number) => {
  const root = new Uint8Array(48).fill(serial)
  const release: Release = { id: `1.${serial}`, root, serial }
  return { registers: measuredRegisters({ root, handlerRoot: root }), release, changes: `image ${serial}` }
}
const measurementOf = (serial: number) => softwareMeasurement(imageOf(serial).release).toHex()
const releases: Releases = {
  find: (measurement) =>
    [1, 2].map((n) => imageOf(n).release).find((r) => softwareMeasurement(r).toHex() === measurement.toHex()),
}

/** What an image that waits beside the host does; here it is another enclave of this process. */
async function besideOf(next: ReturnType<typeof imageOf>, about: EnclaveOptions): Promise<Successor> {
  const enclave = await openEnclave(next, about)
  return { measurement: enclave.measurement, ...next, ...openSuccessor({ ...about, enclave }) }
}

let folder: string
let world: World
let store: ClientStore
/** Which image runs, and which is beside it. */
let running: { image: number; next?: number }

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trellis-orders-'))
  running = { image: 1, next: 2 }
  world = await startWorld({
    handlers: ['counts'],
    enclave: async ({ folder, now }) => {
      const about = { folder, now, random, warn: () => {} }
      const { image, next } = running
      const successor = next === undefined ? undefined : await besideOf(imageOf(next), about)
      return { enclave: await openEnclave(imageOf(image), about), releases, now, successor: async () => successor }
    },
  })
  store = await openDeviceStore(folder)
  believed = undefined
})
afterEach(async () => {
  await world[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** The key that evidence is believed of: the one that the host had when it was first asked. */
let believed: Uint8Array | undefined

async function clientOf(accepts: readonly number[], kept = store): Promise<EnclaveClient> {
  const { publicKey } = await openAttestorKey(world.folder)
  believed ??= publicKey
  return enclaveClient({
    vault: 'alice',
    signing: world.signing('phone'),
    transport: world.broker.connect(),
    store: kept,
    roots: { nitro: [], software: [believed.toHex()], revoked: new Set() },
    policy: { kind: 'software', measurements: accepts.map(measurementOf), registers: new Map(), maxAgeMs: 60_000 },
    crypto: nativeCrypto,
    now: world.now,
    random,
  })
}

async function typed(
  act: Act,
  {
    accepts = [1],
    kept,
    ...said
  }: { accepts?: number[]; kept?: ClientStore; pin?: string; secret?: string; approve?: string } = {},
) {
  const out: string[] = []
  const none = { pin: undefined, secret: undefined, approve: undefined }
  const client = await clientOf(accepts, kept)
  const code = await give(act, client, { ...none, ...said, say: (line) => out.push(stripVTControlCharacters(line)) })
  return { code, out: out.join('\n') }
}

const at = (name: string) => join(folder, name)
const restart = async (image: number, next?: number) => {
  await world.kill()
  running = { image, ...(next !== undefined && { next }) }
  await world.start()
}

test('protect, lock, unlock with the PIN; a copy of the secret opens it from another device', async () => {
  const copy = join(folder, 'secret')
  expect((await typed('protect', { pin: '246810', secret: copy })).out).toContain('your PIN')
  expect([(await readFile(copy)).length, (await stat(copy)).mode & 0o777]).toEqual([32, 0o600])
  expect(await typed('lock')).toMatchObject({ code: 0, out: 'locked' })
  await expect(typed('unlock', { pin: '000000' })).rejects.toMatchObject({ code: 'secret-wrong' })
  expect((await typed('unlock', { pin: '246810' })).out).toContain('unlocked')
  await restart(1, 2)
  const other = await openDeviceStore(join(folder, 'other'))
  await expect(typed('unlock', { kept: other, pin: '246810' })).rejects.toBeInstanceOf(Refusal)
  expect(await typed('unlock', { kept: other, pin: '246810', secret: copy })).toMatchObject({ code: 0 })
})

test('without a copy it is said what is at stake; code that is not accepted gets nothing', async () => {
  expect((await typed('protect', { accepts: [2] })).out).toMatch(/^rejected {2}measurement-unknown/)
  expect((await typed('protect')).out).toContain('keep a copy of the secret')
})

test('move shows what changes, goes with a yes to that release, and opens there alone', async () => {
  await typed('protect')
  const asked = await typed('move')
  expect(asked).toEqual({ code: 1, out: 'image 2\nto say yes to it: --approve 1.2' })
  expect(await typed('move', { approve: '1.3' })).toEqual(asked)
  expect((await typed('move', { approve: '1.2' })).out).toContain(measurementOf(2))
  await expect(typed('unlock')).rejects.toMatchObject({ code: 'move-refused' })
  await restart(2)
  expect((await typed('unlock')).out).toContain('measurement-unknown')
  expect(await typed('unlock', { accepts: [2] })).toMatchObject({ code: 0 })
  await expect(typed('move', { accepts: [2] })).rejects.toMatchObject({ code: 'move-refused' })
  await restart(1, 2)
  await expect(typed('abandon')).rejects.toMatchObject({ code: 'journal-behind' })
})

test('a move that was not confirmed is abandoned', async () => {
  await typed('protect')
  await typed('move', { approve: '1.2' })
  expect((await typed('abandon')).out).toContain('abandoned')
  expect(await typed('unlock')).toMatchObject({ code: 0 })
})

test('a host whose key for evidence was lost is told nothing until its new key is trusted', async () => {
  await typed('protect')
  await rm(join(world.folder, 'attestor.key'))
  await restart(1)
  expect((await typed('unlock')).out).toMatch(/^rejected {2}key-unknown/)
  expect(
    await world.vault().then(
      () => 'open',
      (error: Refusal) => error.code,
    ),
  ).toBe('vault-locked')
  believed = undefined
  expect(await typed('unlock')).toMatchObject({ code: 0 })
})

test('what is typed: a key, a folder, a policy; and the connection is held for the answer', async () => {
  await writeFile(at('device.key'), random(64))
  const { publicKey } = await openAttestorKey(world.folder)
  const roots = { software: [publicKey.toHex()] }
  const policy = { kind: 'software', measurements: [measurementOf(1)] }
  await writeFile(at('policy.json'), JSON.stringify({ format: 1, roots, policy }))
  const files = { nats: 'nats://nowhere', deviceKey: at('device.key'), device: at('mine'), policy: at('policy.json') }
  world.clock.now = Date.now()
  const ordering = order('protect', 'alice', { ...files, connect: () => Promise.resolve(world.broker.connect()) })
  // The host's own answer, to a key that is no device of this vault.
  await expect(ordering).rejects.toMatchObject({ code: 'provision-invalid' })
  await writeFile(at('device.key'), random(65))
  await expect(order('lock', 'alice', files)).rejects.toThrow(/device.key has 65 bytes and is no device’s key/)
})

test('the key of a device’s folder is one: what it signs with comes first', async () => {
  const device = at('phone')
  await makeDevice(device)
  await using folder = await openDevice(device)
  const { publicKey } = generateSigningKey(await signingSeed(join(device, 'device.key')))
  expect(publicKey).toEqual(folder.keys.signing)
})

test('what a device remembers is there again, and only its owner can read it', async () => {
  await store.put(
    new Map([
      ['a/1', Uint8Array.of(1)],
      ['a/2', Uint8Array.of(2)],
      ['b', Uint8Array.of(3)],
    ]),
  )
  await store.put(new Map([['a/1', null]]))
  const again = await openDeviceStore(folder)
  expect([again.get('a/1'), again.get('b'), again.under('a/')]).toEqual([
    undefined,
    Uint8Array.of(3),
    [Uint8Array.of(2)],
  ])
  expect((await stat(join(folder, 'device.cbor'))).mode & 0o777).toBe(0o600)
  await writeFile(join(folder, 'device.cbor'), 'torn')
  await expect(openDeviceStore(folder)).rejects.toBeInstanceOf(Refusal)
})
