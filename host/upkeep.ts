/** What happens without an event: questions run out, letters are offered again, counted refusals get their row. */
import { Refusal } from './errors.ts'
import { RELAY_AFTER_MS } from './limits.ts'
import type { Bus } from './messaging/port.ts'
import type { Dialer } from './dialer.ts'
import { commit, settled, unkeptEvent } from './vault/commit.ts'
import { erased, erasureDue } from './vault/erasure.ts'
import { sharedRelays } from './vault/account/shared.ts'
import { expirePassed } from './vault/passing.ts'
import { expirePosts } from './vault/peer-event.ts'
import { askerOf, isOpen, questions } from './vault/pending.ts'
import { publish } from './vault/publish.ts'
import { compactionDue } from './vault/quota.ts'
import { deny } from './vault/resume.ts'
import { sandboxRelays } from './vault/sandbox/relay.ts'
import { pruneWhenDue } from './vault/retention.ts'
import { checkpointWhenDue } from './vault/trail.ts'
import type { Vault } from './vault/vault.ts'
import type { Vaults } from './vault/vaults.ts'

export interface Moment {
  readonly bus: Bus
  readonly now: number
  readonly random: (length: number) => Uint8Array
}

/** One round over the open vaults, and over those that have to be opened for it. */
export async function upkeep(
  vaults: Vaults,
  moment: Moment & { readonly dialer?: Dialer; readonly warn?: (line: string) => void },
): Promise<void> {
  for (const id of vaults.due(moment.now)) await wake(vaults, id, moment)
  for (const { id } of vaults.open()) {
    using lease = vaults.holdOpen(id)
    if (!lease || lease.vault.writer.stalled) continue
    await inTime(round(lease.vault, moment))
    await inTime(erase(lease.vault, vaults, moment))
    if (compactionDue(lease.vault)) await lease.vault.store.snapshot().catch(later)
  }
  await vaults.compact().catch(later)
  await vaults.makeRoom(moment.now)
}

async function round(vault: Vault, moment: Moment & { readonly dialer?: Dialer }): Promise<void> {
  await expireQuestions(vault, moment)
  await writeRows(vault, [...vault.writer.owed(), ...vault.refusals.due(moment.now)], moment)
  await pruneWhenDue(vault, moment)
  await publish(await checkpointWhenDue(vault, moment), { bus: moment.bus, outbox: vault.outbox })
  await publish(vault.outbox.left(moment.now, RELAY_AFTER_MS), { bus: moment.bus, outbox: vault.outbox })
  await resend(vault, moment)
  await moment.dialer?.round(vault, moment)
}

/** A vault whose writes are overdue, or that its owner locks meanwhile, has its next round after: the others go on. */
async function inTime(work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!(error instanceof Refusal) || !['audit-unavailable', 'vault-locked'].includes(error.code)) throw error
  }
}

/** One that cannot be opened is its owner's trouble and not its neighbours'. */
export async function wake(
  vaults: Vaults,
  id: string,
  { warn = () => {} }: { readonly warn?: (line: string) => void },
): Promise<void> {
  try {
    await vaults.find(id)
  } catch (error) {
    if (!(error instanceof Refusal) || error.code === 'storage-failed') throw error
    vaults.remember(new Map([[id, null]]))
    warn(`vault ${id} stays closed: ${error.message}`)
  }
}

/** The keys of what has ended: a new KEK, and what the old one opened is gone wherever there are copies. */
async function erase(vault: Vault, vaults: Vaults, { now, random }: Moment): Promise<void> {
  if (!erasureDue(vault) && !vault.store.renewing) return
  const renewed = await vaults.renew(vault).then(() => true, later)
  // Its owner may have locked or moved it meanwhile: it is done again wherever it is opened next.
  if (!renewed || !vaults.open().includes(vault)) return
  await commit({ vault, now, random, changes: [erased], rows: [] })
}

/** What a disk, or an owner who locks or moves the vault meanwhile, keeps from being done in this round. */
const hindrances = new Set<string>(['storage-failed', 'vault-locked', 'key-missing', 'conflict'])

/** It is done in a later round. */
function later(error: unknown): false {
  if (!(error instanceof Refusal) || !hindrances.has(error.code)) throw error
  return false
}

/** The last round: every refusal that is only counted so far, and what has left is forgotten. */
export async function finish(vaults: Vaults, moment: Moment): Promise<void> {
  for (const { id } of vaults.open()) {
    using lease = vaults.holdOpen(id)
    if (!lease) continue
    const { vault } = lease
    await publish(vault.outbox.left(moment.now, 0), { bus: moment.bus, outbox: vault.outbox })
    const rows = [...vault.writer.owed(), ...vault.refusals.drain()]
    await inTime(commit({ vault, ...moment, rows }).then(() => undefined))
  }
}

/** Events to peers that have no answer yet: again, sealed anew, until they expire. */
async function resend(vault: Vault, { bus, now, random }: Moment): Promise<void> {
  const moment = { now, random }
  const letters = [
    ...(await expirePosts(vault, moment)),
    ...expirePassed(sandboxRelays, vault, moment),
    ...expirePassed(sharedRelays, vault, moment),
  ]
  for (const { connection, event } of vault.posts.due(now)) {
    const to = vault.connections.get(connection)
    if (to?.session) letters.push(unkeptEvent(event, { to, random }))
  }
  await settled(letters, { vault, now, random })
  await publish(letters, { bus, outbox: vault.outbox })
}

async function expireQuestions(vault: Vault, { bus, now, random }: Moment): Promise<void> {
  for (const question of questions(vault)) {
    if (question.record.expires > now || !isOpen(vault, question)) continue
    const connection = askerOf(vault, question.record)
    if (!connection) throw new Error('a question of no connection')
    const { answers, changes, expected, row } = deny({ vault, connection, question, now }, 'consent-expired')
    const letters = await commit({ vault, now, random, answers, changes, expected, rows: [row] })
    await publish(letters, { bus, outbox: vault.outbox })
  }
}

async function writeRows(
  vault: Vault,
  rows: ReturnType<Vault['refusals']['due']>,
  { now, random }: Moment,
): Promise<void> {
  if (rows.length > 0) await commit({ vault, now, random, rows })
}
