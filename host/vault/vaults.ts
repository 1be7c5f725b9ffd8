/** The vaults of one host: opened when first asked for, closed together. */
import { constants } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'

import type { Prover } from '#host/crypto/bbs-thread.ts'
import { Refusal } from '#host/errors.ts'
import type { Log } from '#host/storage/group.ts'
import { fileBlobs } from '#host/storage/file-blobs.ts'
import { keyFile as openKeyFile, type KeyFile } from '#host/storage/key-file.ts'
import { vaultTag } from '#host/storage/keys.ts'
import { createVault as createStore, openVault as openStore } from '#host/storage/open.ts'
import type { BlobStore, Sealer } from '#host/storage/port.ts'
import { parseVaultId, type VaultId } from '#host/wire/id.ts'
import { type Birth, foundVault, readVault, type Vault } from './vault.ts'

export interface Vaults extends AsyncDisposable {
  /** The vault, opened now if need be; `undefined` when this installation has no key for it. */
  find(id: string): Promise<Vault | undefined>
  /** @throws Refusal `conflict` when there is one of that name */
  create(id: string, birth: Birth): Promise<Vault>
  /** Those open right now. */
  open(): readonly Vault[]
  /** Names of all, open or not. */
  names(): Promise<readonly string[]>
  /** A new KEK for an open vault; the one before is destroyed. @throws Refusal `storage-failed`: try again */
  renew(vault: Vault): Promise<void>
  /** Has vaults that did nothing lately write a snapshot, when their old frames keep the log from shrinking. */
  compact(): Promise<void>
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
  /** Published manifests as JSON: part of each vault's profile. Absent where no host runs. */
  readonly handlers?: string
  readonly random: (length: number) => Uint8Array
  /** All vaults share one proving thread. */
  readonly prover: Prover
  /** Told of a vault of an earlier run before anybody gets it: what it left is to leave before anything newer. */
  readonly recovered?: (vault: Vault) => Promise<void>
}

const KEY_FILE = '.key'

export async function openVaults(options: VaultsOptions): Promise<Vaults> {
  const { log, sealer, snapshots, folder, handlers, random, prover } = options
  const blobs = await fileBlobs(folder)
  const opened = new Map<VaultId, Vault>()
  const opening = new Map<VaultId, Promise<Vault | undefined>>()
  const keyFile = (id: VaultId) => join(folder, id + KEY_FILE)
  const keeperOf = (id: VaultId): KeyFile => openKeyFile({ blobs, sealer, name: id + KEY_FILE, context: `vault ${id}` })

  let reopened = Promise.resolve()

  async function load(id: VaultId): Promise<Vault | undefined> {
    await reopened
    const keeper = keeperOf(id)
    const keys = await keeper.read()
    if (!keys) return undefined
    const store = await openStore(log, { ...keys, vault: id, random, snapshots }).catch(unborn)
    if (!store) return undefined
    await using unless = new AsyncDisposableStack()
    unless.use(store)
    // A renewal that was interrupted: the old key is still there. The next round of upkeep tries again if it must.
    if (store.renewing) await store.renew(keeper).catch(unkept)
    const vault = readVault(store, { id, handlers: handlers ?? '[]', prover })
    await options.recovered?.(vault)
    unless.move()
    return keep(vault)
  }

  function keep(vault: Vault): Vault {
    opened.set(vault.id, vault)
    return vault
  }

  function find(text: string): Promise<Vault | undefined> {
    const id = parseVaultId(text)
    const vault = opened.get(id)
    if (vault) return Promise.resolve(vault)
    const loading = opening.get(id) ?? load(id).finally(() => opening.delete(id))
    opening.set(id, loading)
    return loading
  }

  return {
    find,
    names: () => namesIn(folder),
    renew: (vault) => vault.store.renew(keeperOf(vault.id)),
    async compact() {
      for (const id of await holdingIn(log, folder)) await (await find(id))?.store.snapshot()
    },
    async reopen() {
      if (log.failure === undefined) return
      const stale = [...opened.values()]
      opened.clear()
      reopened = Promise.all(stale.map((vault) => vault[Symbol.asyncDispose]())).then(() => log.reopen())
      await reopened
    },
    async create(text, birth) {
      const id = parseVaultId(text)
      const kek = random(32)
      await writeNew(keyFile(id), sealer.seal(kek, `vault ${id}`))
      const store = await createStore(log, { vault: id, kek, random, snapshots })
      await foundVault(store, { ...birth, handlers, random })
      return keep(readVault(store, { id, handlers: handlers ?? '[]', prover }))
    },
    open: () => [...opened.values()],
    async [Symbol.asyncDispose]() {
      await Promise.all([...opened.values()].map((vault) => vault[Symbol.asyncDispose]()))
    },
  }
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
      if (hasCode(error, 'EEXIST')) throw new Refusal('conflict', `${path} exists: choose another vault name`)
      throw error
    },
  )
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** A key whose vault was never written: the process ended between the two. */
function unborn(error: unknown): undefined {
  if (!(error instanceof Refusal) || error.code !== 'vault-unknown') throw error
}

function unkept(error: unknown): undefined {
  if (!(error instanceof Refusal) || error.code !== 'storage-failed') throw error
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
