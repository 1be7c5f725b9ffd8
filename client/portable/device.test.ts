/** An owner's device at a host that runs here: in Node with either provider, and in a real browser. */
import { warn } from 'node:console'

import { expect, test } from 'vitest'

import { type Account, signUp } from '#client/account/account.ts'
import { enclaveClient } from '#client/sealing.ts'
import { forgetfulStore, type Transport } from '#client/transport.ts'
import { measuredRegisters, softwareMeasurement } from '#enclave/measure.ts'
import { openAttestorKey } from '#host/commands/attest.ts'
import { openEnclave } from '#host/commands/enclaved.ts'
import { generateKemKey } from '#host/crypto/kem.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { portableCrypto } from '#host/crypto/portable.ts'
import { random, startWorld, until, type World } from '#host/world.fixture.ts'

import type { Carried, DeviceInput, DeviceReport } from '../../scripts/browser-device.ts'
import { bundlePage, findChromium, NO_CHROMIUM, runPage } from '../../scripts/chromium.ts'
import { type Others, tellDevice } from './device.case.ts'

const PAGE = 'scripts/browser-device.ts'
/** So long a page waits for messages before it asks again. */
const HELD_MS = 200
const root = new Uint8Array(48).fill(4)
const release = { id: 'one', root, serial: 1 }
const image = { registers: measuredRegisters({ root, handlerRoot: root }), release }
const measurement = softwareMeasurement(release).toHex()

interface Stage {
  readonly world: World
  readonly attestor: string
}

async function startStage(): Promise<Stage & AsyncDisposable> {
  const releases = { find: () => undefined }
  const world = await startWorld({
    handlers: [],
    enclave: async ({ folder, now }) => {
      return { enclave: await openEnclave(image, { folder, now, random, warn: () => {} }), releases, now }
    },
  })
  const { publicKey } = await openAttestorKey(world.folder)
  return { world, attestor: publicKey.toHex(), [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() }
}

const believing = (attestor: string) => ({
  roots: { nitro: [], software: [attestor], revoked: new Set<string>() },
  policy: { kind: 'software', measurements: [measurement], registers: new Map(), maxAgeMs: 60_000 } as const,
})

async function ownerAtPhone({ world, attestor }: Stage): Promise<Others> {
  const { now } = world
  const surroundings = { crypto: nativeCrypto, now, random }
  const [signing, kem] = [world.signing('phone'), generateKemKey()]
  const secrets = { signer: signing, opener: kem }
  let kept: Uint8Array | undefined
  const store = {
    read: () => Promise.resolve(kept),
    write: (bytes: Uint8Array) => Promise.resolve(void (kept = bytes)),
  }
  const account: Account = await signUp({ ...secrets, ...surroundings, owner: world.alice, store }, 'phone')
  const places = { transport: world.broker.connect(), store: forgetfulStore() }
  const enclave = enclaveClient({ ...surroundings, ...places, ...believing(attestor), vault: 'alice', signing })
  return {
    async attach(keys) {
      const device = await account.devices.attach({ keys, label: 'page' })
      return { device: device.toHex(), user: account.user }
    },
    async lock(pin) {
      await enclave.protect(pin)
      await enclave.lock()
      return enclave.exportSecret()
    },
    async read() {
      const [entry] = (await account.list()).entries
      if (!entry) throw new Error('there is an entry')
      return new TextDecoder().decode((await account.get(entry.entry)).content() ?? undefined)
    },
    async revoke() {
      const { devices } = account
      const page = (await devices.list()).find(({ label }) => label === 'page')
      if (!page) throw new Error('there is a page')
      await devices.revoke(page.id)
    },
  }
}

test.each([
  ['native', nativeCrypto],
  ['portable', portableCrypto(random)],
])('%s: a device from its first key to its end', { timeout: 120_000 }, async (_name, crypto) => {
  await using stage = await startStage()
  const { world, attestor } = stage
  const others = await ownerAtPhone(stage)
  const { identity, now } = world
  const story = { crypto, now, random, vault: 'alice', identity, others, ...believing(attestor) }
  await tellDevice({ ...story, transport: world.broker.connect() })
  await seesItCutOff(world)
})

/** What it said last, a command and a hello, was of no device that the vault knows. */
async function seesItCutOff({ traces }: World): Promise<void> {
  const unknown = () => traces.filter(({ outcome }) => outcome === 'device-unknown').map(({ subject }) => subject)
  await until('both are refused', () => unknown().length === 2)
  expect(unknown().toSorted()).toEqual(
    ['device.hello', 'directory.get'].map((type) => `OwnerSpace.alice.forVault.${type}`),
  )
}

test('the page of a device holds nothing of Node', async () => {
  expect(await bundlePage(PAGE)).not.toMatch(/\bnode:|\brequire\(|\bBuffer\./)
})

/** The bus for a page: it publishes and subscribes by calls, and asks for what came. */
function carrying(bus: Transport): Readonly<Record<string, (text: string) => Promise<string>>> {
  const subscriptions = new Map<string, Awaited<ReturnType<Transport['subscribe']>>>()
  let held: Carried[] = []
  let wake: (() => void) | undefined
  return {
    async publish(text) {
      const { subject, data, ...options } = JSON.parse(text) as { subject: string; data: string; durable?: boolean }
      await bus.publish(subject, Uint8Array.fromHex(data), options)
      return ''
    },
    async subscribe(pattern) {
      const subscription = await bus.subscribe(pattern, ({ subject, data }) => {
        held.push({ pattern, subject, data: data.toHex() })
        wake?.()
      })
      subscriptions.set(pattern, subscription)
      return ''
    },
    async receive() {
      if (held.length === 0) {
        const { promise, resolve } = Promise.withResolvers<void>()
        const timer = setTimeout(resolve, HELD_MS)
        wake = resolve
        await promise
        clearTimeout(timer)
      }
      const carried = held
      held = []
      return JSON.stringify(carried)
    },
    async drain(pattern) {
      await subscriptions.get(pattern)?.drain()
      subscriptions.delete(pattern)
      return ''
    },
  }
}

const chromium = await findChromium()
if (chromium === undefined) {
  warn(`not run: an owner's device in a browser (${NO_CHROMIUM})`)
  test.skip(`headless Chromium: ${NO_CHROMIUM}`, () => {})
} else {
  test('Chromium: a device from its first key to its end', { timeout: 180_000 }, async () => {
    await using stage = await startStage()
    const { world, attestor } = stage
    const { attach, lock, read, revoke } = await ownerAtPhone(stage)
    const { identity, now } = world
    const input: DeviceInput = { vault: 'alice', identity: identity.toHex(), now: now(), attestor, measurement }
    const calls = {
      ...carrying(world.broker.connect()),
      async attach(text: string) {
        const keys = JSON.parse(text) as Record<'signing' | 'sealing', string>
        const [signing, sealing] = [Uint8Array.fromHex(keys.signing), Uint8Array.fromHex(keys.sealing)]
        const { device, user } = await attach({ signing, sealing })
        return JSON.stringify({ device, user: user.toHex() })
      },
      lock: async (pin: string) => (await lock(pin)).toHex(),
      read,
      revoke: async () => (await revoke(), ''),
    }
    const code = await bundlePage(PAGE)
    const report = (await runPage({ chromium, code, input: JSON.stringify(input), calls })) as DeviceReport
    expect(report).toEqual({ browser: expect.stringContaining('Chrome/'), error: null })
    await seesItCutOff(world)
  })
}
