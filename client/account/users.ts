/** Other users: their devices walked by this one, what is shared with them, and what they share. */
import type { ListedEntries, OpenedVersion } from '#client/entries/reading.ts'
import { servedEntry } from '#client/owner-entries.ts'
import type { EntryId, UserId } from '#host/entries/ids.ts'
import type { ServedEntry } from '#host/entries/model.ts'
import { Refusal } from '#host/errors.ts'
import { equalBytes } from '#host/wire/bytes.ts'

import { aloneOf, judge, knownSeq } from './reading.ts'
import { type AccountState, trusted } from './state.ts'

export interface AccountUsers {
  /**
   * Walks the devices of the user behind a connection, once on one of the own devices. Compare the id with what they
   * told you: it names their root.
   */
  meet(connection: string): Promise<UserId>
  /** What they share with this user: outlines. */
  sharedBy(connection: string): Promise<ListedEntries>
  /** One entry they share, with its content. */
  readShared(connection: string, entry: EntryId): Promise<OpenedVersion>
}

export function accountUsers(state: AccountState): AccountUsers {
  return {
    async meet(connection) {
      const { user } = await meet(state, connection)
      await state.save()
      return user
    },
    async sharedBy(connection) {
      const { user } = await walk(state, connection)
      const served: ServedEntry[] = []
      for (let after: Uint8Array | undefined; ;) {
        const { versions, next } = await state.shared.list(connection, after)
        served.push(...versions.map(aloneOf))
        if (next === null || versions.length === 0) break
        after = next
      }
      // Versions that were not for this user are between: those that are shared make no whole chain.
      const listed = state.book.list(user, served, { complete: false })
      await state.save()
      return listed
    },
    async readShared(connection, entry) {
      const { user } = await walk(state, connection)
      const page = await state.shared.get(connection, entry)
      const known = knownSeq(state, entry)
      // What was written since it was last read, one by one: so the chain stays whole.
      for (let seq = (known ?? page.seq) + 1; seq < page.seq; seq++) {
        judge(state, user, servedEntry(entry, await state.shared.get(connection, entry, seq)))
      }
      const last = judge(state, user, servedEntry(entry, page)).at(-1)
      await state.save()
      if (last === undefined) throw new Refusal('command-invalid', 'entry: none is served')
      return last
    },
  }
}

/** Meets every user of an audience that this run has not met. @throws Refusal `directory-invalid` */
export async function meetAll(state: AccountState, users: readonly UserId[]): Promise<void> {
  for (const user of users) {
    if (!state.met.has(user.toHex())) await find(state, user)
  }
}

/**
 * Over the connection that the vault has for them, which another device may have named. That the vault says so is worth
 * nothing by itself: their id is the hash of their root's keys, and all that follows is signed from there on.
 */
async function find(state: AccountState, user: UserId): Promise<void> {
  const known = (await state.entries.users()).find((one) => equalBytes(one.user, user))
  const met = known && (await meet(state, known.connection))
  if (met && equalBytes(met.user, user)) return
  throw new Refusal('directory-invalid', `user ${user.toHex()}: of no connection that was met: trellis owner meet`)
}

async function meet(state: AccountState, connection: string): Promise<{ readonly user: UserId }> {
  const { user, statements } = await walk(state, connection)
  await state.entries.learn({ connection, user, statements })
  state.met.add(user.toHex())
  return { user }
}

/** @throws Refusal `entry-distrusted` when what their vault shows does not hold, or is behind what was seen */
async function walk(
  state: AccountState,
  connection: string,
): Promise<{ readonly user: UserId; readonly statements: readonly Uint8Array[] }> {
  const first = await state.shared.directory(connection)
  const { user } = first
  const statements = [...first.statements]
  for (let { next } = first; next !== null;) {
    const page = await state.shared.directory(connection, next)
    if (page.statements.length === 0) break
    statements.push(...page.statements)
    next = page.next
  }
  trusted(state.book.learn(user, { statements, heads: [] }))
  return { user, statements }
}
