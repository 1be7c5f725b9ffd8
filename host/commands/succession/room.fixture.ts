/**
 * A process of its own with one image and the vaults of a folder, as `trellis up` puts it together, without a bus: its
 * parent is the device. It ends itself by SIGKILL where it is told to.
 */
import { join } from 'node:path'

import { fileBlobs } from '#host/storage/file-blobs.ts'
import { fileSegments } from '#host/storage/file-segments.ts'
import { openSegmentedLog } from '#host/storage/group.ts'
import type { BlobStore } from '#host/storage/port.ts'
import { softwareSealer } from '#host/storage/sealer.ts'
import { openProver } from '#host/crypto/bbs-thread.ts'
import type { Enclave } from '#host/crypto/enclave.ts'
import { openVaults, type Vaults } from '#host/vault/vaults.ts'
import { enclavedOf, successorOf } from '../enclaved.ts'
import { openReleases } from '../releases.ts'
import { surroundings } from '../surroundings.ts'
import { bootIdle } from './idle.fixture.ts'
import { waitBeside } from './waiting.ts'

/** Before or after the how manieth of what it is killed. */
export interface Cut {
  readonly at: 'write' | 'attest' | 'recognize' | 'seal' | 'turn' | 'left'
  readonly count: number
  readonly when: 'before' | 'after'
}

export interface RoomArguments {
  readonly folder: string
  readonly image: string
  readonly succeeds: boolean
  readonly cut: Cut | null
  /** The verify key of the device that the vault is made for; null when it is there. */
  readonly device: string | null
}

/** What the parent asks. */
export type Asked =
  | { readonly id: number; readonly ask: 'challenged' | 'ordered'; readonly data: Uint8Array }
  | { readonly id: number; readonly ask: 'value' | 'stop' }
/** What it is told. */
export type Told =
  | { readonly told: 'waiting' | 'ready' | 'left' }
  | { readonly id: number; readonly answer: Uint8Array | undefined }
  | { readonly id: number; readonly error: string }

export const VAULT = 'alice'
const { now, random } = surroundings

function killer(cut: Cut | null): (at: Cut['at']) => { readonly before: () => void; readonly after: () => void } {
  const counts = new Map<string, number>()
  return (at) => {
    const count = (counts.get(at) ?? 0) + 1
    counts.set(at, count)
    const end = (when: Cut['when']) => () => {
      if (cut?.at === at && cut.count === count && cut.when === when) process.kill(process.pid, 'SIGKILL')
    }
    return { before: end('before'), after: end('after') }
  }
}

/** Each call may be the last. */
function mortal(enclave: Enclave, point: ReturnType<typeof killer>): Enclave {
  function within<T>(at: Cut['at'], act: () => T): T {
    const { before, after } = point(at)
    before()
    const done = act()
    after()
    return done
  }
  return {
    ...enclave,
    async attest(asked) {
      const { before, after } = point('attest')
      before()
      return enclave.attest(asked).finally(after)
    },
    recognize: (evidence, asked) => within('recognize', () => enclave.recognize(evidence, asked)),
    seal: (secret, context) => within('seal', () => enclave.seal(secret, context)),
  }
}

function mortalBlobs(blobs: BlobStore, point: ReturnType<typeof killer>): BlobStore {
  return {
    read: (name) => blobs.read(name),
    async write(name, chunks) {
      const { before, after } = point('write')
      before()
      await blobs.write(name, chunks)
      after()
    },
  }
}

const warn = () => undefined

async function run({ folder, image: path, succeeds, cut, device }: RoomArguments): Promise<void> {
  const point = killer(cut)
  const tell = (told: Told): void => void process.send?.(told)
  const boot = await bootIdle(path)
  const releases = await openReleases(boot.image, { data: folder, warn, pollMs: 20 })
  const about = { folder, now, random, warn, releases }
  if (succeeds) {
    const enclave = mortal(await successorOf(boot, about), point)
    await using waiting = await waitBeside({ ...about, enclave, image: boot.image, pid: process.pid, tell: () => {} })
    tell({ told: 'waiting' })
    await waiting.turn(new AbortController().signal)
    point('turn').before()
  }
  await using parts = new AsyncDisposableStack()
  const watch = releases.watch(() => undefined)
  parts.use(watch)
  let isLeft = false
  const log = parts.use(await openSegmentedLog(await fileSegments(join(folder, 'log'), { pid: process.pid })))
  const vaults = parts.use(
    await openVaults({
      log,
      sealer: await softwareSealer(join(folder, 'install.key'), { random, create: true }),
      snapshots: await fileBlobs(join(folder, 'snapshots')),
      folder: join(folder, 'vaults'),
      keys: mortalBlobs(await fileBlobs(join(folder, 'vaults')), point),
      random,
      prover: parts.use(openProver()),
      enclaved: await enclavedOf(boot, { ...about, left: () => (isLeft = true) })?.(),
    }),
  )
  if (device !== null) await found(vaults, Uint8Array.fromHex(device))
  const over = Promise.withResolvers<void>()
  process.on('message', (asked: Asked) => {
    void answer(vaults, asked).then((told) => {
      tell(told)
      if (isLeft || asked.ask === 'stop') over.resolve()
    })
  })
  tell({ told: 'ready' })
  await over.promise
  point('left').before()
  await parts.disposeAsync()
  process.send?.({ told: 'left' } satisfies Told, () => process.exit())
}

async function found(vaults: Vaults, verifyKey: Uint8Array): Promise<void> {
  const device = { id: 'phone', label: 'Phone', verifyKey }
  const vault = await vaults.create(VAULT, { device, fields: {}, now: now() })
  await vault.store.commit([{ namespace: 'personal', key: 'field/x', value: Uint8Array.of(7) }], { now: now() })
}

async function answer(vaults: Vaults, asked: Asked): Promise<Told> {
  const { id } = asked
  try {
    switch (asked.ask) {
      case 'challenged':
        return { id, answer: await vaults.sealing?.challenged(VAULT, new Uint8Array(asked.data)) }
      case 'ordered':
        return { id, answer: await vaults.sealing?.ordered(VAULT, new Uint8Array(asked.data)) }
      case 'value':
        return { id, answer: (await vaults.find(VAULT))?.store.namespace('personal').get('field/x')?.value }
      case 'stop':
        return { id, answer: undefined }
    }
  } catch (error) {
    return { id, error: String(error) }
  }
}

if (import.meta.main) await run(JSON.parse(process.argv[2] ?? '') as RoomArguments)
