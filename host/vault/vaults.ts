/** The vaults of one host: opened when first asked for, closed together. */
import { constants } from 'node:fs'
import { mkdir, open, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Prover } from '#host/crypto/bbs-thread.ts'
import { Refusal } from '#host/errors.ts'
import type { Log } from '#host/storage/group.ts'
import { createVault as createStore, openVault as openStore } from '#host/storage/open.ts'
import { COMMIT_DEADLINE_MS } from '#host/storage/limits.ts'
import type { Sealer } from '#host/storage/port.ts'
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
}

export interface VaultsOptions {
  readonly log: Log
  readonly sealer: Sealer
  /** Holds one sealed key file per vault. */
  readonly folder: string
  /** Published manifests as JSON: part of each vault's profile. Absent where no host runs. */
  readonly handlers?: string
  readonly random: (length: number) => Uint8Array
  /** All vaults share one proving thread. */
  readonly prover: Prover
  /** How long a commit may take before its event is refused. */
  readonly commitDeadlineMs?: number | undefined
  /** Told of a vault of an earlier run before anybody gets it: what it left is to leave before anything newer. */
  readonly recovered?: (vault: Vault) => Promise<void>
}

const KEY_FILE = '.key'

export async function openVaults(options: VaultsOptions): Promise<Vaults> {
  const { log, sealer, folder, handlers, random, prover, commitDeadlineMs = COMMIT_DEADLINE_MS } = options
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const opened = new Map<VaultId, Vault>()
  const opening = new Map<VaultId, Promise<Vault | undefined>>()
  const keyFile = (id: VaultId) => join(folder, id + KEY_FILE)

  async function load(id: VaultId): Promise<Vault | undefined> {
    const sealed = await readFile(keyFile(id)).catch(absent)
    if (!sealed) return undefined
    const kek = sealer.open(sealed, `vault ${id}`)
    const store = await openStore(log, { vault: id, kek, random }).catch(unborn)
    if (!store) return undefined
    const vault = readVault(store, { id, handlers: handlers ?? '[]', prover, commitDeadlineMs })
    await options.recovered?.(vault)
    return keep(vault)
  }

  function keep(vault: Vault): Vault {
    opened.set(vault.id, vault)
    return vault
  }

  return {
    find(text) {
      const id = parseVaultId(text)
      const vault = opened.get(id)
      if (vault) return Promise.resolve(vault)
      const loading = opening.get(id) ?? load(id).finally(() => opening.delete(id))
      opening.set(id, loading)
      return loading
    },
    async create(text, birth) {
      const id = parseVaultId(text)
      const kek = random(32)
      await writeNew(keyFile(id), sealer.seal(kek, `vault ${id}`))
      const store = await createStore(log, { vault: id, kek, random })
      await foundVault(store, { ...birth, handlers, random })
      return keep(readVault(store, { id, handlers: handlers ?? '[]', prover, commitDeadlineMs }))
    },
    open: () => [...opened.values()],
    async names() {
      const files = await readdir(folder)
      return files
        .filter((name) => name.endsWith(KEY_FILE))
        .map((name) => name.slice(0, -KEY_FILE.length))
        .sort()
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...opened.values()].map((vault) => vault[Symbol.asyncDispose]()))
    },
  }
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

function absent(error: unknown): undefined {
  if (!hasCode(error, 'ENOENT')) throw error
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
