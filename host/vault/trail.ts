/** The vault's word on its own audit trail: checkpoints that it signs and hands to its owner's devices. */
import { allRows, checkpointChange, latestCheckpoint, trailBaseBytes } from '#host/storage/audit.ts'
import type { ExportedTrail } from '#host/storage/audit-export.ts'
import { readCheckpoint, signCheckpoint } from '#host/crypto/checkpoint.ts'
import { CHECKPOINT_ROWS } from '#host/storage/limits.ts'
import { commit, type Leaving, type Outgoing } from './commit.ts'
import { notices } from './notice.ts'
import type { Letter } from './outbox.ts'
import type { Vault } from './vault.ts'

/** What the owner's devices are told of each checkpoint. */
const CHECKPOINT = 'audit.checkpoint'

/** A checkpoint of everything up to now, signed. */
export function freshCheckpoint({ id, audit, signing }: Vault, now: number): Uint8Array {
  return signCheckpoint({ vault: id, ...audit.head, at: now, kept: null }, signing)
}

/** What keeps one and tells the devices: to be committed. */
export function stored(vault: Vault, checkpoint: Uint8Array): Pick<Leaving, 'changes'> & { outgoing: Outgoing[] } {
  return { changes: [checkpointChange(checkpoint)], outgoing: notices(vault, CHECKPOINT, { checkpoint }) }
}

/** Signs a checkpoint when there are rows enough since the last. */
export async function checkpointWhenDue(
  vault: Vault,
  moment: Pick<Leaving, 'now' | 'random'>,
): Promise<readonly Letter[]> {
  const latest = latestCheckpoint(vault.store.namespace('audit'))
  const covered = latest ? readCheckpoint(latest).sequence : 0
  if (vault.audit.head.sequence - covered < CHECKPOINT_ROWS) return []
  return commit({ vault, ...moment, ...stored(vault, freshCheckpoint(vault, moment.now)), rows: [] })
}

/** Everything of a trail that goes into a file. */
export function exportedTrail(vault: Vault, now: number): ExportedTrail {
  const namespace = vault.store.namespace('audit')
  return {
    vault: vault.id,
    verifyKey: vault.signing.publicKey,
    base: trailBaseBytes(namespace),
    rows: allRows(namespace),
    checkpoint: freshCheckpoint(vault, now),
  }
}
