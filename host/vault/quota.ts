/** What one vault may hold in all, so that no vault takes the host's memory or its disk from its neighbours. */
import { Refusal } from '#host/errors.ts'
import { type Change, itemBytes } from '#host/storage/port.ts'
import { VAULT_DISK_PART } from '#host/storage/limits.ts'
import type { Vault } from './vault.ts'

/**
 * Holds what an event writes against the vault's quota. The vault's own records and its audit trail count, and are
 * never refused: a full vault goes on answering, refusing, severing and forgetting. What makes it smaller may be
 * written.
 *
 * @throws Refusal `vault-full`
 */
export function checkQuota(vault: Vault, changes: readonly Change[]): void {
  const { size, disk } = vault.store
  // Without knowing what the values replace: the common case needs no look-up.
  const data = changes.filter(
    ({ namespace, value }) => value !== null && namespace !== 'system' && namespace !== 'audit',
  )
  const most = data.reduce((sum, { key, value }) => sum + itemBytes(key, value ?? nothing), 0)
  if (most === 0) return
  if (disk.journal + disk.snapshot + most > vault.diskBytesMax) {
    throw new Refusal(
      'vault-full',
      'this vault takes as much on disk as it may: its owner removes something and renews its keys, then it goes on',
    )
  }
  if (size.bytes + most <= vault.bytesMax) return
  const grown = growth(vault, changes)
  if (grown > 0 && size.bytes + grown > vault.bytesMax) {
    throw new Refusal('vault-full', 'this vault holds as much as it may: its owner has to remove something first')
  }
}

/** Whether a vault that has no room on disk would get some by a snapshot: much of it is of what is no longer there. */
export function compactionDue({ store: { size, disk }, diskBytesMax }: Vault): boolean {
  const part = diskBytesMax * VAULT_DISK_PART
  if (disk.journal + disk.snapshot + part < diskBytesMax) return false
  return disk.journal > part || disk.snapshot > 2 * size.bytes + part
}

const nothing = new Uint8Array(0)

/** By how much the writes make the vault larger; a key that is written twice counts with its last value. */
function growth({ store }: Vault, changes: readonly Change[]): number {
  const after = new Map(changes.map((change) => [`${change.namespace} ${change.key}`, change]))
  let bytes = 0
  for (const { namespace, key, value } of after.values()) {
    const before = store.namespace(namespace).get(key)
    bytes += (value ? itemBytes(key, value) : 0) - (before ? itemBytes(key, before.value) : 0)
  }
  return bytes
}
