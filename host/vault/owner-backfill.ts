/** A new device gets a share of what is there already: a page at a time, from where it was left. */
import { type DeviceId, type EntryId, parseDeviceId, parseEntryId, type UserId } from '#host/entries/ids.ts'
import { RECIPIENTS_MAX, VERSIONS_MAX } from '#host/entries/limits.ts'
import type { Directory } from '#host/entries/model.ts'
import { Refusal } from '#host/errors.ts'
import { bytesOf, z } from '#host/schema.ts'
import type { Change, Expectation } from '#host/storage/port.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { askerOf } from './account/asker.ts'
import { directoryUnchanged, userDirectory } from './account/directory.ts'
import {
  channelChange,
  channelKey,
  entryRecords,
  heldChannel,
  heldShare,
  heldVersion,
  shareChange,
} from './account/held.ts'
import { inactive } from './account/judge.ts'
import { forgetOwn } from './account/own.ts'
import { BACKFILL_MAX } from './account/limits.ts'
import { audienceAt, audienceOf, pageFor } from './account/served.ts'
import { channelSchema, shareSchema } from './account/write.ts'
import { type Command, type Done, readCommand } from './command.ts'
import { eventRow } from './rows.ts'
import type { Vault } from './vault.ts'

const entryId = bytesOf(16)
const seq = z.int().min(0).max(VERSIONS_MAX)
const lacking = z.strictObject({
  device: bytesOf(32),
  after: z.exactOptional(z.strictObject({ entry: entryId, seq })),
})
const filling = z.strictObject({
  shares: z
    .array(z.tuple([entryId, seq, shareSchema]))
    .min(1)
    .max(BACKFILL_MAX),
  channels: z.array(channelSchema).max(RECIPIENTS_MAX),
})

export const backfillCommands: Readonly<Record<string, (command: Command) => Done>> = {
  'device.backlog': backlog,
  'device.backfill': backfill,
}

/**
 * Versions that a device has no share of and may have: all of them for one of the owner's, those it was shared with for
 * another user's and the vault's. With the asker's shares, and how many versions there are in all.
 */
function backlog(command: Command): Done {
  const { vault, now } = command
  const { device: id, after } = readCommand(lacking, command)
  const asker = askerOf(command)
  const target = parseDeviceId(id)
  const mayHave = access(vault, { directory: asker.directory, device: target, now })
  const page = pageFor(vault, asker.device.id)
  let [total, next]: [number, { entry: EntryId; seq: number } | null] = [0, null]
  let place = after && { entry: parseEntryId(after.entry), seq: after.seq }
  for (const [entry, record] of entryRecords(vault)) {
    total += record.seq - record.first + 1
    if (next !== null || (place && entry.toHex() < place.entry.toHex())) continue
    const from = place && equalBytes(place.entry, entry) ? Math.max(place.seq + 1, record.first) : record.first
    for (let seq = from; seq <= record.seq && next === null; seq++) {
      if (!lacks(vault, entry, { seq, device: target }) || !mayHave(entry, seq)) continue
      if (page.add(entry, seq)) place = { entry, seq }
      else next = place ?? { entry, seq: seq - 1 }
    }
  }
  return { body: { ...page.body, next, total }, rows: [told(command, 'replied', null)] }
}

/**
 * Shares of versions that are there already, by the device that sends them. One that exists is not replaced.
 *
 * @throws Refusal `entry-invalid` for a share by another device, of no channel, of no version, or for a device that may
 *   not have it
 */
function backfill(command: Command): Done {
  const { vault, now } = command
  const { shares, channels } = readCommand(filling, command)
  const asker = askerOf(command)
  const opened = new Set(channels.map(channelKey))
  const may = new Map<string, ReturnType<typeof access>>()
  const changes: Change[] = channels.filter((one) => !heldChannel(vault, one)).map(channelChange)
  const expected: Expectation[] = [directoryUnchanged(vault)]
  let added = 0
  for (const channel of channels) if (!equalBytes(channel.sharer, asker.device.id)) throw invalid('by another device')
  for (const [bytes, seq, share] of shares) {
    const entry = parseEntryId(bytes)
    const held = heldVersion(vault, entry, seq)
    if (!held) throw invalid('of no version that is kept')
    if (!equalBytes(share.sharer, asker.device.id)) throw invalid('by another device')
    if (!opened.has(channelKey(share)) && !heldChannel(vault, share)) throw invalid('of no channel')
    const key = share.recipient.toHex()
    const mayHave = may.get(key) ?? access(vault, { directory: asker.directory, device: share.recipient, now })
    may.set(key, mayHave)
    if (!mayHave(entry, seq)) throw invalid('for a device that may not have it')
    if (heldShare(vault, held.version, share.recipient)) continue
    changes.push(shareChange(held.version, share))
    added++
  }
  return {
    body: { added },
    // A share for the vault's own device may be of what it looked at before, and had none of.
    apply: () => forgetOwn(vault.account.own),
    changes,
    expected,
    rows: [told(command, 'changed', `${added} shares`)],
  }
}

function lacks(vault: Vault, entry: EntryId, { seq, device }: { seq: number; device: DeviceId }): boolean {
  const held = heldVersion(vault, entry, seq)
  return held !== undefined && held.outline !== null && !heldShare(vault, held.version, device)
}

/**
 * Which versions a device may have a share of: one of the owner's all of them, the vault's what handlers may use,
 * another user's what was written for that user, while the entry is.
 */
function access(
  vault: Vault,
  { directory, device, now }: { directory: Directory; device: DeviceId; now: number },
): (entry: EntryId, seq: number) => boolean {
  const key = device.toHex()
  const own = directory.devices.get(key)
  if (own) {
    if (own.status !== 'active') throw inactive()
    return own.role === 'device' ? () => true : (entry, seq) => audienceAt(vault, entry, seq)?.handlers === true
  }
  const isTheirs = (user: UserId) => userDirectory(vault, user, now)?.devices.get(key)?.status === 'active'
  return (entry, seq) =>
    audienceOf(vault, entry)?.users.some(isTheirs) === true &&
    audienceAt(vault, entry, seq)?.users.some(isTheirs) === true
}

function invalid(what: string): Refusal {
  return new Refusal('entry-invalid', `share: ${what}`)
}

function told({ device, opened, now }: Command, result: 'changed' | 'replied', reason: string | null) {
  return eventRow(device, opened.event, { at: now, result, reason })
}
