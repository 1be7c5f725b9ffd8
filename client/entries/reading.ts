/** The device's side of reading: nothing is shown that was not judged, and what is wrong is named. */
import type { Finding } from '#host/entries/finding.ts'
import type { EntryId, UserId } from '#host/entries/ids.ts'
import { finding, judgeChain, judgeParts } from '#host/entries/judge.ts'
import type {
  Channel,
  Directory,
  EntryHead,
  Outline,
  ServedEntry,
  ServedVersion,
  Share,
  SignedPrune,
  SignedVersion,
  VersionKeys,
} from '#host/entries/model.ts'
import { decodePrune } from '#host/entries/prune.ts'
import { decodeOutline, openPart, type Part } from '#host/entries/sealed.ts'
import { type ChannelKey, enterChannel, openShare } from '#host/entries/share.ts'
import { decodeVersion, hashRecipients } from '#host/entries/version.ts'
import { Refusal } from '#host/errors.ts'
import { equalBytes } from '#host/wire/bytes.ts'

import { OUTLINES_KEPT_MAX } from './limits.ts'
import { isRemembered, keptContent, markSeen, markVerified, seenBefore, standing } from './seen.ts'
import { type BookState, directoryOf, keep } from './state.ts'

/** A version that was judged and found right. */
export interface OpenedVersion {
  readonly version: SignedVersion
  /** Null for a tombstone, and for a version that this device has no share of. */
  readonly outline: Outline | null
  /**
   * Opened when it is first asked for, a copy at each call; null where there is none, or it was not served.
   *
   * @throws Refusal `entry-distrusted` when it does not open: the host swapped the share
   */
  content(): Uint8Array | null
}

export interface ReadEntry {
  /** In ascending order, the current one last; empty when anything is wrong. */
  readonly versions: readonly OpenedVersion[]
  readonly findings: readonly Finding[]
}

/** A line of a list. */
export interface ListedEntry {
  readonly entry: EntryId
  readonly version: SignedVersion
  /** Null for a tombstone, and without a share. */
  readonly outline: Outline | null
}

export interface ListedEntries {
  readonly entries: readonly ListedEntry[]
  /** More than one version was written since they were last seen: what is between is to be fetched and read. */
  readonly unlinked: readonly EntryId[]
  readonly findings: readonly Finding[]
}

export interface ReadingBook {
  /** Judges and opens what a host serves of one entry, and remembers how far it is when all is right. */
  read(owner: UserId, served: ServedEntry): ReadEntry
  /**
   * Opens the outlines of current versions, and no content. `complete`: these are all of the owner's entries, so that
   * one that was seen before and is absent was withheld.
   */
  list(owner: UserId, served: readonly ServedEntry[], options: { readonly complete: boolean }): ListedEntries
  /** How far an entry was when this device saw it last, also in an earlier run; null when it never did. */
  seen(entry: EntryId): EntryHead | null
}

export function readingBook(state: BookState): ReadingBook {
  function judge(owner: UserId, served: ServedEntry, by: string): ReadEntry {
    const known = state.entries.get(served.entry.toHex()) ?? null
    const { findings, versions } = examine(state, { owner, served, known })
    if (findings.length > 0) return { versions: [], findings }
    remember(state, versions)
    const last = versions.at(-1)
    if (last !== undefined) markSeen(state, by, last.opened)
    return { versions: versions.map(({ opened }) => opened), findings }
  }
  return {
    seen: (entry) => state.entries.get(entry.toHex()) ?? null,
    read(owner, served) {
      const by = standing(state, owner)
      const seen = seenBefore(state, served, by)
      const kept = () => seen && state.contents.get(seen.version.hash.toHex())?.slice()
      if (seen === undefined || kept() === undefined) return judge(owner, served, by)
      const { version, outline } = seen
      // What was wiped meanwhile is opened from what is served here, which is judged then.
      const content = () => kept() ?? judge(owner, served, by).versions[0]?.content() ?? null
      return { versions: [{ version, outline, content }], findings: [] }
    },
    list(owner, served, { complete }) {
      const entries: ListedEntry[] = []
      const unlinked: EntryId[] = []
      const findings = complete ? withheld(state, owner, served) : []
      const by = standing(state, owner)
      for (const one of served) {
        const seen = seenBefore(state, one, by)
        if (seen !== undefined) {
          entries.push({ entry: one.entry, version: seen.version, outline: seen.outline })
          continue
        }
        const known = state.entries.get(one.entry.toHex()) ?? null
        const decoded = decode(state, one)
        const isApart = known !== null && firstSeq(decoded) > known.seq + 1
        const examined = examine(state, { owner, served: one, known: isApart ? null : known, decoded })
        findings.push(...examined.findings)
        const last = examined.versions.at(-1)
        if (examined.findings.length > 0 || last === undefined) continue
        entries.push({ entry: one.entry, version: last.opened.version, outline: last.opened.outline })
        if (isApart) {
          unlinked.push(one.entry)
          continue
        }
        remember(state, examined.versions)
        markSeen(state, by, last.opened)
      }
      return { entries, unlinked, findings }
    },
  }
}

/** Both keys of a version, for who is to get a share of it. @throws Refusal `unopenable` without a share that opens */
export function keysOf(state: BookState, version: SignedVersion, served: ServedVersion): VersionKeys {
  const opened = shareOf(state, served)
  if (opened === undefined) throw new Refusal('unopenable', 'version: this device has no share of it to pass on')
  const open = (part: Part) => openShare(state.crypto, opened.from, version, { part, share: opened.share })
  return { outline: open('outline'), content: open('content') }
}

interface Examined {
  readonly opened: OpenedVersion
  readonly served: ServedVersion
}

export interface Examination {
  readonly owner: UserId
  readonly served: ServedEntry
  readonly known: EntryHead | null
  /** What was served, when it was decoded already. */
  readonly decoded?: Decoded
}

/** Judges what is served of an entry, and opens its outlines when nothing is wrong. */
export function examine(
  state: BookState,
  { owner, served, known, decoded = decode(state, served) }: Examination,
): { readonly versions: readonly Examined[]; readonly findings: readonly Finding[] } {
  const { crypto } = state
  const directory = directoryOf(state, owner)
  const { entry } = served
  if ('why' in decoded) return { versions: [], findings: [finding('version-malformed', entry, decoded.why)] }
  const { prune, versions } = decoded
  const findings = judgeChain(crypto, {
    entry,
    directory,
    versions,
    prune,
    known,
    heads: (hash) => state.places.get(hash.toHex()),
    isVerified: (version) => state.verified.has(version.hash.toHex()) || isRemembered(state, version),
  })
  const opened = versions.map((version, index) => {
    const parts = served.versions[index] as ServedVersion
    // A list shows the outline that was opened before, whatever is served as it now: that is not looked at again.
    if (parts.content === null && state.outlines.has(version.hash.toHex())) return { version, served: parts }
    findings.push(...judgeParts(crypto, version, parts), ...judgeShare(state, { directory, version, served: parts }))
    return { version, served: parts }
  })
  if (findings.length > 0) return { versions: [], findings }
  for (const { hash } of versions) markVerified(state, hash.toHex())
  const examined = opened.map((one) => open(state, one))
  findings.push(...examined.flatMap(({ findings }) => findings))
  return { versions: findings.length > 0 ? [] : examined, findings }
}

function firstSeq(decoded: Decoded): number {
  return 'why' in decoded ? 0 : (decoded.versions[0]?.header.seq ?? 0)
}

type Decoded =
  | { readonly versions: readonly SignedVersion[]; readonly prune: SignedPrune | null }
  | { readonly why: string }

function decode({ crypto }: BookState, served: ServedEntry): Decoded {
  if (served.versions.length === 0) return { why: 'no version is served' }
  try {
    const prune = served.prune === null ? null : decodePrune(served.prune)
    return { versions: served.versions.map((version) => decodeVersion(crypto, version)), prune }
  } catch (cause) {
    if (cause instanceof Refusal) return { why: cause.message }
    throw cause
  }
}

interface Shared {
  readonly directory: Directory
  readonly version: SignedVersion
  readonly served: ServedVersion
}

/** Whether the recipients are those that were signed, and this device's share is there and from whom it may be. */
function judgeShare(state: BookState, { directory, version, served }: Shared): Finding[] {
  const { entry, seq, recipients } = version.header
  if (!equalBytes(hashRecipients(state.crypto, served.recipients), recipients)) {
    return [finding('recipients-altered', entry, `version ${seq}: its recipients are not the signed ones`)]
  }
  if (served.share === null) {
    const isMine = served.recipients.some((id) => equalBytes(id, state.device))
    return isMine ? [finding('share-withheld', entry, `version ${seq}: this device's share is not served`)] : []
  }
  const wrong = strayed(directory, served.share, served.channel)
  if (wrong !== undefined) return [finding('share-swapped', entry, `version ${seq}: ${wrong}`)]
  const isOutlineThere = served.outline !== null || version.header.operation === 'delete'
  return isOutlineThere ? [] : [finding('outline-missing', entry, `version ${seq}: its outline is not served`)]
}

function strayed(directory: Directory, share: Share, channel: Channel | null): string | undefined {
  const isJoined =
    channel !== null &&
    channel.epoch === share.epoch &&
    equalBytes(channel.sharer, share.sharer) &&
    equalBytes(channel.recipient, share.recipient)
  if (!isJoined) return 'the share and its channel are not of one pair of devices'
  return directory.devices.has(share.sharer.toHex()) ? undefined : 'the share is from nobody the owner vouches for'
}

/** Opens the outline now, and the content when it is asked for. */
function open(
  state: BookState,
  { version, served }: Omit<Shared, 'directory'>,
): Examined & { readonly findings: readonly Finding[] } {
  const { entry, seq } = version.header
  const openPartOf = (part: Part): Uint8Array | null => {
    const sealed = served[part]
    const from = sealed === null ? undefined : shareOf(state, served)
    if (sealed === null || from === undefined) return null
    const key = openShare(state.crypto, from.from, version, { part, share: from.share })
    try {
      return openPart(state.crypto, { ...version.header, part }, key, sealed)
    } finally {
      key.fill(0)
    }
  }
  const content = () => {
    try {
      return keptContent(state, version, () => openPartOf('content'))
    } catch (cause) {
      if (!(cause instanceof Refusal)) throw cause
      throw new Refusal('entry-distrusted', `share-swapped: version ${seq}: its content does not open`, { cause })
    }
  }
  try {
    const outline = keptOutline(state, version, () => openPartOf('outline'))
    return { opened: { version, outline, content }, served, findings: [] }
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause
    const message = `version ${seq}: its outline does not open with this device's share`
    const findings = [finding('share-swapped', entry, message)]
    return { opened: { version, outline: null, content }, served, findings }
  }
}

function keptOutline(state: BookState, version: SignedVersion, open: () => Uint8Array | null): Outline | null {
  const key = version.hash.toHex()
  const kept = state.outlines.get(key)
  if (kept !== undefined) return kept
  const bytes = open()
  if (bytes === null) return null
  const outline = decodeOutline(bytes)
  keep(state.outlines, { key, value: outline, max: OUTLINES_KEPT_MAX })
  return outline
}

function shareOf(
  state: BookState,
  { share, channel }: ServedVersion,
): { readonly from: ChannelKey; readonly share: Share } | undefined {
  return share === null || channel === null ? undefined : { from: entered(state, channel), share }
}

/** One X-Wing decapsulation for a channel, however many shares it carries. */
function entered(state: BookState, channel: Channel): ChannelKey {
  const { crypto, incoming, opener } = state
  const { sharer, epoch, ciphertext } = channel
  const key = `${sharer.toHex()} ${epoch} ${crypto.digest(ciphertext).toHex()}`
  const known = incoming.get(key)
  if (known !== undefined) return known
  const opened = enterChannel(crypto, channel, opener)
  incoming.set(key, opened)
  return opened
}

function remember(state: BookState, versions: readonly Examined[]): void {
  const last = versions.at(-1)
  if (last === undefined) return
  const { header, hash } = last.opened.version
  const { entry, seq, user: owner, by, operation } = header
  state.entries.set(entry.toHex(), { entry, seq, hash, owner, by, isDeleted: operation === 'delete' })
}

function withheld(state: BookState, owner: UserId, served: readonly ServedEntry[]): Finding[] {
  const there = new Set(served.map(({ entry }) => entry.toHex()))
  return [...state.entries.values()]
    .filter((known) => equalBytes(known.owner, owner) && !known.isDeleted && !there.has(known.entry.toHex()))
    .map(({ entry, seq }) => finding('entry-withheld', entry, `version ${seq} was seen before, the list is without it`))
}
