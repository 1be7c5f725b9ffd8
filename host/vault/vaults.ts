/**
 * The vaults of one host: opened when first asked for; the least recently used one is closed again when they take more
 * memory than they may.
 */
import { constants } from 'node:fs'
import { mkdir, open, readdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'

import type { Prover } from '#host/crypto/bbs-thread.ts'
import type { Enclave, Releases } from '#host/crypto/enclave.ts'
import { Refusal } from '#host/errors.ts'
import type { Log } from '#host/storage/group.ts'
import { COMMIT_DEADLINE_MS, VAULT_BYTES_MAX, VAULT_DISK_BYTES_MAX, VAULTS_OPEN_BYTES } from '#host/storage/limits.ts'
import { createVault as createStore, openVault as openStore } from '#host/storage/open.ts'
import type { RefusalMeter } from '#host/storage/refusal-meter.ts'
import type { BlobStore, Sealer, VaultStore } from '#host/storage/port.ts'
import type { OwnerSecret } from '#host/storage/protected.ts'
import { openViews, type Views } from '#host/storage/view.ts'
import { fileBlobs, syncFolder } from '#host/storage/file-blobs.ts'
import { flush } from '#host/storage/flush.ts'
import { keyContext } from '#host/storage/key-file.ts'
import { vaultTag } from '#host/storage/keys.ts'
import { parseVaultId, type VaultId } from '#host/wire/id.ts'
import { type Instance, openInstance } from './account/instance.ts'
import { type Backup, fill } from './backup.ts'
import type { Published } from './published.ts'
import { type ProtectedBirth, protectNew } from './sealing/birth.ts'
import { type Guard, openGuard } from './sealing/guard.ts'
import { openSealing, type Sealing } from './sealing/sealing.ts'
import { type Seated, seatedFor } from './sealing/seats.ts'
import type { Successor } from './sealing/succession.ts'
import { type Lease, Shelf } from './shelf.ts'
import { type Birth, foundVault, readVault, type Vault } from './vault.ts'
import type { WakeTimes } from './wake.ts'

export interface Vaults extends AsyncDisposable {
  /** What is the same for all of them. */
  readonly instance: Instance
  /**
   * The vault, opened now if need be; `undefined` when this installation has no key for it. It may be closed by the
   * next `makeRoom`: who works with it takes a lease.
   */
  find(id: string): Promise<Vault | undefined>
  hold(id: string): Promise<Lease | undefined>
  /** The same for a vault that is open; it does not count as use. */
  holdOpen(id: VaultId): Lease | undefined
  /** Closes vaults that have nothing in hand until the open ones take no more than they may. */
  makeRoom(now: number): Promise<void>
  /** Closed vaults that have something to do by now. */
  due(now: number): readonly VaultId[]
  /** All vaults that are closed or could be, and when each has something to do. */
  wakeTimes(now: number): WakeTimes
  /** Says of a closed vault when it has something to do: from the list that an earlier host left. */
  remember(times: WakeTimes): void
  /**
   * With `owner`, protected from its first byte: it opens for this enclave and that secret alone.
   *
   * @throws Refusal `conflict` when there is one of that name
   */
  create(id: string, birth: Birth, owner?: OwnerSecret): Promise<Vault>
  /**
   * Puts the vault of a backup in place. It is there when this resolves; if it fails, or the process ends before,
   * there is none of that name and the same backup may be restored again.
   *
   * @throws Refusal `conflict` when there is one of that name
   */
  restore(backup: Backup, now: number): Promise<Vault>
  /** Those open right now. */
  open(): readonly Vault[]
  /** Names of all, open or not. */
  names(): Promise<readonly string[]>
  /** A new KEK for an open vault; the one before is destroyed. @throws Refusal `storage-failed`: try again */
  renew(vault: Vault): Promise<void>
  /** Has vaults that did nothing lately write a snapshot, when their old frames keep the log from shrinking. */
  compact(): Promise<void>
  /** What answers devices while a vault is locked; absent where no enclave runs. */
  readonly sealing: Sealing | undefined
  /** After the log failed: lets go of every open vault, and takes up what is durable. @throws Refusal */
  reopen(): Promise<void>
}

export interface VaultsOptions {
  readonly log: Log
  readonly sealer: Sealer
  /** Where their snapshots are. */
  readonly snapshots: BlobStore
  /** Holds one sealed key file per vault. */
  readonly folder: string
  /** The same files, replaced whole: the folder's own when it is not said. */
  readonly keys?: BlobStore
  /** Published manifests as JSON: part of each vault's profile. Absent where no host runs. */
  readonly published?: Published
  readonly random: (length: number) => Uint8Array
  /** All vaults share one proving thread. */
  readonly prover: Prover
  /** How long a commit may take before its event is refused. */
  readonly commitDeadlineMs?: number | undefined
  /** Told of a vault of an earlier run before anybody gets it: what it left is to leave before anything newer. */
  readonly recovered?: (vault: Vault) => Promise<void>
  /** The measured code that this is, for vaults whose owners protect them. */
  readonly enclaved?: Enclaved | undefined
  /** What the open vaults may take in memory. */
  readonly openBytesMax?: number
  /** What each of them may hold. */
  readonly vaultBytesMax?: number
  /** What each of them may take on disk. */
  readonly vaultDiskBytesMax?: number
}

/** What protected vaults need of the process they run in. */
export interface Enclaved {
  readonly enclave: Enclave
  readonly releases: Releases
  /** The next image, if it waits beside this one now. */
  readonly successor?: (() => Promise<Successor | undefined>) | undefined
  /** Told when every protected vault was handed over to it. */
  readonly left?: (() => void) | undefined
  readonly now: () => number
}

const KEY_FILE = '.key'
/** After the name of a key whose vault is being restored. */
const PART = '.part'

export async function openVaults(options: VaultsOptions): Promise<Vaults> {
  const { folder } = options
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const views = openViews()
  const blobs = options.keys ?? (await fileBlobs(folder))
  const { log, sealer, openBytesMax = VAULTS_OPEN_BYTES, random, enclaved } = options
  const guard = openGuard({ blobs, sealer, nameOf: (id) => id + KEY_FILE, random })
  const instance = await openInstance({ blobs, sealer, random })
  const parts: Parts = { ...options, views, instance, keyFile: (id) => join(folder, id + KEY_FILE), guard }
  const load = (id: VaultId, refusals: RefusalMeter | undefined) => loadVault(parts, id, refusals)
  const shelf = new Shelf({ load, relieve: () => views.drop(), openBytesMax, random })
  const rooms = {
    find: (id: VaultId) => shelf.find(id),
    drop: (id: VaultId) => shelf.drop(id),
    names: async () => (await namesIn(folder)).map(parseVaultId),
  }
  return {
    sealing: enclaved && openSealing({ ...enclaved, ...rooms, guard, sealer, random }),
    instance,
    find: (text) => shelf.find(parseVaultId(text)),
    hold: (text) => shelf.hold(parseVaultId(text)),
    holdOpen: (id) => shelf.holdOpen(id),
    makeRoom: (now) => shelf.makeRoom(now),
    due: (now) => shelf.due(now),
    wakeTimes: (now) => shelf.wakeTimes(now),
    remember(times) {
      for (const [id, at] of times) shelf.remember(parseVaultId(id), at)
    },
    create: async (text, birth, owner) => shelf.keep(await makeVault(parts, parseVaultId(text), { ...birth, owner })),
    restore: async (backup, now) => shelf.keep(await restoreVault(parts, backup, now)),
    open: () => shelf.open,
    names: () => namesIn(folder),
    renew: (vault) => vault.store.renew(guard.keeper(vault.id)),
    async compact() {
      for (const id of await holdingIn(log, folder)) {
        using lease = await shelf.hold(parseVaultId(id)).catch(unlocked)
        await lease?.vault.store.snapshot()
      }
    },
    async reopen() {
      if (log.failure !== undefined) await shelf.restart(() => log.reopen())
    },
    async [Symbol.asyncDispose]() {
      await views[Symbol.asyncDispose]()
      await shelf[Symbol.asyncDispose]()
    },
  }
}

interface Parts extends VaultsOptions {
  readonly views: Views
  readonly instance: Instance
  readonly keyFile: (id: VaultId) => string
  readonly guard: Guard
}

async function loadVault(parts: Parts, id: VaultId, refusals: RefusalMeter | undefined): Promise<Vault | undefined> {
  const { log, snapshots, random, guard } = parts
  const keeper = guard.keeper(id)
  const keys = await keeper.read()
  if (!keys) return undefined
  const anchor = guard.anchorOf(id)
  const known = { vault: id, random, snapshots, ...(anchor && { anchor }) }
  const store = await openStore(log, { ...keys, ...known }).catch(unborn)
  if (!store) return undefined
  await using unless = new AsyncDisposableStack()
  unless.use(store)
  // A renewal that was interrupted: the old key is still there. The next round of upkeep tries again if it must.
  if (store.renewing) await store.renew(keeper).catch(unkept)
  const vault = vaultOf(parts, store, { id, refusals })
  await parts.recovered?.(vault)
  unless.move()
  return vault
}

async function makeVault(
  parts: Parts,
  id: VaultId,
  { owner, ...birth }: Birth & { readonly owner: OwnerSecret | undefined },
): Promise<Vault> {
  const { log, sealer, snapshots, published, random, keyFile } = parts
  const kek = random(32)
  if (owner) await writeProtected(parts, { id, kek, owner, verifyKey: birth.device.verifyKey })
  else await writeNew(keyFile(id), sealer.seal(kek, keyContext(id)))
  const store = await createStore(log, { vault: id, kek, random, snapshots })
  await foundVault(store, { ...birth, published, random })
  return vaultOf(parts, store, { id })
}

async function writeProtected({ enclaved, guard, random, keyFile }: Parts, birth: ProtectedBirth): Promise<void> {
  if (!enclaved) throw new Error('no enclave runs that could protect a vault')
  const { bytes, held } = await protectNew(birth, { enclave: enclaved.enclave, guard, random })
  await writeNew(keyFile(birth.id), bytes)
  guard.hold(birth.id, held)
}

/** Its key gets its name when all of it is durable: until then there is no such vault. */
async function restoreVault(parts: Parts, { vault: id, changes }: Backup, now: number): Promise<Vault> {
  const { log, sealer, snapshots, folder, random, keyFile } = parts
  const part = `${keyFile(id)}${PART}`
  if (await readFile(keyFile(id)).catch(absent)) throw taken(keyFile(id))
  const begun = await readFile(part).catch(absent)
  const kek = begun ? sealer.open(begun, keyContext(id)) : random(32)
  if (!begun) await writeNew(part, sealer.seal(kek, keyContext(id)))
  // Opening zeroes the key it was given.
  const again = new Uint8Array(kek)
  const left = await openStore(log, { vault: id, kek, epoch: 0, random, snapshots }).catch(unborn)
  const store = left ?? (await createStore(log, { vault: id, kek: again, random, snapshots }))
  again.fill(0)
  await using owned = new AsyncDisposableStack()
  owned.use(store)
  await fill(store, changes, now)
  const vault = vaultOf(parts, store, { id })
  await rename(part, keyFile(id))
  await syncFolder(folder)
  owned.move()
  return vault
}

function vaultOf(
  parts: Parts,
  store: VaultStore,
  { id, refusals }: { id: VaultId; refusals?: RefusalMeter | undefined },
): Vault {
  const { published, prover, views, instance } = parts
  const { vaultBytesMax: bytesMax = VAULT_BYTES_MAX, commitDeadlineMs = COMMIT_DEADLINE_MS } = parts
  const { vaultDiskBytesMax: diskBytesMax = VAULT_DISK_BYTES_MAX } = parts
  return readVault(store, {
    id,
    handlers: published?.text ?? '[]',
    prover,
    views,
    instance,
    bytesMax,
    diskBytesMax,
    commitDeadlineMs,
    refusals,
  })
}

/** Which protected vaults of a folder that may be another process's have a seat for some code. */
export async function seatedIn(folder: string, measurement: Uint8Array): Promise<Seated> {
  const blobs = await fileBlobs(folder)
  const names = (await namesIn(folder)).map(parseVaultId)
  return seatedFor(measurement, { names, read: (id) => blobs.read(id + KEY_FILE) })
}

async function namesIn(folder: string): Promise<string[]> {
  const files = await readdir(folder)
  return files
    .filter((name) => name.endsWith(KEY_FILE))
    .map((name) => name.slice(0, -KEY_FILE.length))
    .sort()
}

/** Vaults that keep the log's oldest segment. */
async function holdingIn(log: Log, folder: string): Promise<string[]> {
  const holding = new Set(log.holding())
  return holding.size === 0 ? [] : (await namesIn(folder)).filter((id) => holding.has(vaultTag(id).toHex()))
}

/** A file that was not there before, durable when this resolves. A crash before may leave a key of no vault. */
async function writeNew(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600).catch(
    (error: unknown) => {
      if (hasCode(error, 'EEXIST')) throw taken(path)
      throw error
    },
  )
  try {
    await file.writeFile(bytes)
    await flush(file, 'all')
  } finally {
    await file.close()
  }
}

function taken(path: string): Refusal {
  return new Refusal('conflict', `${path} exists: choose another vault name`)
}

/** A key whose vault was never written: the process ended between the two. */
function unborn(error: unknown): undefined {
  if (!(error instanceof Refusal) || error.code !== 'vault-unknown') throw error
}

/** Nobody but its owner opens it: its frames stay until then. */
function unlocked(error: unknown): undefined {
  if (!(error instanceof Refusal) || error.code !== 'vault-locked') throw error
}

function unkept(error: unknown): undefined {
  if (!(error instanceof Refusal) || error.code !== 'storage-failed') throw error
}

function absent(error: unknown): undefined {
  if (!hasCode(error, 'ENOENT')) throw error
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
