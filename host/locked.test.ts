/** A host whose vault is locked: what waits for its owner, what does not, and that nobody else is held up. */
import { expect, test } from 'vitest'

import { enclaveClient, type EnclaveClient } from '#client/sealing.ts'
import { type ClientStore, forgetfulStore } from '#client/transport.ts'
import { measuredRegisters } from '#enclave/measure.ts'
import { openAttestorKey } from '#host/commands/attest.ts'
import { openEnclave } from '#host/commands/enclaved.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { connectService } from '#host/service.fixture.ts'
import { random, startWorld, type World } from './world.fixture.ts'

const root = new Uint8Array(48).fill(4)
const image = { registers: measuredRegisters({ root, handlerRoot: root }), release: { id: 'one', root, serial: 1 } }

const releases = { find: () => undefined }
const enclaveIn = (folder: string, now: () => number) => openEnclave(image, { folder, now, random, warn: () => {} })

const startProtectable = (handlers: readonly string[]): Promise<World> =>
  startWorld({
    handlers,
    enclave: async ({ folder, now }) => ({ enclave: await enclaveIn(folder, now), releases, now }),
  })

async function deviceOf(world: World, store: ClientStore): Promise<EnclaveClient> {
  const { measurement } = await enclaveIn(world.folder, world.now)
  const { publicKey } = await openAttestorKey(world.folder)
  const signing = world.keys.get('phone')
  if (!signing) throw new Error('there is no phone')
  return enclaveClient({
    crypto: nativeCrypto,
    vault: 'alice',
    signing,
    transport: world.broker.connect(),
    store,
    roots: { nitro: [], software: [publicKey.toHex()], revoked: new Set() },
    policy: {
      kind: 'software',
      measurements: [measurement.toHex()],
      registers: new Map(),
      maxAgeMs: 60_000,
    },
    now: world.now,
    random,
  })
}

test('after a restart critical events wait for the owner, and are answered when the vault is unlocked', async () => {
  await using world = await startProtectable(['counts'])
  const acme = await connectService(world, 'Acme')
  expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 1 })
  const device = await deviceOf(world, forgetfulStore())
  await device.protect()
  expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 2 })
  await world.kill()
  await world.start()
  expect(world.warnings.join('\n')).toContain('vault alice stays closed: vault alice is locked')

  const from = world.traces.length
  const waiting = acme.ask('counts.run')
  expect((await world.traced('counts.run', from)).outcome).toBe('vault-locked')
  expect((await device.attest()).descriptor.state).toBe('locked')
  await device.unlock()
  expect(await waiting).toEqual({ status: 'replied', body: 3 })
  expect((await world.rows()).some(({ eventType }) => eventType === 'enclave.provision')).toBe(true)
})

test('a best-effort event for a locked vault is refused: it does not come again', async () => {
  await using world = await startProtectable(['counts', 'blanks'])
  const acme = await connectService(world, 'Acme')
  const device = await deviceOf(world, forgetfulStore())
  await device.protect()
  await world.kill()
  await world.start()
  const from = world.traces.length
  const { message } = await acme.hold('blanks.run')
  await world.broker.connect().publish(message.subject, message.data)
  expect((await world.traced('blanks.run', from)).outcome).toBe('vault-locked')
  await device.unlock()
  expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 1 })
  expect(world.traces.slice(from).filter(({ subject }) => subject.endsWith('blanks.run'))).toHaveLength(1)
})

test('a host without an enclave answers no challenge, and opens no protected vault', async () => {
  await using world = await startWorld({ handlers: ['counts'] })
  const device = await deviceOf(world, forgetfulStore())
  const from = world.traces.length
  void device.attest().catch(() => {})
  expect((await world.traced('enclave.challenge', from)).outcome).toBe('provision-invalid')
})
