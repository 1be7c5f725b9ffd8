/** The directories a vault keeps: its owner's, and those of the users that its entries are shared with. */
import { nativeCrypto } from '#host/crypto/native.ts'
import type { UserId } from '#host/entries/ids.ts'
import { parseUserId } from '#host/entries/ids.ts'
import type { Device, Directory, StatementBody } from '#host/entries/model.ts'
import { decodeStatement } from '#host/entries/statement.ts'
import { type DirectoryWalk, openWalk } from '#host/entries/directory.ts'
import { Refusal } from '#host/errors.ts'
import type { Change, Expectation, Item } from '#host/storage/port.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import type { ConnectionId } from '#host/wire/id.ts'
import { pack, unpack } from '#host/wire/pack.ts'
import { entries } from '../read.ts'
import type { Vault } from '../vault.ts'
import { digits } from './held.ts'

/** The crypto that this host judges with. */
export const crypto = nativeCrypto

interface HeadRecord {
  readonly user: Uint8Array
  readonly seq: number
}

interface UserRecord extends HeadRecord {
  /** Over which their devices are served. */
  readonly connection: ConnectionId
}

const HEAD = 'head'
const OWN = 'statement/'
const HEADS = 'heads/'
const userKey = (user: UserId): string => `user/${user.toHex()}`
const userStatements = (user: UserId): string => `user-statement/${user.toHex()}/`
const put = { namespace: 'directory', visibility: 'opaque' } as const

/** The owner's own, as it stands; `undefined` before the sign-up. */
export function ownDirectory(vault: Vault, now: number): Directory | undefined {
  const head = vault.store.namespace('directory').get(HEAD)
  return head && walked(vault, { userOf: () => parseUserId(decodeHead(head.value).user), prefix: OWN, head, now })
}

/** @throws Refusal `command-invalid` before the sign-up */
export function knownDirectory(vault: Vault, now: number): Directory {
  const directory = ownDirectory(vault, now)
  if (!directory) throw new Refusal('command-invalid', 'this vault has no account yet: account.sign-up')
  return directory
}

/** Another user's, if the owner shares with them. */
export function userDirectory(vault: Vault, user: UserId, now: number): Directory | undefined {
  const item = vault.store.namespace('directory').get(userKey(user))
  return item && walked(vault, { userOf: () => user, prefix: userStatements(user), head: item, now })
}

/** Over which connection a user is served. */
export function connectionOf(vault: Vault, user: UserId): ConnectionId | undefined {
  const item = vault.store.namespace('directory').get(userKey(user))
  return item && decodeUser(item.value).connection
}

/** Whom a connection is: the users that are served over it. */
export function usersOf(vault: Vault, connection: ConnectionId): UserId[] {
  return knownUsers(vault).flatMap((known) => (known.connection === connection ? [known.user] : []))
}

/** The other users that are known, and over which connection each is served. */
export function knownUsers(vault: Vault): { readonly user: UserId; readonly connection: ConnectionId }[] {
  return entries(vault.store.namespace('directory'), 'user/').map(([name, value]) => {
    const { connection } = decodeUser(value)
    return { user: parseUserId(Uint8Array.fromHex(name)), connection }
  })
}

/** The statements of the owner, in order. */
export function ownStatements(vault: Vault): Uint8Array[] {
  return entries(vault.store.namespace('directory'), OWN).map(([, value]) => value)
}

/** Where every entry stood at a revocation, encoded; `undefined` when that statement is none. */
export function keptHeads(vault: Vault, seq: number): Uint8Array | undefined {
  return vault.store.namespace('directory').get(HEADS + digits(seq))?.value
}

export function headsChange(seq: number, value: Uint8Array): Change {
  return { ...put, key: HEADS + digits(seq), value }
}

/** What a commit relies on that judged something by the directory: a device that is revoked meanwhile takes it back. */
export function directoryUnchanged(vault: Vault): Expectation {
  const revision = vault.store.namespace('directory').get(HEAD)?.revision ?? 0
  return { namespace: 'directory', key: HEAD, revision }
}

/** The same of another user's. */
export function userUnchanged(vault: Vault, user: UserId): Expectation {
  const key = userKey(user)
  return { namespace: 'directory', key, revision: vault.store.namespace('directory').get(key)?.revision ?? 0 }
}

export interface Appended {
  readonly directory: Directory
  readonly body: StatementBody
  readonly changes: readonly Change[]
  readonly expected: readonly Expectation[]
}

/**
 * One more statement of the owner's, judged as any client would.
 *
 * @throws Refusal `entry-invalid` for what a walk would ignore, naming why; `conflict` when another came before
 */
export function appended(vault: Vault, bytes: Uint8Array, now: number): Appended {
  const signed = decodeStatement(crypto, bytes)
  const { statement } = signed
  const head = ownDirectory(vault, now)?.head
  const isNext = head
    ? statement.seq === head.seq + 1 && statement.prev !== null && equalBytes(statement.prev, head.hash)
    : statement.seq === 0
  if (!isNext) throw new Refusal('conflict', 'the directory has moved on: fetch it and sign again')
  const directory = judged(vault, { user: statement.user, prefix: OWN, more: [bytes] }, now)
  return {
    directory,
    body: statement.body,
    changes: [
      { ...put, key: OWN + digits(statement.seq), value: bytes },
      { ...put, key: HEAD, value: pack({ user: statement.user, seq: statement.seq } satisfies HeadRecord) },
    ],
    expected: [directoryUnchanged(vault)],
  }
}

/**
 * Another user's directory, kept to judge what is shared with them. A later one must go on from the one before.
 *
 * @throws Refusal `entry-invalid`; `conflict` for an older or another one
 */
export function learned(
  vault: Vault,
  given: { readonly user: UserId; readonly connection: ConnectionId; readonly statements: readonly Uint8Array[] },
  now: number,
): { readonly directory: Directory; readonly changes: readonly Change[] } {
  const { user, connection, statements } = given
  const known = entries(vault.store.namespace('directory'), userStatements(user))
  const goesOn = known.every(([, bytes], seq) => equalBytes(bytes, statements[seq] ?? new Uint8Array(0)))
  if (!goesOn) throw new Refusal('conflict', 'this is not a later state of the directory that is known')
  const more = statements.slice(known.length)
  const directory = judged(vault, { user, prefix: userStatements(user), more }, now)
  const record: UserRecord = { user, seq: directory.head.seq, connection }
  return {
    directory,
    changes: [
      ...more.map((value, index): Change => {
        const key = userStatements(user) + digits(known.length + index)
        return { namespace: 'directory', key, value, visibility: 'opaque' }
      }),
      { ...put, key: userKey(user), value: pack(record) },
    ],
  }
}

/** Ends the serving of the users of a connection, and what is known of them. */
export function forgotten(vault: Vault, connection: ConnectionId): Change[] {
  const space = vault.store.namespace('directory')
  const keys = usersOf(vault, connection).flatMap((user) => {
    const prefix = userStatements(user)
    return [userKey(user)].concat(entries(space, prefix).map(([name]) => prefix + name))
  })
  return keys.map((key) => ({ namespace: 'directory', key, value: null }))
}

/** The directory device whose signing key this is. */
export function deviceOfKey(directory: Directory, signing: Uint8Array): Device | undefined {
  return directory.devices.values().find(({ keys }) => equalBytes(keys.signing, signing))
}

interface Kept {
  readonly user: UserId
  /** Where its statements are. */
  readonly prefix: string
}

/** With what is to be kept as well, which must count: a walk that ignores nothing. */
function judged(vault: Vault, { more, ...kept }: Kept & { readonly more: readonly Uint8Array[] }, now: number) {
  const known = keptWalk(vault, kept)
  const statements = [...known.statements, ...more]
  const walk = known.walk?.and(more) ?? openWalk(crypto, { user: kept.user, statements })
  const directory = walk.at(now)
  const [ignored] = directory.ignored
  if (ignored) throw new Refusal('entry-invalid', `statement ${ignored.index} counts for nothing: ${ignored.reason}`)
  // Once it is kept, it need not be verified again.
  vault.account.walks.set(kept.prefix, [{ statements, walk }, ...(known.walk ? [{ ...known, walk: known.walk }] : [])])
  return directory
}

/** What is kept, and its walk: of what was verified before, only what is new since. */
function keptWalk(vault: Vault, { user, prefix }: Kept): { statements: Uint8Array[]; walk: DirectoryWalk | undefined } {
  const statements = entries(vault.store.namespace('directory'), prefix).map(([, value]) => value)
  if (statements.length === 0) return { statements, walk: undefined }
  const known = vault.account.walks.get(prefix)?.find((one) => isStart(one.statements, statements))
  const walk = known
    ? known.walk.and(statements.slice(known.statements.length))
    : openWalk(crypto, { user, statements })
  return { statements, walk }
}

function isStart(start: readonly Uint8Array[], all: readonly Uint8Array[]): boolean {
  return start.every((bytes, seq) => {
    const other = all[seq]
    return other !== undefined && (other === bytes || equalBytes(other, bytes))
  })
}

interface Stands extends Omit<Kept, 'user'> {
  readonly userOf: () => UserId
  readonly head: Pick<Item, 'revision'>
  readonly now: number
}

function walked(vault: Vault, { userOf, prefix, head: { revision }, now }: Stands): Directory {
  const known = vault.account.walked.get(prefix)
  if (known?.revision === revision && now < known.until) return known.directory
  const { statements, walk = openWalk(crypto, { user: userOf(), statements: [] }) } = keptWalk(vault, {
    user: userOf(),
    prefix,
  })
  const directory = walk.at(now)
  vault.account.walks.set(prefix, [{ statements, walk }])
  vault.account.walked.set(prefix, { revision, until: holdsUntil(directory), directory })
  return directory
}

/** The first expiry of a device that is active. */
function holdsUntil({ devices }: Directory): number {
  const times = [...devices.values()].flatMap(({ status, expires }) =>
    status === 'active' && expires !== null ? [expires] : [],
  )
  return Math.min(Infinity, ...times)
}

function decodeHead(value: Uint8Array): HeadRecord {
  return unpack(value) as HeadRecord
}

function decodeUser(value: Uint8Array): UserRecord {
  return unpack(value) as UserRecord
}
