/** What the parts of an account work with: the device's book, the vault's commands, and what is kept between runs. */
import type { Book } from '#client/entries/book.ts'
import type { DeviceSecrets } from '#client/entries/state.ts'
import type { OwnerDevice } from '#client/owner.ts'
import type { DirectoryPage, OwnerEntries } from '#client/owner-entries.ts'
import type { OwnerShared } from '#client/owner-shared.ts'
import type { Surroundings } from '#client/transport.ts'
import type { Finding } from '#host/entries/finding.ts'
import type { UserId } from '#host/entries/ids.ts'
import type { EntryCrypto } from '#host/entries/port.ts'
import { Refusal } from '#host/errors.ts'

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
