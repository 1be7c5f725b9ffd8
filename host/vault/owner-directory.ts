/** The owner's devices, as their directory has them: vouch for one, rename, end, remove; and what each is to know. */
import { activeDevices, descendantsOf } from '#host/entries/directory.ts'
import { encodeHeads, hashHeads } from '#host/entries/heads.ts'
import { decodeStatement } from '#host/entries/statement.ts'
import { type DeviceId, parseDeviceId, parseEntryId } from '#host/entries/ids.ts'
import { STATEMENT_BYTES_MAX } from '#host/entries/limits.ts'
import type { Directory, Device as Listed, EntryHead } from '#host/entries/model.ts'
import { Refusal } from '#host/errors.ts'
import { bytesOf, bytesUpTo, z } from '#host/schema.ts'
import { UNLOCKERS_MAX } from '#host/storage/limits.ts'
import type { Change } from '#host/storage/port.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import type { Cbor } from '#host/wire/cbor.ts'
import { tellOthers } from './account/apply.ts'
import { askerOf } from './account/asker.ts'
import {
  type Appended,
  appended,
  crypto,
  keptHeads,
  headsChange,
  knownDirectory,
  ownStatements,
} from './account/directory.ts'
import { entriesUnchanged, entryRecords, TURN } from './account/held.ts'
import { HEADS_PAGE_MAX, STATEMENTS_PAGE } from './account/limits.ts'
import { type Command, type Done, readCommand } from './command.ts'
import type { Device } from './party.ts'
import { encodeRecord, type DeviceRecord } from './records.ts'
import { eventRow } from './rows.ts'
import type { Vault } from './vault.ts'

const statement = bytesUpTo(STATEMENT_BYTES_MAX)
const id = bytesOf(32)
const stated = z.strictObject({ statement })
const fetched = z.strictObject({ after: z.int().min(-1).default(-1) })
const measured = z.strictObject({ revocation: z.int().min(0) })
const paged = z.strictObject({ after: z.exactOptional(bytesOf(16)) })
const revoked = z.strictObject({
  statement,
  /** The device is lost: it is ended at once, what it signed stays valid up to here. */
  urgent: z.exactOptional(z.boolean()),
})
const removed = z.strictObject({ device: id })

export const directoryCommands: Readonly<Record<string, (command: Command) => Done>> = {
  'directory.get': directory,
  'directory.heads': revocationHeads,
  'entry.heads': heads,
  'device.attach': attach,
  'device.list': list,
  'device.rename': rename,
  'device.revoke': revoke,
  'device.remove': remove,
}

/** Statements in their order, and what this vault and its host are: what a device walks for itself. */
function directory(command: Command): Done {
  const { vault, now } = command
  const { after } = readCommand(fetched, command)
  const { user, head } = knownDirectory(vault, now)
  const all = ownStatements(vault)
  const statements = all.slice(after + 1, after + 1 + STATEMENTS_PAGE)
  const last = after + statements.length
  const { signUps, backupKey } = vault.instance.row
  return {
    body: {
      user,
      seq: head.seq,
      hash: head.hash,
      statements,
      next: last < head.seq ? last : null,
      vault: { signing: vault.signing.publicKey, sealing: vault.prekey.publicKey },
      instance: { signUps, backupKey },
    },
    rows: [told(command, 'replied')],
  }
}

/** Where every entry stood when a device was revoked: what its signatures are measured by. */
function revocationHeads(command: Command): Done {
  const { revocation } = readCommand(measured, command)
  const encoded = keptHeads(command.vault, revocation)
  if (!encoded) throw new Refusal('command-invalid', 'no revocation has that number')
  return { body: { heads: encoded }, rows: [told(command, 'replied')] }
}

/** Where every entry stands: what a device compares with what it remembers, and what a revocation says. */
function heads(command: Command): Done {
  const { vault } = command
  const { after } = readCommand(paged, command)
  const page: EntryHead[] = []
  let next: Cbor = null
  for (const [entry, { seq, hash }] of entryRecords(vault, after && parseEntryId(after))) {
    if (page.length === HEADS_PAGE_MAX) {
      next = page.at(-1)?.entry ?? null
      break
    }
    page.push({ entry, seq, hash })
  }
  return { body: { heads: encodeHeads(page), next }, rows: [told(command, 'replied')] }
}

/** An existing device's word for a new one. What is there already is shared with it by `device.backfill`. */
function attach(command: Command): Done {
  const { vault, now } = command
  askerOf(command)
  const step = appended(vault, readCommand(stated, command).statement, now)
  const { body } = step
  if (body.kind !== 'attest') throw otherKind()
  const listed = listedBy(step.directory, body.keys.signing)
  const isOwn =
    equalBytes(body.keys.signing, vault.signing.publicKey) && equalBytes(body.keys.sealing, vault.prekey.publicKey)
  if (body.role === 'vault' && !isOwn) throw new Refusal('entry-invalid', 'these are not the keys of this vault')
  const known = vault.devices.values().find(({ record }) => equalBytes(record.verifyKey, body.keys.signing))
  // Also by the directory of an account that is deleted since: nobody can vouch for it and have it pair.
  if (known?.record.status === 'revoked') {
    throw new Refusal('command-invalid', 'this vault ended the device once: it has to come with new keys')
  }
  const done = changed(command, step, `attached ${body.label}`)
  const answer = { ...done.body, device: listed.id }
  if (known || body.role === 'vault') return { ...done, body: answer }
  checkRoom(vault)
  const record: DeviceRecord = { label: body.label, verifyKey: body.keys.signing, status: 'active', addedAt: now }
  const device: Device = newDevice(vault, listed.id, record)
  return {
    ...done,
    body: answer,
    apply: () => void vault.devices.set(device.id, device),
    changes: [...(done.changes ?? []), deviceChange(device.id, record)],
  }
}

function newDevice(vault: Vault, listed: DeviceId, record: DeviceRecord): Device {
  const name = listed.toHex()
  return { party: 'device', id: name, key: `device/${name}`, vault: vault.id, record, session: undefined }
}

/** Devices of an account that was deleted may pair still: no directory counts them. */
function checkRoom({ devices }: Vault): void {
  const active = devices.values().filter(({ record }) => record.status === 'active')
  if ([...active].length < UNLOCKERS_MAX) return
  throw new Refusal('command-invalid', `${UNLOCKERS_MAX} devices may pair with this vault already: revoke one first`)
}

/** Every device there ever was, with when this vault last heard it. */
function list(command: Command): Done {
  const { vault, now } = command
  const { devices, root } = knownDirectory(vault, now)
  const listed = [...devices.values()].map((one): Cbor => {
    const { id, label, role, parent, status, addedAt, expires } = one
    const lastSeen = partyOf(vault, one)
    return {
      id,
      label,
      role,
      parent,
      status,
      addedAt,
      expires,
      isRoot: equalBytes(id, root),
      lastSeen: lastSeen ? (vault.system.get(`progress/${lastSeen.key}`)?.updatedAt ?? null) : null,
    }
  })
  return { body: { devices: listed }, rows: [told(command, 'replied')] }
}

function rename(command: Command): Done {
  const { vault, now } = command
  askerOf(command)
  const step = appended(vault, readCommand(stated, command).statement, now)
  if (step.body.kind !== 'rename') throw otherKind()
  const { device, label } = step.body
  const listed = step.directory.devices.get(device.toHex())
  const party = listed && partyOf(vault, listed)
  const done = changed(command, step, `renamed to ${label}`)
  if (!party) return done
  const record = { ...party.record, label }
  return {
    ...done,
    apply: () => void (party.record = record),
    changes: [...(done.changes ?? []), deviceChange(party.id, record)],
  }
}

/**
 * Ends a device: no session from this commit on, and no share from the next version on.
 *
 * @throws Refusal `device-signs-current` or `device-vouches`, unless it is urgent; `device-last`; `conflict` when the
 *   heads it names are not those of this moment; what `appended` throws
 */
function revoke(command: Command): Done {
  const { vault, now } = command
  const { directory } = askerOf(command)
  const { statement, urgent = false } = readCommand(revoked, command)
  const { body } = decodeStatement(crypto, statement).statement
  if (body.kind !== 'revoke') throw otherKind()
  checkLast(directory, body.device)
  const step = appended(vault, statement, now)
  if (!urgent) checkFree(vault, body.device, body.heir ? undefined : directory)
  const encoded = encodeHeads([...entryRecords(vault)].map(([entry, { seq, hash }]) => ({ entry, seq, hash })))
  if (!equalBytes(hashHeads(crypto, encoded), body.heads)) {
    throw new Refusal('conflict', 'the entries have moved on: fetch entry.heads and sign again')
  }
  const ended = [...step.directory.devices.values()].flatMap((listed) => {
    const party = listed.status === 'revoked' ? partyOf(vault, listed) : undefined
    return party?.record.status === 'active' ? [party] : []
  })
  const done = changed(command, step, `revoked ${step.directory.devices.get(body.device.toHex())?.label}`)
  return {
    ...done,
    // A version that is taken meanwhile is in no list of heads: the device signs again.
    expected: [...(done.expected ?? []), entriesUnchanged(vault, TURN)],
    apply: () => {
      for (const party of ended) {
        party.record = { ...party.record, status: 'revoked' }
        // Whoever revokes themselves is still answered.
        if (party !== command.device) party.session = undefined
      }
    },
    changes: [
      ...(done.changes ?? []),
      headsChange(step.directory.head.seq, encoded),
      ...ended.flatMap((party): Change[] => [
        deviceChange(party.id, { ...party.record, status: 'revoked' }),
        { namespace: 'system', key: `session/${party.key}`, value: null },
      ]),
    ],
  }
}

/** Takes a revoked device off the list of those that could pair. The directory remembers it. */
function remove(command: Command): Done {
  const { vault } = command
  const { directory } = askerOf(command)
  const device = parseDeviceId(readCommand(removed, command).device)
  const listed = directory.devices.get(device.toHex())
  const party = listed && partyOf(vault, listed)
  if (!listed || !party) throw new Refusal('command-invalid', 'no such device: device.list')
  if (listed.status === 'active') throw new Refusal('command-invalid', 'it is active: device.revoke ends it first')
  checkFree(vault, device, directory)
  return {
    apply: () => void vault.devices.delete(party.id),
    changes: [
      { namespace: 'system', key: `devices/${party.id}`, value: null },
      { namespace: 'system', key: `session/${party.key}`, value: null },
      { namespace: 'system', key: `progress/${party.key}`, value: null },
    ],
    rows: [told(command, 'changed', `removed ${listed.label}`)],
  }
}

/** Somebody has to be left who can sign: an end that is no more than this device's own is not taken. */
function checkLast(directory: Directory, device: DeviceId): void {
  const others = activeDevices(directory, { vault: false }).filter(({ id }) => !equalBytes(id, device))
  if (others.length === 0) throw new Refusal('device-last', 'it is the last active device: attach another one first')
}

/** An heir takes over what the root vouches for. @throws Refusal `device-signs-current`, `device-vouches` */
function checkFree(vault: Vault, device: DeviceId, directory: Directory | undefined): void {
  const below = descendantsOf(directory?.devices ?? new Map(), device).filter(({ status }) => status === 'active')
  if (below.length > 0) {
    const names = below.map(({ label }) => label).join(', ')
    throw new Refusal('device-vouches', `it vouches for ${names}: another device has to vouch for them first`)
  }
  let signs = 0
  for (const [, { by, operation }] of entryRecords(vault)) if (operation !== 'delete' && equalBytes(by, device)) signs++
  if (signs > 0) {
    throw new Refusal(
      'device-signs-current',
      `it signed the current version of ${signs} entries: write them anew first`,
    )
  }
}

/** What every new statement leaves: itself, a notice to the other devices, a row. */
function changed(command: Command, { directory, changes, expected }: Appended, reason: string): Done {
  const { seq, hash } = directory.head
  return {
    body: { seq, hash },
    changes,
    expected,
    outgoing: tellOthers(command.vault, command.device, 'directory.changed', { seq, hash }),
    rows: [told(command, 'changed', reason)],
  }
}

function listedBy({ devices }: Directory, signing: Uint8Array): Listed {
  const found = devices.values().find(({ keys }) => equalBytes(keys.signing, signing))
  if (!found) throw new Error('a device that was vouched for is listed')
  return found
}

/** The device as this vault talks with it. */
function partyOf(vault: Vault, { keys }: Listed): Device | undefined {
  return vault.devices.values().find(({ record }) => equalBytes(record.verifyKey, keys.signing))
}

function deviceChange(name: string, record: DeviceRecord): Change {
  return { namespace: 'system', key: `devices/${name}`, value: encodeRecord('device', record) }
}

function otherKind(): Refusal {
  return new Refusal('command-invalid', 'this statement is of another kind than the command')
}

function told({ device, opened, now }: Command, result: 'changed' | 'replied', reason: string | null = null) {
  return eventRow(device, opened.event, { at: now, result, reason })
}
