/** The device's side of writing: what is sent for a new version, a share, or to forget versions. */
import { backupId } from '#host/entries/device.ts'
import { activeDevices } from '#host/entries/directory.ts'
import type { DeviceId, EntryId } from '#host/entries/ids.ts'
import { RECIPIENTS_MAX } from '#host/entries/limits.ts'
import type {
  Audience,
  Channel,
  Outline,
  Share,
  SignedVersion,
  VersionHeader,
  VersionKeys,
  VersionWrite,
} from '#host/entries/model.ts'
import { signPrune } from '#host/entries/prune.ts'
import { encodeOutline, hashSealed, PART_KEY_BYTES, sealPart } from '#host/entries/sealed.ts'
import { openChannel, sealShare } from '#host/entries/share.ts'
import { decodeVersion, hashRecipients, signVersion } from '#host/entries/version.ts'
import { Refusal } from '#host/errors.ts'
import { compareBytes, equalBytes } from '#host/wire/bytes.ts'

import type { OpenedVersion } from './reading.ts'
import { type BookState, directoryOf, type OwnChannel } from './state.ts'

/** What an entry is to say. */
export interface Draft {
  readonly outline: Outline
  readonly content: Uint8Array
  readonly audience: Audience
}

export interface WritingBook {
  create(draft: Draft): VersionWrite
  /** Follows the version that is believed current: the host refuses it when another one is. */
  update(current: OpenedVersion, draft: Draft): VersionWrite
  /** A tombstone. */
  remove(current: OpenedVersion): VersionWrite
  /** The content of an older version as a new one, for the audience of the current one. */
  restore(current: OpenedVersion, older: OpenedVersion): VersionWrite
  /** To be called when a host took a write: only then is it remembered. */
  confirm(write: Pick<VersionWrite, 'header' | 'signature' | 'channels'>): void
  /** Lets a host forget the versions before this one. @throws Refusal `command-invalid` for the first version */
  prune(entry: EntryId, kept: SignedVersion): Uint8Array
}

/** One who gets a share. */
export interface Recipient {
  readonly id: DeviceId
  readonly sealing: Uint8Array
}

const nobody: Audience = { handlers: false, users: [] }

export function writingBook(state: BookState): WritingBook {
  return {
    create: (draft) => write(state, place(state, undefined), { operation: 'put', from: null, draft }),
    update: (current, draft) => write(state, place(state, current), { operation: 'put', from: null, draft }),
    remove: (current) => bury(state, place(state, current)),
    restore(current, older) {
      const content = older.content()
      if (
        older.outline === null ||
        content === null ||
        !equalBytes(older.version.header.entry, current.version.header.entry)
      ) {
        throw new Refusal('command-invalid', 'restore: only an older version of the same entry that can be opened')
      }
      const draft = { outline: older.outline, content, audience: current.version.header.audience }
      return write(state, place(state, current), { operation: 'restore', from: older.version.hash, draft })
    },
    confirm({ header: bytes, signature, channels }) {
      const { header, hash } = decodeVersion(state.crypto, { header: bytes, signature })
      const { entry, seq, user: owner, by, operation } = header
      state.entries.set(entry.toHex(), { entry, seq, hash, owner, by, isDeleted: operation === 'delete' })
      confirmChannels(state, channels)
    },
    prune(entry, { header }) {
      if (header.prev === null) throw new Refusal('command-invalid', 'prune: nothing is before the first version')
      const { user, now, device: by, signer } = state
      const upTo = { seq: header.seq - 1, hash: header.prev }
      const prune = { user, entry, upTo, directory: directoryOf(state, user).head, at: now(), by }
      return signPrune(prune, signer).bytes
    },
  }
}

/** Marks channels as kept by a host: they are not sent again. */
export function confirmChannels(state: BookState, channels: readonly Channel[]): void {
  for (const { recipient, epoch } of channels) {
    const own = state.outgoing.get(recipient.toHex())
    if (own?.channel.epoch === epoch) state.outgoing.set(recipient.toHex(), { ...own, isKept: true })
  }
}

/** Shares of one version, and the channels that no host is known to have yet. */
export function shareWith(
  state: BookState,
  recipients: readonly Recipient[],
  { version, keys }: { readonly version: SignedVersion; readonly keys: VersionKeys },
): { readonly shares: Share[]; readonly channels: Channel[] } {
  const own = recipients.map((recipient) => channelTo(state, recipient))
  return {
    shares: own.map((channel) => sealShare(state.crypto, channel, version, keys)),
    channels: own.filter(({ isKept }) => !isKept).map(({ channel }) => channel),
  }
}

function channelTo(state: BookState, { id, sealing }: Recipient): OwnChannel {
  const known = state.outgoing.get(id.toHex())
  if (known !== undefined) return known
  const opened = openChannel(state.crypto, { sharer: state.device, recipient: id, epoch: nextEpoch(state) }, sealing)
  const own = { ...opened, isKept: false }
  state.outgoing.set(id.toHex(), own)
  return own
}

/** The clock's second: a device that lost its memory still takes a later one than before. */
function nextEpoch({ now }: BookState): number {
  return Math.max(1, Math.floor(now() / 1_000))
}

type Place = Pick<VersionHeader, 'user' | 'entry' | 'version' | 'seq' | 'prev' | 'directory' | 'at' | 'by'>

/** @throws Refusal `command-invalid` for another user's entry */
function place(state: BookState, current: OpenedVersion | undefined): Place {
  const { user, device: by, now } = state
  const directory = directoryOf(state, user).head
  const common = { user, version: state.newVersionId(), directory, at: now(), by }
  if (current === undefined) return { ...common, entry: state.newEntryId(), seq: 1, prev: null }
  const { header, hash } = current.version
  if (!equalBytes(header.user, user)) throw new Refusal('command-invalid', 'entry: it is another user’s: ask them')
  return { ...common, entry: header.entry, seq: header.seq + 1, prev: hash }
}

/** Everyone a version of this moment is for. @throws Refusal `directory-invalid` for a user that was not learnt */
function recipientsFor(state: BookState, audience: Audience): Recipient[] {
  const own = directoryOf(state, state.user)
  const devices = [
    ...activeDevices(own, { vault: audience.handlers }),
    ...audience.users.flatMap((user) => activeDevices(directoryOf(state, user), { vault: false })),
  ].map(({ id, keys }) => ({ id, sealing: keys.sealing }))
  const backup = own.backup === null ? [] : [{ id: backupId(state.crypto, own.backup), sealing: own.backup }]
  const all = [...devices, ...backup]
  if (all.length > RECIPIENTS_MAX) {
    throw new Refusal('too-large', `entry: ${all.length} devices would get a share, at most ${RECIPIENTS_MAX}`)
  }
  return all
}

function write(
  state: BookState,
  place: Place,
  { draft, ...what }: Pick<VersionHeader, 'operation' | 'from'> & { readonly draft: Draft },
): VersionWrite {
  const { crypto, random } = state
  const users = draft.audience.users.toSorted(compareBytes)
  const audience = { handlers: draft.audience.handlers, users }
  const recipients = recipientsFor(state, audience)
  const keys = { outline: random(PART_KEY_BYTES), content: random(PART_KEY_BYTES) }
  const outline = sealPart(crypto, { ...place, part: 'outline' }, keys.outline, encodeOutline(draft.outline))
  const content = sealPart(crypto, { ...place, part: 'content' }, keys.content, draft.content)
  const header: VersionHeader = {
    ...place,
    ...what,
    outline: hashSealed(crypto, outline),
    content: hashSealed(crypto, content),
    recipients: hashRecipients(
      crypto,
      recipients.map(({ id }) => id),
    ),
    audience,
  }
  const version = signVersion(crypto, header, state.signer)
  const shared = shareWith(state, recipients, { version, keys })
  keys.outline.fill(0)
  keys.content.fill(0)
  return { header: version.bytes, signature: version.signature, outline, content, ...shared }
}

function bury(state: BookState, place: Place): VersionWrite {
  const recipients = hashRecipients(state.crypto, [])
  const ended = { operation: 'delete', from: null, outline: null, content: null, recipients, audience: nobody } as const
  const { bytes, signature } = signVersion(state.crypto, { ...place, ...ended }, state.signer)
  return { header: bytes, signature, outline: null, content: null, channels: [], shares: [] }
}
