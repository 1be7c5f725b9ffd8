/** The user's devices: a new one is vouched for and given what was there before; one that goes is freed first. */
import { readFrames } from '#client/entries/frames.ts'
import type { BacklogPlace, ListedDevice, PlacedVersion } from '#client/owner-entries.ts'
import { deviceId, parseDeviceKeys } from '#host/entries/device.ts'
import { activeDevices } from '#host/entries/directory.ts'
import type { Finding } from '#host/entries/finding.ts'
import type { DeviceId, UserId } from '#host/entries/ids.ts'
import type { Channel, DeviceKeys, DeviceRole } from '#host/entries/model.ts'
import type { EntryCrypto } from '#host/entries/port.ts'
import { Refusal } from '#host/errors.ts'
import { equalBytes } from '#host/wire/bytes.ts'

import { REVOKE_ATTEMPTS } from './limits.ts'
import { aloneOf, everything } from './reading.ts'
import { type AccountState, type Progress, trusted, wasRefused } from './state.ts'
import { meetAll } from './users.ts'
import { resign } from './writing.ts'

/** What a backfill did. */
export interface Filled {
  readonly shares: number
  /** Versions that this device cannot open itself, and so cannot pass on. */
  readonly unopened: number
  /** Versions that are not what was written: they are not passed on. */
  readonly findings: readonly Finding[]
}

/** What was done so that a device could go. */
export interface Freed {
  /** Entries whose current version this device signed anew. */
  readonly resigned: number
  /** Devices that this one vouches for now. */
  readonly vouched: number
}

export interface AccountDevices {
  list(): Promise<readonly ListedDevice[]>
  /** Vouches for a device that showed its keys; `expires` is in milliseconds since the epoch. `backfill` is next. */
  attach(device: { readonly keys: DeviceKeys; readonly label: string; readonly expires?: number }): Promise<DeviceId>
  /**
   * Vouches for the vault's own device, by the root: from then on handlers may use the entries that are marked so.
   * Whoever calls it has judged the enclave's evidence.
   */
  attachVault(label: string): Promise<DeviceId>
  /**
   * Shares with a device what was there before it, a page at a time. What was shared stays: after an interruption call
   * it again. `owner` is another user's when the device is theirs.
   */
  backfill(device: DeviceId, options?: { readonly owner?: UserId; readonly progress?: Progress }): Promise<Filled>
  rename(device: DeviceId, label: string): Promise<void>
  /** Signs anew what a device signed, and vouches for whom it vouched for: then it may go. */
  takeOver(device: DeviceId, progress?: Progress): Promise<Freed>
  /**
   * Ends a device, which is freed first; `lost` ends it at once, with all that it vouches for. The root ends itself
   * alone, and names its `heir`, which takes over first.
   *
   * @throws Refusal `command-invalid` for the last device, `device-unknown`
   */
  revoke(
    device: DeviceId,
    options?: { readonly lost?: boolean; readonly heir?: DeviceId; readonly progress?: Progress },
  ): Promise<Freed>
  /** Takes a revoked device off the vault's list of those that could pair. */
  forget(device: DeviceId): Promise<void>
}

/** The keys that a new device shows as text, in any order. @throws Refusal `malformed` for what is none, or not all */
export function keysOfFrames(crypto: EntryCrypto, frames: Iterable<string>): DeviceKeys {
  const reader = readFrames(crypto, 'KEYS')
  for (const frame of frames) {
    const bytes = reader.take(frame)
    if (bytes !== undefined) return parseDeviceKeys(bytes)
  }
  const missing = reader.missing === null ? 'none was read' : `${reader.missing} are missing`
  throw new Refusal('malformed', `frames of keys: ${missing}: read all that the new device shows`)
}

export function accountDevices(state: AccountState): AccountDevices {
  const { book, entries } = state
  const attach = async (device: { keys: DeviceKeys; label: string; role: DeviceRole; expires: number | null }) => {
    await state.refresh()
    await entries.attach(book.attach(device))
    await state.refresh()
    await state.save()
    return deviceId(state.crypto, device.keys)
  }
  return {
    list: () => entries.devices(),
    attach: ({ keys, label, expires }) => attach({ keys, label, role: 'device', expires: expires ?? null }),
    async attachVault(label) {
      await state.refresh()
      return attach({ keys: state.about().vault, label, role: 'vault', expires: null })
    },
    backfill: (device, options) => backfill(state, device, options),
    async rename(device, label) {
      await state.refresh()
      await entries.rename(book.rename(device, label))
      await state.refresh()
      await state.save()
    },
    async takeOver(device, progress) {
      await state.refresh()
      trusted((await everything(state)).findings)
      return takeOver(state, device, progress)
    },
    revoke: (device, options) => revoke(state, device, options),
    forget: (device) => entries.removeDevice(device),
  }
}

async function backfill(
  state: AccountState,
  device: DeviceId,
  {
    owner = state.book.user,
    progress = () => {},
  }: { readonly owner?: UserId; readonly progress?: Progress | undefined } = {},
): Promise<Filled> {
  await state.refresh()
  if (!equalBytes(owner, state.book.user)) await meetAll(state, [owner])
  let [shares, unopened, seen] = [0, 0, 0]
  const findings: Finding[] = []
  for (let after: BacklogPlace | undefined; ;) {
    const { versions, next, total } = await state.entries.backlog(device, after)
    const mine = versions.filter(({ share }) => share !== null)
    const made = sharesOf(state, mine, { owner, device })
    findings.push(...made.findings)
    unopened += versions.length - mine.length
    if (made.shares.length > 0) {
      shares += await state.entries.backfill(made.shares, made.channels)
      state.book.confirmChannels(made.channels)
      await state.save()
    }
    seen += versions.length
    progress(next === null ? total : Math.min(seen, total), total)
    if (next === null || versions.length === 0) return { shares, unopened, findings }
    after = next
  }
}

function sharesOf(
  { book }: AccountState,
  versions: readonly PlacedVersion[],
  to: { readonly owner: UserId; readonly device: DeviceId },
) {
  const shares: Parameters<AccountState['entries']['backfill']>[0][number][] = []
  const channels = new Map<number, Channel>()
  const findings: Finding[] = []
  for (const version of versions) {
    const served = aloneOf(version)
    const made = book.backfill(served, to)
    findings.push(...made.findings)
    for (const { share } of made.shares) shares.push({ entry: served.entry, seq: version.seq, share })
    for (const channel of made.channels) channels.set(channel.epoch, channel)
  }
  return { shares, channels: [...channels.values()], findings }
}

async function takeOver(state: AccountState, device: DeviceId, progress: Progress = () => {}): Promise<Freed> {
  const { book, entries } = state
  const { signs } = book.heldBy(device)
  for (const [index, entry] of signs.entries()) {
    progress(index, signs.length)
    await resign(state, entry, ({ version }) => equalBytes(version.header.by, device))
  }
  progress(signs.length, signs.length)
  // Those that the root vouches for go to its heir. Whom a child vouches for itself comes along with it.
  const isRoot = equalBytes(book.directory().root, device)
  const children = activeDevices(book.directory(), { vault: !isRoot }).filter(
    ({ id, parent }) => !isRoot && parent !== null && equalBytes(parent, device) && !equalBytes(id, book.device),
  )
  for (const { keys, label, role, expires } of children) {
    await entries.attach(book.attach({ keys, label, role, expires }))
    await state.refresh()
  }
  return { resigned: signs.length, vouched: children.length }
}

async function revoke(
  state: AccountState,
  device: DeviceId,
  {
    lost = false,
    heir,
    progress,
  }: { readonly lost?: boolean; readonly heir?: DeviceId; readonly progress?: Progress } = {},
): Promise<Freed> {
  const { book, entries } = state
  const isOwn = equalBytes(device, book.device)
  let freed: Freed = { resigned: 0, vouched: 0 }
  for (let count = 0; count < REVOKE_ATTEMPTS; count++) {
    await state.refresh()
    trusted((await everything(state)).findings)
    if (!lost && !isOwn) {
      const more = await takeOver(state, device, progress)
      freed = { resigned: freed.resigned + more.resigned, vouched: freed.vouched + more.vouched }
    }
    const { statement } = book.revoke(device, { lost, ...(heir && { heir }) })
    try {
      await entries.revoke(statement, lost)
    } catch (error) {
      // Another device wrote meanwhile: where everything stands is asked again.
      if (wasRefused(error, 'conflict') || wasRefused(error, 'device-signs-current')) continue
      throw error
    }
    if (!isOwn) await state.refresh()
    await state.save()
    return freed
  }
  throw new Refusal('conflict', `device: entries moved on ${REVOKE_ATTEMPTS} times meanwhile: try again`)
}
