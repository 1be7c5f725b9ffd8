/** Writing entries: each write follows the version that its writer believed current, and is told when it is not. */
import type { OpenedVersion } from '#client/entries/reading.ts'
import type { Draft } from '#client/entries/writing.ts'
import { type EntryId, parseEntryId, type UserId } from '#host/entries/ids.ts'
import type { Audience, VersionWrite } from '#host/entries/model.ts'
import { decodeVersion } from '#host/entries/version.ts'
import { Refusal } from '#host/errors.ts'
import { equalBytes } from '#host/wire/bytes.ts'

import { WRITE_ATTEMPTS } from './limits.ts'
import { current as fetchCurrent } from './reading.ts'
import type { AccountState } from './state.ts'
import { meetAll } from './users.ts'

/** A write was taken; or another device was first, and `current` is what it wrote. */
export type Written =
  | { readonly kind: 'written'; readonly seq: number }
  | { readonly kind: 'conflict'; readonly current: OpenedVersion }

export interface AccountWriting {
  create(draft: Draft): Promise<EntryId>
  /** Follows the version that the writer believes current; what a conflict means is the caller's to say. */
  update(current: OpenedVersion, draft: Draft): Promise<Written>
  /**
   * The current version, changed by `edit`, which is called again with the newer one whenever another device was
   * first. Gives the number of the version that was written.
   *
   * @throws Refusal `conflict` when all tries were overtaken
   */
  change(
    entry: EntryId,
    edit: (current: OpenedVersion) => Draft,
    options?: { readonly attempts?: number },
  ): Promise<number>
  /** The content of an older version as a new one. */
  restore(current: OpenedVersion, older: OpenedVersion): Promise<Written>
  /** A tombstone: its history stays, until it is pruned. */
  remove(current: OpenedVersion): Promise<Written>
  /** To be read by another user as well, or by handlers: who it is for besides the own devices. */
  share(current: OpenedVersion, user: UserId): Promise<Written>
  /** `remains` says in words what cannot be taken back. */
  unshare(current: OpenedVersion, user: UserId): Promise<Written & { readonly remains: readonly string[] }>
  /** Whether handlers may use it: the vault's own device, once it is attached, has a share. */
  setHandlers(current: OpenedVersion, mayUse: boolean): Promise<Written>
  /** Has the vault forget the versions before this one; gives the number of the first that is kept. */
  prune(entry: EntryId, kept: OpenedVersion): Promise<number>
}

type Command = 'create' | 'update' | 'restore' | 'deleteEntry' | 'share'

export function accountWriting(state: AccountState): AccountWriting {
  const { book } = state
  return {
    async create(draft) {
      await ready(state, draft.audience)
      const write = book.create(draft)
      const entry = parseEntryId(decodeVersion(state.crypto, write).header.entry)
      const written = await send(state, { command: 'create', entry, write })
      if (written.kind === 'conflict') throw new Refusal('conflict', 'entry: its id is taken: create it again')
      return entry
    },
    update: (current, draft) =>
      follow(state, current, { command: 'update', ...draft, make: () => book.update(current, draft) }),
    change: (entry, edit, options) => change(state, entry, { edit, ...options }),
    restore: (current, older) =>
      follow(state, current, { command: 'restore', make: () => book.restore(current, older) }),
    remove: (current) => follow(state, current, { command: 'deleteEntry', make: () => book.remove(current) }),
    share(current, user) {
      const audience = withUser(current, user)
      return follow(state, current, { command: 'share', audience, make: () => book.share(current, audience) })
    },
    async unshare(current, user) {
      const audience = withoutUser(current, user)
      await ready(state, audience)
      const write = book.share(current, audience)
      const { remains, conflict } = await state.entries.unshare(write)
      return { ...(await settle(state, { entry: current.version.header.entry, write, isTaken: !conflict })), remains }
    },
    setHandlers(current, mayUse) {
      const audience = { ...current.version.header.audience, handlers: mayUse }
      return follow(state, current, { command: 'update', audience, make: () => book.share(current, audience) })
    },
    async prune(entry, kept) {
      await state.refresh()
      return (await state.entries.prune(book.prune(entry, kept.version))).first
    },
  }
}

/** The same again, signed by this device: as often as others are first. */
export function resign(
  state: AccountState,
  entry: EntryId,
  isDue: (current: OpenedVersion) => boolean,
): Promise<number> {
  return attempt(state, entry, (current) => {
    if (!isDue(current)) return Promise.resolve({ kind: 'written', seq: current.version.header.seq })
    return follow(state, current, { command: 'update', make: () => state.book.resign(current) })
  })
}

function change(
  state: AccountState,
  entry: EntryId,
  { edit, attempts }: { readonly edit: (current: OpenedVersion) => Draft; readonly attempts?: number },
): Promise<number> {
  const write = (current: OpenedVersion) => {
    const draft = edit(current)
    return follow(state, current, { command: 'update', ...draft, make: () => state.book.update(current, draft) })
  }
  return attempt(state, entry, write, attempts)
}

async function attempt(
  state: AccountState,
  entry: EntryId,
  write: (current: OpenedVersion) => Promise<Written>,
  attempts = WRITE_ATTEMPTS,
): Promise<number> {
  let current = await fetchCurrent(state, entry)
  for (let count = 0; count < attempts; count++) {
    const written = await write(current)
    if (written.kind === 'written') return written.seq
    current = written.current
  }
  throw new Refusal('conflict', `entry: other devices were first ${attempts} times: try again`)
}

interface Following {
  readonly command: Command
  /** Whom it is for; as before, if it is not said. */
  readonly audience?: Audience
  readonly make: () => VersionWrite
}

async function follow(state: AccountState, current: OpenedVersion, following: Following): Promise<Written> {
  const { entry, audience } = current.version.header
  await ready(state, following.audience ?? audience)
  return send(state, { command: following.command, entry, write: following.make() })
}

/** The devices of now, own and others': a version is for exactly these. */
async function ready(state: AccountState, { users }: Audience): Promise<void> {
  await state.refresh()
  await meetAll(state, users)
}

async function send(
  state: AccountState,
  { command, entry, write }: { readonly command: Command; readonly entry: EntryId; readonly write: VersionWrite },
): Promise<Written> {
  const { conflict } = await state.entries[command](write)
  return settle(state, { entry, write, isTaken: conflict === null })
}

async function settle(
  state: AccountState,
  { entry, write, isTaken }: { readonly entry: EntryId; readonly write: VersionWrite; readonly isTaken: boolean },
): Promise<Written> {
  if (!isTaken) return { kind: 'conflict', current: await fetchCurrent(state, entry) }
  state.book.confirm(write)
  await state.save()
  return { kind: 'written', seq: decodeVersion(state.crypto, write).header.seq }
}

function withUser({ version }: OpenedVersion, user: UserId): Audience {
  const { handlers, users } = version.header.audience
  if (users.some((one) => equalBytes(one, user)))
    throw new Refusal('command-invalid', 'entry: shared with them already')
  return { handlers, users: [...users, user] }
}

function withoutUser({ version }: OpenedVersion, user: UserId): Audience {
  const { handlers, users } = version.header.audience
  const left = users.filter((one) => !equalBytes(one, user))
  if (left.length === users.length) throw new Refusal('command-invalid', 'entry: not shared with them')
  return { handlers, users: left }
}
