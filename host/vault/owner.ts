/** OwnerSpace: what the owner's devices may tell their vault. Sealed by a device, answered to that device. */
import { Refusal } from '#host/errors.ts'
import { COMMIT_ATTEMPTS_MAX } from '#host/limits.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { newestAnchor } from './anchor.ts'
import type { Command, Done } from './command.ts'
import { commit } from './commit.ts'
import { auditCheckpoint, auditPrune, auditRetain, auditRows } from './owner-audit.ts'
import { renewKeys } from './erasure.ts'
import { approveRequest, denyRequest } from './owner-consent.ts'
import { addCredential, listCredentials, removeCredential } from './owner-credential.ts'
import { listPending } from './owner-pending.ts'
import { accountCommands } from './owner-account.ts'
import { backfillCommands } from './owner-backfill.ts'
import { directoryCommands } from './owner-directory.ts'
import { entryCommands } from './owner-entry.ts'
import { shareCommands } from './owner-share.ts'
import { acceptContract, rejectContract } from './owner-contract.ts'
import { createKey, listKeys, protectKey } from './owner-key.ts'
import { inviteConnection, listConnections, putField, severConnection } from './owner-connection.ts'
import { connectPeer } from './owner-peer.ts'
import { runHandler } from './owner-run.ts'
import { browse, listNamespaces } from './owner-browse.ts'
import { lock, protectItem, setFactor, unlock } from './owner-factor.ts'
import { listItems, removeItem } from './owner-items.ts'
import { sandboxCommands } from './owner-sandbox.ts'
import { remove, renameConnection, renameCredential } from './owner-manage.ts'
import { reportVault, searchVault } from './owner-search.ts'
import type { Opened } from './open.ts'
import type { Letter } from './outbox.ts'
import type { Device } from './party.ts'

const commands: Readonly<Record<string, (command: Command) => Done | Promise<Done>>> = {
  'connection.invite': inviteConnection,
  'connection.items': listItems,
  'connection.list': listConnections,
  'connection.remove-item': removeItem,
  'connection.sever': severConnection,
  'contract.accept': acceptContract,
  'contract.reject': rejectContract,
  'consent.approve': approveRequest,
  'consent.deny': denyRequest,
  'pending.list': listPending,
  'field.put': putField,
  'key.create': createKey,
  'key.list': listKeys,
  'key.protect': protectKey,
  'credential.add': addCredential,
  'credential.list': listCredentials,
  'credential.remove': removeCredential,
  'handler.run': runHandler,
  'peer.connect': connectPeer,
  ...sandboxCommands,
  ...accountCommands,
  ...directoryCommands,
  ...entryCommands,
  ...backfillCommands,
  ...shareCommands,
  'namespace.list': listNamespaces,
  'namespace.items': browse,
  'item.remove': remove,
  'item.protect': protectItem,
  'factor.set': setFactor,
  'vault.unlock': unlock,
  'vault.lock': lock,
  'connection.rename': renameConnection,
  'credential.rename': renameCredential,
  'audit.rows': auditRows,
  'audit.checkpoint': auditCheckpoint,
  'audit.prune': auditPrune,
  'audit.retain': auditRetain,
  'vault.report': reportVault,
  'vault.search': searchVault,
  'vault.renew': renewKeys,
}

/** What reads a state that others change meanwhile: it is done again when they did. */
const repeatable: ReadonlySet<unknown> = new Set([
  approveRequest,
  runHandler,
  severConnection,
  rejectContract,
  ...Object.values(sandboxCommands),
  ...Object.values(entryCommands),
  ...Object.values(directoryCommands),
  ...Object.values(backfillCommands),
  ...Object.values(shareCommands),
])

/** @throws Refusal `unsupported-event`, `command-invalid`, or the command's own */
export async function obey(
  opened: Opened,
  device: Device,
  options: Pick<Command, 'registry' | 'pool' | 'now' | 'random'>,
): Promise<readonly Letter[]> {
  const { vault, event } = opened
  const run = Object.hasOwn(commands, event.type) ? commands[event.type] : undefined
  if (!run) throw new Refusal('unsupported-event', `no such command: ${Object.keys(commands).join(', ')}`)
  const command = { vault, device, opened, body: decodeCbor(event.body), ...options }
  for (let attempt = 1; ; attempt++) {
    try {
      const done = await run(command)
      const { anchor, changes } = newestAnchor(vault, device)
      const reply = { status: 'replied', body: encodeCbor({ ...done.body, anchor }) } as const
      const answers = [{ to: device, event, reply }, ...(done.answers ?? [])]
      const leaving = { ...done, changes: [...(done.changes ?? []), ...changes] }
      return await commit({ ...leaving, vault, opened, now: options.now, random: options.random, answers })
    } catch (error) {
      const overtaken = repeatable.has(run) && error instanceof Refusal && error.code === 'conflict'
      if (!overtaken || attempt === COMMIT_ATTEMPTS_MAX) throw error
    }
  }
}
