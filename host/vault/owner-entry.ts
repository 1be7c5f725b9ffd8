/** The owner's entries: written by one device, kept as they came, shown to the device that asks. */
import { type EntryId, parseEntryId } from '#host/entries/ids.ts'
import { PRUNE_BYTES_MAX, VERSIONS_MAX } from '#host/entries/limits.ts'
import type { Operation, VersionWrite } from '#host/entries/model.ts'
import { decodePrune, verifyPrune } from '#host/entries/prune.ts'
import { Refusal } from '#host/errors.ts'
import { bytesOf, bytesUpTo, z } from '#host/schema.ts'
import type { Change } from '#host/storage/port.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { tellOthers, taken, unchanged } from './account/apply.ts'
import { askerOf } from './account/asker.ts'
import { crypto, directoryUnchanged } from './account/directory.ts'
import { contentKey, entryChange, entryRecord, headerKey, heldVersion, pruneKey, sharesOf } from './account/held.ts'
import type { EntryRecord } from './account/rows.ts'
import { inactive, judgeVersion } from './account/judge.ts'
import { PRUNED_PER_STEP } from './account/limits.ts'
import { audienceOf, currentOf, listFor, pageFor, standOf } from './account/served.ts'
import { versionWrite } from './account/write.ts'
import { type Command, type Done, readCommand } from './command.ts'
import { eventRow } from './rows.ts'

const entryId = bytesOf(16)
const seq = z.int().min(1).max(VERSIONS_MAX)
const written = z.strictObject({ write: versionWrite })
const named = z.strictObject({ entry: entryId, seq: z.exactOptional(seq) })
const listed = z.strictObject({ after: z.exactOptional(entryId) })
const paged = z.strictObject({ entry: entryId, after: z.int().min(0).default(0) })
const pruned = z.strictObject({ prune: bytesUpTo(PRUNE_BYTES_MAX) })

export const entryCommands: Readonly<Record<string, (command: Command) => Done>> = {
  'entry.create': (command) => write(command, { operation: 'put', isFirst: true, mayGrow: true }),
  'entry.update': (command) => write(command, { operation: 'put' }),
  'entry.restore': (command) => write(command, { operation: 'restore' }),
  'entry.delete': (command) => write(command, { operation: 'delete' }),
  'entry.get': get,
  'entry.list': list,
  'entry.history': history,
  'entry.prune': prune,
}

/** What a command lets its version do. */
export interface Allowed {
  readonly operation: Operation
  readonly isFirst?: boolean
  /** Be for users that the one before was not for. */
  readonly mayGrow?: boolean
}

function write(command: Command, allowed: Allowed): Done {
  return writeVersion(command, readCommand(written, command).write, allowed)
}

/**
 * One version, taken or not: compare and swap. Who was overtaken is answered with the version that is current, and
 * nothing is written.
 *
 * @throws Refusal what `judgeVersion` throws; `command-invalid` for a version of another operation than the command's
 */
export function writeVersion(command: Command, write: VersionWrite, allowed: Allowed): Done {
  const { vault, device, now } = command
  const asker = askerOf(command)
  const judged = judgeVersion(vault, write, { directory: asker.directory, by: asker.device.id, now })
  if ('overtaken' in judged) {
    const current = currentOf(vault, judged.overtaken, asker.device.id)
    const { seq: at = 0 } = entryRecord(vault, judged.overtaken) ?? {}
    return { body: { conflict: current ?? {} }, rows: [told(command, judged.overtaken, { at, what: 'conflict' })] }
  }
  const { header } = judged.signed
  const { operation, isFirst = false, mayGrow = false } = allowed
  if (header.operation !== operation || (header.seq === 1) !== isFirst) {
    throw new Refusal('command-invalid', `this version is a ${header.operation} at ${header.seq}: use its own command`)
  }
  const before = mayGrow ? undefined : audienceOf(vault, header.entry)
  const isGrown = before && header.audience.users.some((user) => !before.users.some((known) => equalBytes(known, user)))
  if (isGrown) throw new Refusal('command-invalid', 'it is for a user more than the one before: entry.share says so')
  const { record, changes, expected } = taken(vault, write, judged)
  const stand = { entry: header.entry, seq: record.seq, hash: record.hash }
  return {
    body: { conflict: null, seq: record.seq, hash: record.hash },
    changes,
    expected,
    outgoing: tellOthers(vault, device, 'entry.changed', stand),
    rows: [told(command, header.entry, { at: record.seq, what: 'changed' })],
  }
}

/** A version with its content, the latest if none is named. */
function get(command: Command): Done {
  const { vault } = command
  const { entry: bytes, seq } = readCommand(named, command)
  const entry = parseEntryId(bytes)
  const { device } = askerOf(command)
  const record = known(command, entry)
  const page = pageFor(vault, device.id)
  const at = seq ?? record.seq
  if (!page.add(entry, at, { content: true })) throw new Refusal('command-invalid', 'no such version: entry.history')
  return {
    body: { ...page.body, ...standOf(vault, entry, record) },
    rows: [told(command, entry, { at, what: 'replied' })],
  }
}

/** Outlines, a page at a time: no content, and no key of one. */
function list(command: Command): Done {
  const { vault, device, opened, now } = command
  const { after } = readCommand(listed, command)
  const asker = askerOf(command)
  return {
    body: listFor(vault, asker.device.id, { after: after && parseEntryId(after) }),
    rows: [eventRow(device, opened.event, { at: now, result: 'replied' })],
  }
}

/** The versions of an entry after one, without content; `next` is where to go on. */
function history(command: Command): Done {
  const { vault } = command
  const { entry: bytes, after } = readCommand(paged, command)
  const entry = parseEntryId(bytes)
  const { device } = askerOf(command)
  const record = known(command, entry)
  const page = pageFor(vault, device.id)
  let last = Math.max(after, record.first - 1)
  while (last < record.seq && page.add(entry, last + 1)) last++
  return {
    body: { ...page.body, ...standOf(vault, entry, record), next: last < record.seq ? last : null },
    rows: [told(command, entry, { at: record.seq, what: 'replied' })],
  }
}

/**
 * Forgets versions up to one, by a signed word that is kept, so that the chain is verified from the one after it.
 *
 * @throws Refusal `entry-invalid` when it is not this device's, or not of this entry's chain; `command-invalid` when it
 *   is too much for one step, or reaches the current version
 */
function prune(command: Command): Done {
  const { vault, device } = command
  const asker = askerOf(command)
  const signed = decodePrune(readCommand(pruned, command).prune)
  const { entry, upTo, user, by } = signed.prune
  const record = known(command, entry)
  if (!equalBytes(user, asker.directory.user) || !equalBytes(by, asker.device.id)) throw foreign()
  if (asker.device.role !== 'device') throw inactive()
  const directoryHash = asker.directory.hashes[signed.prune.directory.seq]
  if (!directoryHash || !equalBytes(directoryHash, signed.prune.directory.hash)) throw foreign()
  if (upTo.seq >= record.seq || upTo.seq < record.first || upTo.seq - record.first >= PRUNED_PER_STEP) {
    throw new Refusal(
      'command-invalid',
      `name a version from ${record.first} on and before ${record.seq}, ${PRUNED_PER_STEP} at most in one step`,
    )
  }
  const last = heldVersion(vault, entry, upTo.seq)
  if (!last || !equalBytes(last.hash, upTo.hash)) throw foreign()
  if (!verifyPrune(crypto, signed, asker.device.keys.signing)) throw foreign()
  const next: EntryRecord = { ...record, first: upTo.seq + 1 }
  return {
    body: { seq: record.seq, first: next.first },
    changes: [
      entryChange(entry, next),
      { namespace: 'entries', key: pruneKey(entry), value: signed.bytes, visibility: 'opaque' },
      ...forgottenVersions(command, entry, { from: record.first, to: upTo.seq }),
    ],
    expected: [unchanged(vault, entry), directoryUnchanged(vault)],
    outgoing: tellOthers(vault, device, 'entry.changed', { entry, seq: record.seq, hash: record.hash }),
    rows: [told(command, entry, { at: upTo.seq, what: 'changed', reason: 'pruned up to' })],
  }
}

function forgottenVersions({ vault }: Command, entry: EntryId, { from, to }: { from: number; to: number }): Change[] {
  const changes: Change[] = []
  for (let seq = from; seq <= to; seq++) {
    const held = heldVersion(vault, entry, seq)
    if (!held) continue
    changes.push({ namespace: 'versions', key: headerKey(entry, seq), value: null })
    changes.push({ namespace: 'versions', key: contentKey(entry, seq), value: null })
    for (const key of sharesOf(vault, held.version)) changes.push({ namespace: 'shares', key, value: null })
  }
  return changes
}

function foreign(): Refusal {
  return new Refusal('entry-invalid', 'prune: not signed by this device for this entry’s chain')
}

function known({ vault }: Command, entry: EntryId): EntryRecord {
  const record = entryRecord(vault, entry)
  if (!record) throw new Refusal('command-invalid', 'no such entry: entry.list')
  return record
}

/** Names the entry and the version's number: never what is in it. */
function told(
  { device, opened, now }: Command,
  entry: EntryId,
  { at, what, reason }: { at: number; what: 'changed' | 'replied' | 'conflict'; reason?: string },
) {
  const place = `version ${at}`
  return eventRow(device, opened.event, {
    at: now,
    result: what === 'conflict' ? 'refused' : what,
    fields: [entry.toHex()],
    reason: what === 'conflict' ? 'conflict' : reason ? `${reason} ${place}` : place,
  })
}
