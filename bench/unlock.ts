/** What sealing costs an owner: unlocking, with and without a PIN, and a vault's move to the next image. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'

import { enclaveClient, type EnclaveClient } from '#client/sealing.ts'
import { forgetfulStore, type Transport } from '#client/transport.ts'
import { openAttestorKey } from '#host/commands/attest.ts'
import { measuredRegisters } from '#enclave/measure.ts'
import { openEnclaved, type Released } from '#host/commands/enclaved.ts'
import { openProver } from '#host/crypto/bbs-thread.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { fileBlobs } from '#host/storage/file-blobs.ts'
import { fileSegments } from '#host/storage/file-segments.ts'
import { openSegmentedLog } from '#host/storage/group.ts'
import { softwareSealer } from '#host/storage/sealer.ts'
import { knockOf } from '#host/vault/sealing/knock.ts'
import type { Sealing } from '#host/vault/sealing/sealing.ts'
import { openVaults, type Vaults } from '#host/vault/vaults.ts'
import { parseSubject } from '#host/wire/subject.ts'
import { temporaryFolder } from './folder.ts'
import { quantile } from './measure.ts'
import { judged, type Report } from './report.ts'

const ROUNDS = 15
const VAULT = 'bench'
const VAULT_BYTES = 5 * 1_024 * 1_024
const VALUE_BYTES = 1_024
const PIN = '135790'
const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length))
const now = (): number => Date.now()

const image = (number: number): Released => {
  const root = new Uint8Array(48).fill(number)
  const registers = measuredRegisters({ root, handlerRoot: root })
  return { registers, release: { id: `image-${number}`, root, serial: number } }
}

export async function sealedVault(): Promise<Report> {
  const plain = await unlocking(undefined)
  const withPin = await unlocking(PIN)
  const moved = await moving()
  return {
    title: '   Sealing: evidence, order and open vault',
    lines: [
      judged('unlock, no PIN', { value: plain, unit: 'ms', most: 30 }),
      judged('unlock, PIN (Argon2id, 64 MiB)', { value: withPin, unit: 'ms', most: 250 }),
      judged('move of a vault of 5 MB, until it is open again', { value: moved, unit: 'ms', most: 1_000 }),
    ],
    notes: ['A device’s part is in it: it asks for evidence, judges it, and signs and seals its order.'],
  }
}

async function unlocking(pin: string | undefined): Promise<number> {
  await using place = await temporaryFolder()
  await using room = await openRoom(place.path, 1)
  await room.device.protect(pin)
  const samples: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    // Locking is no part of what is measured.
    await room.device.lock()
    const start = performance.now()
    await room.device.unlock(pin)
    samples.push(performance.now() - start)
  }
  return quantile(samples, 0.5)
}

async function moving(): Promise<number> {
  await using place = await temporaryFolder()
  const store = forgetfulStore()
  let took = 0
  {
    await using room = await openRoom(place.path, 1, { next: 2, store })
    const vault = await room.vaults.find(VAULT)
    const value = random(VALUE_BYTES)
    for (let at = 0; at < VAULT_BYTES / VALUE_BYTES; at += 64) {
      const changes = Array.from({ length: 64 }, (_, index) => ({
        namespace: 'personal' as const,
        key: `field/${at + index}`,
        value,
      }))
      await vault?.store.commit(changes, { now: now() })
    }
    await room.device.protect()
    const { offer } = (await room.device.attest()).descriptor
    if (!offer) throw new Error('nothing is offered')
    const start = performance.now()
    await room.device.move(offer)
    took = performance.now() - start
  }
  await using room = await openRoom(place.path, 2, { store })
  const start = performance.now()
  await room.device.unlock()
  return took + performance.now() - start
}

interface Room extends AsyncDisposable {
  readonly vaults: Vaults
  readonly device: EnclaveClient
}

const signing = generateSigningKey()

async function openRoom(
  folder: string,
  number: number,
  { next, store = forgetfulStore() }: { next?: number; store?: ReturnType<typeof forgetfulStore> } = {},
): Promise<Room> {
  await using parts = new AsyncDisposableStack()
  const beside = next === undefined ? undefined : { ...image(next), changes: 'the next one' }
  const releases = { find: () => beside?.release }
  const enclaved = await openEnclaved({
    folder,
    image: image(number),
    next: beside,
    releases,
    now,
    random,
    warn: () => {},
  })
  const sealer = await softwareSealer(join(folder, 'install.key'), { random, create: true })
  const vaults = parts.use(
    await openVaults({
      log: parts.use(await openSegmentedLog(await fileSegments(join(folder, 'log'), { pid: process.pid }))),
      sealer,
      snapshots: await fileBlobs(join(folder, 'snapshots')),
      folder: join(folder, 'vaults'),
      random,
      prover: parts.use(openProver()),
      enclaved,
    }),
  )
  if (number === 1) {
    const device = { id: 'phone', label: 'Phone', verifyKey: signing.publicKey }
    await vaults.create(VAULT, { device, fields: {}, now: now() })
  }
  const { sealing } = vaults
  if (!sealing) throw new Error('no sealing')
  const { publicKey } = await openAttestorKey(folder)
  const device = enclaveClient({
    crypto: nativeCrypto,
    vault: VAULT,
    signing,
    transport: directTo(sealing),
    store,
    roots: { nitro: [], software: [publicKey.toHex()], revoked: new Set() },
    policy: {
      kind: 'software',
      measurements: [enclaved.enclave.measurement.toHex()],
      registers: new Map(),
      maxAgeMs: 60_000,
    },
    now,
    random,
  })
  const owned = parts.move()
  return { vaults, device, [Symbol.asyncDispose]: async () => owned.disposeAsync() }
}

function directTo(sealing: Sealing): Transport {
  const heard = new Map<string, (message: { subject: string; data: Uint8Array }) => void>()
  return {
    async publish(text, data) {
      const knock = knockOf(parseSubject(text))
      if (!knock) throw new Error(`${text} is not for the shell`)
      const answer = await (knock.asks === 'evidence' ? sealing.challenged(VAULT, data) : sealing.ordered(VAULT, data))
      heard.get(knock.answerTo)?.({ subject: knock.answerTo, data: answer })
    },
    subscribe(pattern, receive) {
      heard.set(pattern, receive)
      return Promise.resolve({ drain: () => Promise.resolve(void heard.delete(pattern)) })
    },
  }
}
