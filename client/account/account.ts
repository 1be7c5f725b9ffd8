/**
 * A user's account as an app on one of their devices uses it: what the device signs and seals (`client/entries`) joined
 * with what its vault is asked (`client/owner-entries.ts`). One piece of work at a time, in the order it was asked for.
 *
 * Everything that comes from the host is judged before it is shown: see docs/entries.md for what is found and what not.
 */
import { openBook } from '#client/entries/book.ts'
import { type Comparison, decodeView, encodeView } from '#client/entries/compare.ts'
import { foundUser } from '#client/entries/directories.ts'
import { encodeFrames, readFrames } from '#client/entries/frames.ts'
import type { Finding } from '#host/entries/finding.ts'
import type { DeviceId, UserId } from '#host/entries/ids.ts'
import type { Directory } from '#host/entries/model.ts'
import { Refusal } from '#host/errors.ts'
import { equalBytes } from '#host/wire/bytes.ts'

import { type AccountDevices, accountDevices } from './devices.ts'
import { fetchDirectory } from './directory.ts'
import { type AccountReading, accountReading, everything, wholeOf } from './reading.ts'
import { type AccountSessions, accountSessions } from './sessions.ts'
import type { AccountOptions, AccountState } from './state.ts'
import { type AccountUsers, accountUsers } from './users.ts'
import { type AccountWriting, accountWriting } from './writing.ts'

/** Two devices side by side: what no device finds alone. */
export interface AccountComparison {
  /** 20 hexadecimal digits, the same on two devices that were shown the same. */
  fingerprint(): Promise<string>
  /** What this device saw, as lines of text for the other one. */
  showView(): Promise<readonly string[]>
  /** What the other device saw, held against what this one is shown. Nothing is wrong when nothing is found. */
  compare(frames: Iterable<string>): Promise<readonly Finding[]>
}

export interface Account extends AccountReading, AccountWriting, AccountUsers, AccountSessions, AccountComparison {
  readonly user: UserId
  readonly device: DeviceId
  readonly devices: AccountDevices
  /** As last learnt. */
  directory(): Directory
  /** Learns anew what the directory says: each write does so itself. */
  refresh(): Promise<void>
}

/** Makes the account of a vault: this device is its root. */
export async function signUp(options: Omit<AccountOptions, 'user'>, label: string): Promise<Account> {
  const { user, statement } = foundUser(options, label)
  await options.owner.entries.signUp(statement)
  return openAccount({ ...options, user })
}

/** @throws Refusal `entry-distrusted`, `directory-invalid`, `recovery-invalid` for a memory of another device */
export async function openAccount(options: AccountOptions): Promise<Account> {
  const { crypto, user, store, signer, owner } = options
  const memory = await store.read()
  const book = openBook({ ...options, ...(memory && { memory }) })
  const fetched = fetchDirectory(owner.entries, { book, crypto })
  const state: AccountState = {
    ...fetched,
    book,
    crypto,
    signer,
    entries: owner.entries,
    shared: owner.shared,
    met: new Set(),
    save: () => store.write(book.memory()),
  }
  await state.refresh()
  if (!equalBytes(book.directory().user, user)) throw new Refusal('directory-invalid', 'directory: of another user')
  await state.save()
  return inTurn(state)
}

function inTurn(state: AccountState): Account {
  const { book } = state
  let last: Promise<unknown> = Promise.resolve()
  /** After what was asked before, whatever became of it: answers that overtake each other would look like a lie. */
  function turn<T>(work: () => Promise<T>): Promise<T> {
    const done = last.then(work, work)
    last = done
    return done
  }
  return {
    user: book.user,
    device: book.device,
    directory: () => book.directory(),
    refresh: () => turn(() => refreshed(state)),
    ...turned(accountReading(state), (work) => turn(() => work().finally(() => state.save()))),
    ...turned(accountWriting(state), turn),
    ...turned(accountUsers(state), turn),
    ...turned(accountSessions(state), turn),
    ...turned(accountComparison(state), turn),
    devices: turned(accountDevices(state), turn),
  }
}

async function refreshed(state: AccountState): Promise<void> {
  await state.refresh()
  await state.save()
}

type Work = () => Promise<unknown>

/** The same functions, each called in its turn. */
function turned<T extends object>(part: T, turn: (work: Work) => Promise<unknown>): T {
  const entries = Object.entries(part).map(([name, act]: [string, (...given: unknown[]) => Promise<unknown>]) => [
    name,
    (...given: unknown[]) => turn(() => act(...given)),
  ])
  return Object.fromEntries(entries) as T
}

function accountComparison(state: AccountState): AccountComparison {
  const { book, crypto } = state
  async function look(): Promise<readonly Finding[]> {
    await state.refresh()
    const { findings } = await everything(state)
    await state.save()
    return findings
  }
  return {
    async fingerprint() {
      await look()
      return book.fingerprint()
    },
    async showView() {
      await look()
      return encodeFrames(crypto, 'VIEW', encodeView(book.view()))
    },
    async compare(frames) {
      const found = [...(await look())]
      const theirs = decodeView(viewOf(state, frames))
      const compared: Comparison = book.compareHeads(theirs)
      found.push(...compared.findings)
      for (const entry of compared.unsettled) {
        const there = theirs.entries.find((one) => equalBytes(one.entry, entry))
        if (there !== undefined) found.push(...book.settle(await wholeOf(state, entry), there))
      }
      return found
    },
  }
}

function viewOf({ crypto }: AccountState, frames: Iterable<string>): Uint8Array {
  const reader = readFrames(crypto, 'VIEW')
  for (const frame of frames) {
    const bytes = reader.take(frame)
    if (bytes !== undefined) return bytes
  }
  throw new Refusal('malformed', 'frames of a view: not all were read: read all that the other device shows')
}
