/** Opens the vaults of a data folder without a host: to make one, or to read one. */
import { join } from 'node:path'

import { openProver } from '#host/crypto/bbs-thread.ts'
import { fileBlobs } from '#host/storage/file-blobs.ts'
import { fileSegments } from '#host/storage/file-segments.ts'
import { openSegmentedLog } from '#host/storage/group.ts'
import { softwareSealer } from '#host/storage/sealer.ts'
import { type Enclaved, openVaults, type Vaults } from '#host/vault/vaults.ts'
import { makeDataFolder } from './files.ts'
import { surroundings } from './surroundings.ts'

export interface OpenFolder extends AsyncDisposable {
  readonly vaults: Vaults
}

/**
 * @throws Refusal `storage-failed` when a host is running on the folder, `key-missing` when `create` is not set and
 *   there is no installation in it, `input-invalid` when it cannot be made
 */
export async function openFolder(
  folder: string,
  options: { readonly create: boolean; readonly enclaved?: (() => Promise<Enclaved>) | undefined },
): Promise<OpenFolder> {
  await using parts = new AsyncDisposableStack()
  if (options.create) await makeDataFolder(folder)
  const { random } = surroundings
  const sealer = await softwareSealer(join(folder, 'install.key'), { random, create: options.create })
  const log = parts.use(await openSegmentedLog(await fileSegments(join(folder, 'log'), { pid: process.pid })))
  const snapshots = await fileBlobs(join(folder, 'snapshots'))
  const prover = parts.use(openProver())
  const enclaved = await options.enclaved?.()
  const keys = join(folder, 'vaults')
  const vaults = parts.use(await openVaults({ log, sealer, snapshots, folder: keys, random, prover, enclaved }))
  const owned = parts.move()
  return { vaults, [Symbol.asyncDispose]: async () => owned.disposeAsync() }
}
