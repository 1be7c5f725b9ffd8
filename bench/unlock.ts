/** What sealing costs an owner: unlocking, with and without a PIN, and a vault's move to the next image. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'

import { enclaveClient, type EnclaveClient } from '#client/sealing.ts'
import { type ClientStore, forgetfulStore, type Transport } from '#client/transport.ts'
import { openAttestorKey } from '#host/commands/attest.ts'
import { measuredRegisters } from '#enclave/measure.ts'
import { connectNats } from '#host/commands/bus.ts'
import { openEnclave, type Released } from '#host/commands/enclaved.ts'
import { readMeasured } from '#host/commands/image/read.ts'
import { openFolder } from '#host/commands/open.ts'
import { RELEASES_FILE } from '#host/commands/releases.ts'
import { openProver } from '#host/crypto/bbs-thread.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { fileBlobs } from '#host/storage/file-blobs.ts'
import { fileSegments } from '#host/storage/file-segments.ts'
import { openSegmentedLog } from '#host/storage/group.ts'
import { softwareSealer } from '#host/storage/sealer.ts'
import { knockOf } from '#host/vault/sealing/knock.ts'
import type { Sealing } from '#host/vault/sealing/sealing.ts'
import { openVaults } from '#host/vault/vaults.ts'
import { parseSubject } from '#host/wire/subject.ts'
import { openProvider } from '../examples/release.ts'
import { makeWholeImage } from '../scripts/build-image.ts'
import { startHostProcess } from '../scripts/host-process.ts'
import { startNatsServer } from '../scripts/nats-server.ts'
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
      judged('move of a vault of 5 MB to a process that waits, until it is open', {
        value: moved,
        unit: 'ms',
        most: 1_000,
      }),
    ],
    notes: [
      'The move is one process to another over NATS, two images with hosts of their own; the other one waits.',
      'A device’s part is in it: it asks for evidence, judges it, and signs and seals its order.',
    ],
  }
}

async function unlocking(pin: string | undefined): Promise<number> {
  await using place = await temporaryFolder()
  await using room = await openRoom(place.path)
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

/** Two processes over NATS, each of an image of its own: from the owner's yes until the vault is open in the other. */
async function moving(): Promise<number> {
  await using parts = new AsyncDisposableStack()
  const { path } = parts.use(await temporaryFolder())
  const at = (name: string): string => join(path, name)
  const { url: nats } = parts.use(await startNatsServer())
  await makeWholeImage(at('image'))
  await fillVault(at('data'))
  const provider = await openProvider({ folder: path, log: join(at('data'), RELEASES_FILE), from: at('image') })
  for (const [name, number] of Object.entries({ A: 1, B: 2 })) {
    await provider.release(at(name), { number, handlers: { 'data-access': `0.${number}.0` }, notes: '' })
  }
  const up = (image: string, ...flags: readonly string[]) =>
    parts.use(startHostProcess('--data', at('data'), '--image', at(image), '--nats', nats, ...flags))
  const host = up('A')
  await host.said('ready')
  const transport = parts.use(await connectNats(nats, { name: 'bench' }))
  const store = forgetfulStore()
  const device = async (image: string): Promise<EnclaveClient> => {
    const { measurement } = await readMeasured(at(image))
    return deviceOf({ folder: at('data'), measurement, transport, store })
  }
  const [here, there] = [await device('A'), await device('B')]
  await here.protect()
  const next = up('B', '--succeed')
  await next.said('waiting')
  const { offer } = (await here.attest()).descriptor
  if (!offer) throw new Error('nothing is offered')
  const start = performance.now()
  await here.move(offer)
  await next.said('ready')
  await there.unlock()
  return performance.now() - start
}

async function fillVault(folder: string): Promise<void> {
  await using opened = await openFolder(folder, { create: true })
  const device = { id: 'phone', label: 'Phone', verifyKey: signing.publicKey }
  const vault = await opened.vaults.create(VAULT, { device, fields: {}, now: now() })
  const value = random(VALUE_BYTES)
  for (let at = 0; at < VAULT_BYTES / VALUE_BYTES; at += 64) {
    const changes = Array.from({ length: 64 }, (_, index) => ({
      namespace: 'personal' as const,
      key: `field/${at + index}`,
      value,
    }))
    await vault.store.commit(changes, { now: now() })
  }
}

interface Room extends AsyncDisposable {
  readonly device: EnclaveClient
}

const signing = generateSigningKey()

async function openRoom(folder: string): Promise<Room> {
  await using parts = new AsyncDisposableStack()
  const releases = { find: () => undefined }
  const enclave = await openEnclave(image(1), { folder, now, random, warn: () => {} })
  const sealer = await softwareSealer(join(folder, 'install.key'), { random, create: true })
  const vaults = parts.use(
    await openVaults({
      log: parts.use(await openSegmentedLog(await fileSegments(join(folder, 'log'), { pid: process.pid }))),
      sealer,
      snapshots: await fileBlobs(join(folder, 'snapshots')),
      folder: join(folder, 'vaults'),
      random,
      prover: parts.use(openProver()),
      enclaved: { enclave, releases, now },
    }),
  )
  const phone = { id: 'phone', label: 'Phone', verifyKey: signing.publicKey }
  await vaults.create(VAULT, { device: phone, fields: {}, now: now() })
  const { sealing } = vaults
  if (!sealing) throw new Error('no sealing')
  const transport = directTo(sealing)
  const device = await deviceOf({ folder, measurement: enclave.measurement, transport, store: forgetfulStore() })
  const owned = parts.move()
  return { device, [Symbol.asyncDispose]: async () => owned.disposeAsync() }
}

async function deviceOf({
  folder,
  measurement,
  ...about
}: {
  folder: string
  measurement: Uint8Array
  transport: Transport
  store: ClientStore
}): Promise<EnclaveClient> {
  const { publicKey } = await openAttestorKey(folder)
  return enclaveClient({
    ...about,
    crypto: nativeCrypto,
    vault: VAULT,
    signing,
    roots: { nitro: [], software: [publicKey.toHex()], revoked: new Set() },
    policy: { kind: 'software', measurements: [measurement.toHex()], registers: new Map(), maxAgeMs: 60_000 },
    now,
    random,
  })
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
