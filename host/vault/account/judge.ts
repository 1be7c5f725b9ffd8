/**
 * What a host checks before it takes a version: that it is the next of its entry, by this device, for exactly those it
 * says, and signed. The host can read none of it; it only refuses what no honest device would make.
 */
import { backupId } from '#host/entries/device.ts'
import { activeDevices } from '#host/entries/directory.ts'
import type { DeviceId, EntryId } from '#host/entries/ids.ts'
import type { Audience, Directory, SignedVersion, VersionWrite } from '#host/entries/model.ts'
import { hashSealed } from '#host/entries/sealed.ts'
import { decodeVersion, hashRecipients, verifyVersion } from '#host/entries/version.ts'
import { Refusal } from '#host/errors.ts'
import { compareBytes, equalBytes } from '#host/wire/bytes.ts'
import type { Vault } from '../vault.ts'
import { crypto, userDirectory } from './directory.ts'
import { channelKey, entriesCount, entryRecord, heldChannel, heldVersion } from './held.ts'
import type { EntryRecord } from './rows.ts'
import { ENTRIES_MAX, ENTRY_VERSIONS_MAX } from './limits.ts'

export interface Judged {
  readonly signed: SignedVersion
  readonly current: EntryRecord | undefined
  /** In ascending order. */
  readonly recipients: readonly DeviceId[]
}

/** Another device was there first: the answer shows the version that is current. */
export interface Overtaken {
  readonly overtaken: EntryId
}

export interface Writer {
  readonly directory: Directory
  /** Who sends it. */
  readonly by: DeviceId
  readonly now: number
}

/**
 * @throws Refusal `entry-invalid` for what is not the next version by this device, or not what it says of itself;
 *   `device-inactive`; `recipients-stale` when it is not for exactly the devices that are active now; `entry-full`
 */
export function judgeVersion(vault: Vault, write: VersionWrite, writer: Writer): Judged | Overtaken {
  const { directory, by } = writer
  const signed = decodeVersion(crypto, write)
  const { header } = signed
  if (!equalBytes(header.user, directory.user)) throw invalid('it is another user’s')
  if (!equalBytes(header.by, by)) throw invalid('it is by another device than the one that sends it')
  const device = directory.devices.get(by.toHex())
  if (device?.status !== 'active' || device.role !== 'device') throw inactive()
  const known = directory.hashes[header.directory.seq]
  if (!known || !equalBytes(known, header.directory.hash)) throw invalid('its directory is not this user’s')
  if (device.since > header.directory.seq) throw invalid('its writer did not know of itself')
  if (device.expires !== null && header.at > device.expires) throw inactive()
  const current = entryRecord(vault, header.entry)
  if (!follows(signed, current)) return { overtaken: header.entry }
  checkOperation(vault, signed, current)
  checkParts(signed, write)
  const recipients = checkRecipients(vault, { signed, write, writer })
  if (!verifyVersion(crypto, signed, device.keys.signing)) throw invalid('its signature is not its device’s')
  return { signed, current, recipients }
}

export function inactive(): Refusal {
  return new Refusal('device-inactive', 'this device is not, or no longer, one that its user’s directory vouches for')
}

/** The compare of compare-and-swap: the writer believed this version current. */
function follows({ header }: SignedVersion, current: EntryRecord | undefined): boolean {
  if (!current) return header.prev === null && header.seq === 1
  return header.prev !== null && header.seq === current.seq + 1 && equalBytes(header.prev, current.hash)
}

function checkOperation(vault: Vault, { header }: SignedVersion, current: EntryRecord | undefined): void {
  const { operation, entry, from } = header
  if (!current && entriesCount(vault) >= ENTRIES_MAX) {
    throw new Refusal('entry-full', `at most ${ENTRIES_MAX} entries: that is all one vault takes`)
  }
  if (current && operation === 'delete' && current.operation === 'delete') throw invalid('it was deleted before')
  if (current && current.seq - current.first + 1 >= ENTRY_VERSIONS_MAX) {
    throw new Refusal('entry-full', `at most ${ENTRY_VERSIONS_MAX} versions of one entry are kept: prune it first`)
  }
  if (operation !== 'restore' || !current || !from) return
  for (let seq = current.first; seq <= current.seq; seq++) {
    const held = heldVersion(vault, entry, seq)
    if (held && equalBytes(held.hash, from)) return
  }
  throw invalid('the version it restores is not kept here')
}

function checkParts({ header }: SignedVersion, { content, outline }: VersionWrite): void {
  if (!isPart(content, header.content)) throw invalid('its content is not what was signed')
  if (!isPart(outline, header.outline)) throw invalid('its outline is not what was signed')
}

function isPart(part: Uint8Array | null, hash: Uint8Array | null): boolean {
  if (part === null || hash === null) return part === hash
  return equalBytes(hashSealed(crypto, part), hash)
}

function checkRecipients(
  vault: Vault,
  { signed, write, writer }: { signed: SignedVersion; write: VersionWrite; writer: Writer },
): readonly DeviceId[] {
  const { header } = signed
  const wanted = header.operation === 'delete' ? [] : recipientsOf(vault, header.audience, writer)
  const shared = write.shares.map(({ recipient }) => recipient).toSorted(compareBytes)
  const isSame =
    shared.length === wanted.length && shared.every((id, at) => equalBytes(id, wanted[at] ?? id.subarray(1)))
  if (!isSame) {
    throw new Refusal('recipients-stale', 'it is not for exactly the devices that are active: fetch the directory')
  }
  if (!equalBytes(hashRecipients(crypto, wanted), header.recipients)) throw invalid('its shares are not those it names')
  const opened = new Set(write.channels.map(channelKey))
  for (const share of write.shares) {
    if (!equalBytes(share.sharer, header.by)) throw invalid('a share is by another device')
    if (!opened.has(channelKey(share)) && !heldChannel(vault, share)) throw invalid('a share is of no channel')
  }
  return wanted
}

/** Whom a version of this moment is for: who gets a share, in ascending order. */
function recipientsOf(vault: Vault, audience: Audience, { directory, now }: Omit<Writer, 'by'>): DeviceId[] {
  const ids = activeDevices(directory, { vault: audience.handlers }).map(({ id }) => id)
  if (directory.backup) ids.push(backupId(crypto, directory.backup))
  for (const user of audience.users) {
    const theirs = userDirectory(vault, user, now)
    if (!theirs) throw new Refusal('recipients-stale', 'it is for a user who is not, or no longer, shared with')
    ids.push(...activeDevices(theirs, { vault: false }).map(({ id }) => id))
  }
  return ids.toSorted(compareBytes)
}

function invalid(what: string): Refusal {
  return new Refusal('entry-invalid', `version: ${what}`)
}
