/** One installation's disk, and the images that run on it one after another, with devices that talk to the shell. */
import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type EnclaveClient, enclaveClient } from '#client/sealing.ts'
import type { ClientStore, Transport } from '#client/transport.ts'
import { openSoftwareAttestor } from '#enclave/attestor.ts'
import { REGISTERS } from '#enclave/limits.ts'
import { IMAGE_REGISTER } from '#enclave/measurement.ts'
import { openSoftwareEnclave } from '#enclave/seal.ts'
import { openProver } from '#host/crypto/bbs-thread.ts'
import { type Ed25519Key, generateEd25519 } from '#host/crypto/ed25519.ts'
import type { Enclave, Releases } from '#host/crypto/enclave.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import type { SigningKey } from '#host/crypto/port.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { Refusal } from '#host/errors.ts'
import { fileBlobs } from '#host/storage/file-blobs.ts'
import { openLog } from '#host/storage/group.ts'
import { type MemoryLog, memoryLog } from '#host/storage/memory-log.fixture.ts'
import type { BlobStore } from '#host/storage/port.ts'
import type { OwnerSecret } from '#host/storage/protected.ts'
import { keySealer } from '#host/storage/sealer.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { parseSubject } from '#host/wire/subject.ts'
import type { Vault } from '../vault.ts'
import { openVaults, type Vaults } from '../vaults.ts'
import { knockOf } from './knock.ts'
import type { Sealing } from './sealing.ts'
import { openSuccessor, type Successor } from './succession.ts'

export const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length))
const START_MS = 1_800_000_000_000

/** Where the power fails: before or after which write of a key file, or in the successor. */
export interface Cut {
  readonly write: number
  readonly when: 'before' | 'after'
}

export class PowerCut extends Error {}

/** One image that runs. */
export interface Room extends AsyncDisposable {
  readonly vaults: Vaults
  readonly sealing: Sealing
  readonly enclave: Enclave
  readonly writes: () => number
  /** How often it was told that every vault went to the next image. */
  readonly lefts: () => number
  device(
    store: ClientStore,
    options?: { signing?: SigningKey; accepts?: readonly Enclave[]; through?: Sealing },
  ): EnclaveClient
  vault(): Promise<Vault>
}

export interface RoomOptions {
  /** The image: another number is other code. */
  readonly image: number
  readonly serial?: number
  /** The image that runs beside it. */
  readonly next?: Pick<RoomOptions, 'image' | 'serial'>
  readonly cut?: Cut
  /** What the log lists, when it is not what runs. */
  readonly listed?: Releases
  readonly key?: KeyObject
}

export interface Installation extends AsyncDisposable {
  readonly clock: { now: number }
  readonly signing: SigningKey
  readonly folder: string
  readonly keys: BlobStore
  /** The journal as it is durable, and putting one back in its place. */
  copyLog(): Promise<MemoryLog>
  putLog(copy: MemoryLog): void
  /** Stops what runs, as a crash does, and starts another image on the same disk. */
  start(options: RoomOptions): Promise<Room>
}

const releaseOf = ({ image, serial = image }: RoomOptions) => ({
  id: `image-${image}`,
  root: new Uint8Array(48).fill(image),
  serial,
})

/** `owner` protects its one vault when that is made. */
export async function installation(owner?: OwnerSecret): Promise<Installation> {
  const folder = await mkdtemp(join(tmpdir(), 'trellis-sealing-'))
  const clock = { now: START_MS }
  const now = (): number => clock.now
  const signing = generateSigningKey()
  const installed = createSecretKey(random(32))
  const attestor = generateEd25519()
  const prover = openProver()
  const snapshots = memoryBlobs()
  const keys = await fileBlobs(join(folder, 'vaults'))
  let log: MemoryLog = memoryLog()
  let isNew = true
  let running: (() => void) | undefined

  const ground: Ground = { installed, attestor, now }

  async function open(options: RoomOptions, cut?: Cut): Promise<Room> {
    const enclave = await enclaveOf(options, ground)
    const faulty = cutting(keys, cut)
    const beside = options.next && (await besides(options.next, ground))
    const releases: Releases = options.listed ?? {
      find: (measurement) => (beside && equalBytes(measurement, beside.measurement) ? beside.release : undefined),
    }
    const opened = await openLog(log)
    let lefts = 0
    const vaults = await openVaults({
      log: opened,
      sealer: keySealer(installed, { kind: 'software', random }),
      snapshots,
      folder: join(folder, 'vaults'),
      keys: faulty.blobs,
      random,
      prover,
      enclaved: { enclave, releases, successor: () => Promise.resolve(beside), now, left: () => void lefts++ },
    })
    if (isNew) {
      isNew = false
      const device = { id: 'phone', label: 'Phone', verifyKey: signing.publicKey }
      await vaults.create('alice', { device, fields: { email: 'alice@example.org' }, now: now() }, owner)
    }
    running = () => opened.abandon()
    const { sealing } = vaults
    if (!sealing) throw new Error('no sealing')
    return roomOf({ vaults, sealing, enclave, signing, ground, writes: faulty.writes, lefts: () => lefts })
  }

  return {
    clock,
    signing,
    folder,
    keys,
    copyLog: async () => memoryLog({ bytes: await log.read() }),
    putLog(copy) {
      running?.()
      log = copy
    },
    async start(options) {
      running?.()
      log = log.crash()
      return open(options, options.cut)
    },
    async [Symbol.asyncDispose]() {
      running?.()
      await prover[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function roomOf({
  ground,
  signing,
  ...room
}: Pick<Room, 'vaults' | 'sealing' | 'enclave' | 'writes' | 'lefts'> & { signing: SigningKey; ground: Ground }): Room {
  const { vaults, sealing, enclave } = room
  const { now, attestor } = ground
  return {
    ...room,
    device: (store, { signing: key = signing, accepts = [enclave], through = sealing } = {}) =>
      deviceOf({ sealing: through, signing: key, store, now, accepts, attestor: attestor.publicKey }),
    async vault() {
      const vault = await vaults.find('alice')
      if (!vault) throw new Error('the vault is gone')
      return vault
    },
    [Symbol.asyncDispose]: () => vaults[Symbol.asyncDispose](),
  }
}

interface Ground {
  readonly installed: KeyObject
  readonly attestor: Ed25519Key
  readonly now: () => number
}

async function enclaveOf(options: RoomOptions, { installed, attestor, now }: Ground): Promise<Enclave> {
  const measured = openSoftwareAttestor({ key: attestor, now, warn: () => {} })
  const release = releaseOf(options)
  await measured.extend(IMAGE_REGISTER, release.root)
  await measured.lockBelow(REGISTERS)
  return openSoftwareEnclave({ key: options.key ?? installed, attestor: measured, release, now, random })
}

/** The next image, as it runs before it has any vault. */
async function besides(options: RoomOptions, ground: Ground): Promise<Successor> {
  const enclave = await enclaveOf(options, ground)
  const { measurement, release } = enclave
  const changes = `image ${options.image}`
  return { measurement, release, changes, ...openSuccessor({ enclave, now: ground.now, random }) }
}

function deviceOf(options: {
  readonly sealing: Sealing
  readonly signing: SigningKey
  readonly store: ClientStore
  readonly now: () => number
  readonly accepts: readonly Enclave[]
  readonly attestor: Uint8Array
}): EnclaveClient {
  const { sealing, signing, store, now, accepts, attestor } = options
  const measurements = accepts.map(({ measurement }) => measurement.toHex())
  return enclaveClient({
    crypto: nativeCrypto,
    vault: 'alice',
    signing,
    transport: transportTo(sealing),
    store,
    roots: { nitro: [], software: [attestor.toHex()], revoked: new Set() },
    policy: { kind: 'software', measurements, registers: new Map(), maxAgeMs: 60_000 },
    now,
    random,
  })
}

/** A bus with one vault's shell at its end. What the shell refuses outright reaches the device as that refusal. */
function transportTo(sealing: Sealing): Transport {
  const heard = new Map<string, (message: { subject: string; data: Uint8Array }) => void>()
  return {
    async publish(text, data) {
      const subject = parseSubject(text)
      const knock = knockOf(subject)
      if (!knock) throw new Error(`${text} is not for the shell`)
      const answer = knock.asks === 'evidence' ? sealing.challenged('alice', data) : sealing.ordered('alice', data)
      heard.get(knock.answerTo)?.({ subject: knock.answerTo, data: await answer })
    },
    subscribe(pattern, receive) {
      heard.set(pattern, receive)
      return Promise.resolve({ drain: () => Promise.resolve(void heard.delete(pattern)) })
    },
  }
}

function memoryBlobs(): BlobStore {
  const files = new Map<string, Uint8Array>()
  return {
    read: (name) => Promise.resolve(files.get(name)),
    write: (name, chunks) => Promise.resolve(void files.set(name, Uint8Array.from(Buffer.concat(chunks)))),
  }
}

function cutting(blobs: BlobStore, cut: Cut | undefined): { blobs: BlobStore; writes: () => number } {
  let writes = 0
  let isOut = false
  const check = (): void => {
    if (isOut) throw new PowerCut()
  }
  return {
    writes: () => writes,
    blobs: {
      async read(name) {
        check()
        return blobs.read(name)
      },
      async write(name, chunks) {
        check()
        writes++
        if (cut?.write === writes && cut.when === 'before') isOut = true
        check()
        await blobs.write(name, chunks)
        if (cut?.write === writes) isOut = true
        check()
      },
    },
  }
}

/** What a refusal's code is, or `done`. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'done'
  } catch (error) {
    if (error instanceof Refusal) return error.code
    throw error
  }
}
