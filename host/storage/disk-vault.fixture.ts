/** Vaults on a memory disk, with everything beside the log: snapshots and sealed key files. */
import { type Log, openSegmentedLog } from './group.ts'
import { keyContext, type KeyFile, keyFile } from './key-file.ts'
import type { MemoryDisk } from './memory-disk.fixture.ts'
import { createVault, openVault } from './open.ts'
import type { Anchor, VaultStore } from './port.ts'
import { memorySealer } from './sealer.ts'
import { kekOf, seededRandom, utf8 } from './vault-store.fixture.ts'

const sealer = memorySealer(seededRandom('the installation'))
export const SEGMENT_BYTES = 2_000
let opened = 0

export function keysOf(disk: MemoryDisk, vault: string): KeyFile {
  return keyFile({ blobs: disk.blobs('vaults'), sealer, name: `${vault}.key`, context: keyContext(vault) })
}

export function openDisk(disk: MemoryDisk): Promise<Log> {
  return openSegmentedLog(disk.segments(), { segmentBytes: SEGMENT_BYTES })
}

/** As an installation makes it: its key file first. */
export async function create(log: Log, disk: MemoryDisk, vault = 'alice'): Promise<VaultStore> {
  const kek = kekOf(vault)
  await disk.blobs('vaults').write(`${vault}.key`, [sealer.seal(kek, keyContext(vault))])
  return createVault(log, { vault, kek, random: randomOf(vault), snapshots: disk.blobs('snapshots') })
}

/** As a host does it: a renewal that was interrupted ends here. */
export async function open(
  log: Log,
  disk: MemoryDisk,
  { vault = 'alice', anchor }: { vault?: string; anchor?: Anchor } = {},
): Promise<VaultStore> {
  const keeper = keysOf(disk, vault)
  const keys = await keeper.read()
  if (!keys) throw new Error(`no key of ${vault}`)
  const snapshots = disk.blobs('snapshots')
  const store = await openVault(log, { ...keys, vault, random: randomOf(vault), snapshots, ...(anchor && { anchor }) })
  if (store.renewing) await store.renew(keeper)
  return store
}

/** A restart: log and vault. */
export async function restart(disk: MemoryDisk, options?: Parameters<typeof open>[2]): Promise<VaultStore> {
  return open(await openDisk(disk), disk, options)
}

export function put(store: VaultStore, key: string, value = key): Promise<Anchor> {
  return store.commit([{ namespace: 'personal', key, value: utf8(value) }], { now: 1 })
}

function randomOf(vault: string): (length: number) => Uint8Array {
  return seededRandom(`${vault} on a disk ${opened++}`)
}
