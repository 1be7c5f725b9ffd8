/** What the parts of an account work with: the device's book, the vault's commands, and what is kept between runs. */
import type { Book } from '#client/entries/book.ts'
import type { DeviceSecrets } from '#client/entries/state.ts'
import type { OwnerDevice } from '#client/owner.ts'
import type { DirectoryPage, OwnerEntries } from '#client/owner-entries.ts'
import type { OwnerShared } from '#client/owner-shared.ts'
import type { Surroundings } from '#client/transport.ts'
import type { Finding } from '#host/entries/finding.ts'
import { readFields } from '#host/entries/fields.ts'
import { HASH_BYTES, type UserId } from '#host/entries/ids.ts'
import type { EntryCrypto } from '#host/entries/port.ts'
import { Refusal } from '#host/errors.ts'
import { encodeCbor } from '#host/wire/cbor.ts'

import { CONNECTION_CHARS_MAX, KEPT_BYTES_MAX, KEPT_ITEMS_MAX, USERS_KEPT_MAX } from './limits.ts'

/** Where what an account remembers is kept: durable when `write` resolves. It is secret: its keeper seals it. */
export interface AccountStore {
  /** What was written last. */
  read(): Promise<Uint8Array | undefined>
  write(memory: Uint8Array): Promise<void>
}

export interface AccountOptions extends DeviceSecrets, Surroundings {
  /** The vault, as this device is paired with it. */
  readonly owner: Pick<OwnerDevice, 'entries' | 'shared'>
  readonly user: UserId
  readonly store: AccountStore
}

/** How far long work is: `done` of `total` steps. */
export type Progress = (done: number, total: number) => void

export interface AccountState {
  readonly book: Book
  readonly crypto: EntryCrypto
  readonly signer: DeviceSecrets['signer']
  readonly entries: OwnerEntries
  readonly shared: OwnerShared
  /** Over which connection another user is reached, by hexadecimal user id. */
  readonly connections: Map<string, string>
  /** Other users whose devices were walked in this run. */
  readonly met: Set<string>
  /** The vault's part of the directory's last page. */
  about(): Pick<DirectoryPage, 'vault' | 'instance'>
  /** Learns what the directory says now. @throws Refusal `entry-distrusted` */
  refresh(): Promise<void>
  /** Keeps what the book remembers. */
  save(): Promise<void>
}

/**
 * Nothing, when nothing is wrong.
 *
 * @throws Refusal `entry-distrusted` whose message begins with the first finding's code, and whose cause is all of them
 */
export function trusted(findings: readonly Finding[]): void {
  const [first] = findings
  if (first === undefined) return
  const more = findings.length === 1 ? '' : `, and ${findings.length - 1} more`
  throw new Refusal('entry-distrusted', `${first.code}: ${first.message}${more}`, { cause: findings })
}

/** Whether a vault's answer was this refusal. */
export function wasRefused(error: unknown, code: string): boolean {
  return error instanceof Refusal && error.message.includes(` was refused: ${code}:`)
}

const kind = {
  what: 'account memory',
  code: 'recovery-invalid',
  bytesMax: KEPT_BYTES_MAX,
  itemsMax: KEPT_ITEMS_MAX,
} as const
const FORMAT = 1

/** What is kept between runs. */
export interface Kept {
  readonly book: Uint8Array
  readonly connections: ReadonlyMap<string, string>
}

export function encodeKept({ book, connections }: Kept): Uint8Array {
  const users = [...connections].map(([user, connection]) => [Uint8Array.fromHex(user), connection])
  return encodeCbor([FORMAT, book, users])
}

/** @throws Refusal `recovery-invalid` for what is no memory of an account */
export function decodeKept(bytes: Uint8Array): Kept {
  const fields = readFields(kind, bytes)
  fields.literal('format', FORMAT)
  const book = fields.bytesUpTo('book', KEPT_BYTES_MAX)
  const users = fields.list('users', USERS_KEPT_MAX, (item) => {
    const row = item.inner('user')
    return [row.bytes('user', HASH_BYTES).toHex(), row.text('connection', CONNECTION_CHARS_MAX)] as const
  })
  fields.end()
  return { book, connections: new Map(users) }
}
