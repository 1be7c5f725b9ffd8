/**
 * A device's book of entries: makes what is sent to a host, judges what comes back, and remembers how far it was. It
 * holds no connection: the same book serves a command line and a browser.
 */
import type { Finding } from '#host/entries/finding.ts'
import type { DeviceId, UserId } from '#host/entries/ids.ts'
import type {
  Audience,
  Channel,
  DeviceRole,
  ServedEntry,
  Share,
  SignedVersion,
  VersionWrite,
} from '#host/entries/model.ts'
import { Refusal } from '#host/errors.ts'
import { equalBytes } from '#host/wire/bytes.ts'

import { type ComparingBook, comparingBook } from './compare.ts'
import { type DirectoryBook, directoryBook } from './directories.ts'
import { encodeMemory, recall } from './memory.ts'
import { examine, keysOf, type OpenedVersion, type ReadingBook, readingBook } from './reading.ts'
import { dropContents } from './seen.ts'
import { activeDevice, type BookOptions, type BookState, directoryOf, newState } from './state.ts'
import { confirmChannels, type Recipient, shareWith, type WritingBook, writingBook } from './writing.ts'

/** Shares of older versions, for a device that came later. */
export interface Backfill {
  readonly channels: readonly Channel[]
  readonly shares: readonly { readonly version: SignedVersion; readonly share: Share }[]
  readonly findings: readonly Finding[]
}

export interface Book extends DirectoryBook, WritingBook, ReadingBook, ComparingBook {
  readonly user: UserId
  readonly device: DeviceId
  /** Opens the current version to other users and to handlers, or to fewer: a version of its own, under new keys. */
  share(current: OpenedVersion, audience: Audience): VersionWrite
  /** The same again, signed by this device: frees the one that signed before. */
  resign(current: OpenedVersion): VersionWrite
  /** Shares of an entry's versions for a device that it is for by its audience: an own one, or another user's. */
  backfill(served: ServedEntry, to: { readonly owner: UserId; readonly device: DeviceId }): Backfill
  /** To be called when a host took a backfill. */
  confirmChannels(channels: readonly Channel[]): void
  /** Wipes what was opened: when a screen is locked. */
  forget(): void
  /** What is to be kept, sealed, for the next run. It is secret. */
  memory(): Uint8Array
}

/** @throws Refusal `recovery-invalid` for a memory of another device */
export function openBook(options: BookOptions): Book {
  const state = newState(options)
  if (options.memory !== undefined) recall(state, options.memory)
  const writing = writingBook(state)
  return {
    user: state.user,
    device: state.device,
    ...directoryBook(state),
    ...writing,
    ...readingBook(state),
    ...comparingBook(state),
    share: (current, audience) => writing.update(current, { ...contentsOf(current), audience }),
    resign(current) {
      return writing.update(current, { ...contentsOf(current), audience: current.version.header.audience })
    },
    backfill: (served, to) => backfill(state, served, to),
    confirmChannels: (channels) => confirmChannels(state, channels),
    forget: () => dropContents(state),
    memory: () => encodeMemory(state),
  }
}

function contentsOf(current: OpenedVersion) {
  const content = current.content()
  if (current.outline === null || content === null) {
    throw new Refusal('command-invalid', 'entry: this version has no content that can be opened here')
  }
  return { outline: current.outline, content }
}

function backfill(
  state: BookState,
  served: ServedEntry,
  { owner, device }: { readonly owner: UserId; readonly device: DeviceId },
): Backfill {
  const { id, keys, role } = activeDevice(directoryOf(state, owner), device)
  const { versions, findings } = examine(state, { owner: state.user, served, known: null })
  const to: Recipient = { id, sealing: keys.sealing }
  const shares: { version: SignedVersion; share: Share }[] = []
  const channels = new Map<number, Channel>()
  for (const { opened, served: parts } of versions) {
    const { version } = opened
    if (version.header.operation === 'delete' || !isFor(state, version, { owner, role })) continue
    if (parts.recipients.some((one) => equalBytes(one, device))) continue
    const opening = keysOf(state, version, parts)
    const made = shareWith(state, [to], { version, keys: opening })
    opening.outline.fill(0)
    opening.content.fill(0)
    shares.push(...made.shares.map((share) => ({ version, share })))
    for (const channel of made.channels) channels.set(channel.epoch, channel)
  }
  return { channels: [...channels.values()], shares, findings }
}

/** Own devices get everything; the vault's what handlers may use; another user's what was opened to that user. */
function isFor(
  state: BookState,
  { header: { audience } }: SignedVersion,
  { owner, role }: { readonly owner: UserId; readonly role: DeviceRole },
): boolean {
  if (equalBytes(owner, state.user)) return role === 'device' || audience.handlers
  return role === 'device' && audience.users.some((user) => equalBytes(user, owner))
}
