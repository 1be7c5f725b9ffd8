/** Sharing with other users: whose devices may be shared with, and which entries are. */
import { type EntryId, parseUserId, type UserId } from '#host/entries/ids.ts'
import { STATEMENT_BYTES_MAX, STATEMENTS_MAX } from '#host/entries/limits.ts'
import { decodeVersion } from '#host/entries/version.ts'
import { Refusal } from '#host/errors.ts'
import { bytesOf, bytesUpTo, z } from '#host/schema.ts'
import type { Change } from '#host/storage/port.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { askerOf } from './account/asker.ts'
import { connectionOf, crypto, knownUsers, learned, userDirectory, userUnchanged } from './account/directory.ts'
import { entryRecord, heldVersion, shareKey } from './account/held.ts'
import { USERS_MAX } from './account/limits.ts'
import { remains } from './account/remains.ts'
import { audienceOf } from './account/served.ts'
import { versionWrite } from './account/write.ts'
import { type Command, type Done, knownConnection, readCommand } from './command.ts'
import { writeVersion } from './owner-entry.ts'
import { eventRow } from './rows.ts'

const told = z.strictObject({
  connection: z.string(),
  user: bytesOf(32),
  statements: z.array(bytesUpTo(STATEMENT_BYTES_MAX)).min(1).max(STATEMENTS_MAX),
})
const written = z.strictObject({ write: versionWrite })

export const shareCommands: Readonly<Record<string, (command: Command) => Done>> = {
  'user.learn': learn,
  'user.list': listUsers,
  'entry.share': share,
  'entry.unshare': unshare,
}

/**
 * Another user's directory, walked by the device that says so, and the connection over which their devices are served.
 * Shared with nobody yet: that is `entry.share`.
 *
 * @throws Refusal `connection-inactive`; `entry-full`; `conflict` for a user of another connection, or an older state
 */
function learn(command: Command): Done {
  const { vault, device, opened, now } = command
  const { connection: name, user: bytes, statements } = readCommand(told, command)
  const { directory: own } = askerOf(command)
  const connection = knownConnection(vault, name)
  if (connection.record.status !== 'active') {
    throw new Refusal('connection-inactive', 'nothing is shared over a connection that is not active')
  }
  const user = parseUserId(bytes)
  if (equalBytes(own.user, user)) throw new Refusal('command-invalid', 'this is the owner: their devices have shares')
  const served = connectionOf(vault, user)
  if (served && served !== connection.id) {
    throw new Refusal('conflict', 'this user is served over another connection: sever that one first')
  }
  if (!served && knownUsers(vault).length >= USERS_MAX) {
    throw new Refusal('entry-full', `at most ${USERS_MAX} users are shared with: sever one first`)
  }
  const { directory, changes } = learned(vault, { user, connection: connection.id, statements }, now)
  return {
    body: { seq: directory.head.seq, hash: directory.head.hash },
    changes,
    expected: [userUnchanged(vault, user)],
    rows: [
      eventRow(device, opened.event, {
        at: now,
        result: 'changed',
        connection: connection.id,
        reason: `devices of ${user.toHex()} known`,
      }),
    ],
  }
}

/** Whom the owner's devices share with, and over which connection each is reached. */
function listUsers(command: Command): Done {
  const { vault, device, opened, now } = command
  readCommand(z.strictObject({}), command)
  askerOf(command)
  const users = knownUsers(vault).map(({ user, connection }) => ({ user, connection }))
  return { body: { users }, rows: [eventRow(device, opened.event, { at: now, result: 'replied' })] }
}

/** A version for a user more: to each of their devices a share, with the version that says so. */
function share(command: Command): Done {
  const { write } = readCommand(written, command)
  return writeVersion(command, write, { operation: 'put', mayGrow: true })
}

/**
 * A version for a user less. Their shares of the versions before go as well; what they opened is theirs, and the answer
 * says so.
 */
function unshare(command: Command): Done {
  const { vault } = command
  const { write } = readCommand(written, command)
  const { entry, audience } = decodeVersion(crypto, write).header
  const before = audienceOf(vault, entry)?.users ?? []
  const left = before.filter((user) => !audience.users.some((kept) => equalBytes(kept, user)))
  const done = writeVersion(command, write, { operation: 'put' })
  if (done.body?.['conflict'] !== null) return done
  if (left.length === 0) throw new Refusal('command-invalid', 'it is for no user less than the one before')
  return {
    ...done,
    body: { ...done.body, remains },
    changes: [...(done.changes ?? []), ...left.flatMap((user) => withdrawn(command, entry, user))],
  }
}

/** The shares of a user's devices, of every version that is kept. */
function withdrawn({ vault, now }: Command, entry: EntryId, user: UserId): Change[] {
  const record = entryRecord(vault, entry)
  const devices = [...(userDirectory(vault, user, now)?.devices.values() ?? [])]
  const changes: Change[] = []
  if (!record) return changes
  const shares = vault.store.namespace('shares')
  for (let { first: seq } = record; seq <= record.seq; seq++) {
    const held = heldVersion(vault, entry, seq)
    const keys = held ? devices.map(({ id }) => shareKey(held.version, id)) : []
    for (const key of keys) if (shares.get(key)) changes.push({ namespace: 'shares', key, value: null })
  }
  return changes
}
