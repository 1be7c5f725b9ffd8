/** The owner's account: its beginning, sessions, the operator's backup, its end. */
import { sessionMessage, SESSION_CONTEXT } from '#host/entries/session.ts'
import { SIGNATURE_BYTES } from '#host/entries/device.ts'
import { STATEMENT_BYTES_MAX } from '#host/entries/limits.ts'
import { Refusal } from '#host/errors.ts'
import { bytesOf, bytesUpTo, z } from '#host/schema.ts'
import { deviceNamespaces, type Change } from '#host/storage/port.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { askerOf } from './account/asker.ts'
import { tellOthers } from './account/apply.ts'
import { appended, crypto, deviceOfKey, ownDirectory } from './account/directory.ts'
import { inactive } from './account/judge.ts'
import { forgetOwn } from './account/own.ts'
import {
  AUDIENCE_CHARS_MAX,
  CHALLENGE_BYTES,
  CHALLENGE_LIFE_MS,
  CHALLENGES_MAX,
  REMOVED_PER_STEP,
  TOKEN_CHARS_MAX,
} from './account/limits.ts'
import { type Claims, invalidToken, issueToken, readToken } from './account/token.ts'
import { type Command, type Done, readCommand } from './command.ts'
import { dueErasure } from './erasure.ts'
import { eventRow } from './rows.ts'
import type { Vault } from './vault.ts'

const nothing = z.strictObject({})
const audience = z.string().min(1).max(AUDIENCE_CHARS_MAX)
const stated = z.strictObject({ statement: bytesUpTo(STATEMENT_BYTES_MAX) })
const answered = z.strictObject({
  challenge: bytesOf(CHALLENGE_BYTES),
  signature: bytesOf(SIGNATURE_BYTES),
  audience: z.exactOptional(audience),
})
const carried = z.strictObject({ token: z.string().max(TOKEN_CHARS_MAX), audience: z.exactOptional(audience) })
const ended = z.strictObject({ token: z.string().max(TOKEN_CHARS_MAX), user: bytesOf(32) })

export const accountCommands: Readonly<Record<string, (command: Command) => Done | Promise<Done>>> = {
  'account.sign-up': signUp,
  'account.challenge': challenge,
  'account.token': token,
  'account.session': session,
  'account.delete': end,
  'backup.opt-in': (command) => backup(command, true),
  'backup.opt-out': (command) => backup(command, false),
}

/** Whom a token is for when nothing else is said: this vault. */
const ownAudience = ({ id }: Vault): string => `vault/${id}`

/**
 * The root's statement: from here on the directory says who this user's devices are.
 *
 * @throws Refusal `sign-ups-closed`; `conflict` when there is an account; `entry-invalid`, `directory-invalid`
 */
function signUp(command: Command): Done {
  const { vault, device, now } = command
  const { statement } = readCommand(stated, command)
  if (vault.instance.row.signUps === 'closed') {
    throw new Refusal('sign-ups-closed', 'this host makes no new accounts: ask whoever runs it')
  }
  if (ownDirectory(vault, now)) throw new Refusal('conflict', 'this vault has its account: account.delete ends it')
  const { directory, changes, expected } = appended(vault, statement, now)
  const root = deviceOfKey(directory, device.record.verifyKey)
  if (!root) throw new Refusal('entry-invalid', 'the root is another device than the one that signs up')
  return {
    body: { user: directory.user, device: root.id },
    changes,
    expected,
    rows: [told(command, 'changed', 'account made')],
  }
}

/** Random bytes to sign, once, within two minutes, by the device that asks. */
function challenge(command: Command): Done {
  const { vault, device, now, random } = command
  readCommand(nothing, command)
  askerOf(command)
  const { challenges } = vault.account
  for (const [key, { until }] of challenges) if (until <= now) challenges.delete(key)
  if (challenges.size >= CHALLENGES_MAX) throw new Refusal('busy', 'too many challenges are open: answer one')
  const bytes = random(CHALLENGE_BYTES)
  const until = now + CHALLENGE_LIFE_MS
  challenges.set(bytes.toHex(), { device: device.key, until })
  return { body: { challenge: bytes, until, audience: ownAudience(vault) }, rows: [told(command, 'replied')] }
}

/** @throws Refusal `token-invalid` for a challenge that is used, over or another's, or a signature that is none */
async function token(command: Command): Promise<Done> {
  const { vault, device, now, random } = command
  const { challenge: bytes, signature, audience = ownAudience(vault) } = readCommand(answered, command)
  const asker = askerOf(command)
  const open = vault.account.challenges.get(bytes.toHex())
  // Whatever comes of it, it is used.
  vault.account.challenges.delete(bytes.toHex())
  if (!open || open.device !== device.key || open.until <= now) throw invalidToken()
  const whose = { user: asker.directory.user, device: asker.device.id }
  const message = sessionMessage({ ...whose, audience, challenge: bytes })
  const publicKey = asker.device.keys.signing
  if (!crypto.verify({ publicKey, context: SESSION_CONTEXT, message, signature })) throw invalidToken()
  const key = await vault.instance.tokenKey()
  const issued = issueToken({ ...whose, vault: vault.id, audience }, { key, now, random })
  return { body: { ...issued }, rows: [told(command, 'replied', audience)] }
}

/** Whose a token is, if it is good and its device is active still. */
async function session(command: Command): Promise<Done> {
  const { token: text, audience } = readCommand(carried, command)
  const { user, device, expires, audience: whom } = await checkToken(command, text, audience)
  return { body: { user, device, expires, audience: whom }, rows: [told(command, 'replied')] }
}

/**
 * On every use: of this host, for this audience, in its time, of this vault's user, and its device is active now.
 *
 * @throws Refusal `token-invalid`, `device-inactive`
 */
async function checkToken(
  { vault, now }: Pick<Command, 'vault' | 'now'>,
  text: string,
  audience = ownAudience(vault),
): Promise<Claims> {
  const claims = readToken(text, { key: await vault.instance.tokenKey(), now, audience })
  const directory = ownDirectory(vault, now)
  if (claims.vault !== vault.id || !directory || !equalBytes(directory.user, claims.user)) throw invalidToken()
  if (directory.devices.get(claims.device.toHex())?.status !== 'active') throw inactive()
  return claims
}

/** Signed by the user: from the next version on, each has a share for the operator's offline key, or none any more. */
function backup(command: Command, isIn: boolean): Done {
  const { vault, device, now } = command
  const { statement } = readCommand(stated, command)
  askerOf(command)
  const { directory, body, changes, expected } = appended(vault, statement, now)
  if (body.kind !== 'backup' || (body.key !== null) !== isIn) {
    throw new Refusal('entry-invalid', 'this statement says something else about the backup')
  }
  const { backupKey } = vault.instance.row
  if (body.key && (!backupKey || !equalBytes(body.key, backupKey))) {
    throw new Refusal('entry-invalid', 'this is not the backup key of this host: fetch it with directory.get')
  }
  const { seq, hash } = directory.head
  return {
    body: { seq, hash },
    changes,
    expected,
    outgoing: tellOthers(vault, device, 'directory.changed', { seq, hash }),
    rows: [told(command, 'changed', isIn ? 'operator backup: in' : 'operator backup: out')],
  }
}

/** What no deletion here reaches. */
const remains = [
  'rows of the audit trail: when, which command, by which device; never what was in an entry',
  'the devices that may pair with this vault, its connections and what else it keeps',
  'copies that others made while entries were shared with them',
  'exports of this vault, and copies of the host’s disk, until the keys they were sealed under are destroyed',
] as const

/**
 * Removes everything that devices signed and sealed, a step at a time: the same command again until nothing is left.
 * Its end makes a new key due, so that old copies of the log open nowhere.
 *
 * @throws Refusal `token-invalid`, `device-inactive`; `command-invalid` when `user` is another
 */
async function end(command: Command): Promise<Done> {
  const { vault } = command
  const { token: text, user } = readCommand(ended, command)
  const claims = await checkToken(command, text)
  if (!equalBytes(claims.user, user) || !equalBytes(askerOf(command).device.id, claims.device)) {
    throw new Refusal('command-invalid', 'the user id to confirm with is another one')
  }
  const changes: Change[] = []
  let left = 0
  // The directory goes last: until then the account is there, and the command may be sent again.
  for (const namespace of deviceNamespaces.toReversed()) {
    let after: string | undefined
    do {
      const page = vault.store
        .namespace(namespace)
        .scan({ prefix: '', limit: 256, ...(after !== undefined && { after }) })
      for (const [key] of page.items) {
        if (changes.length < REMOVED_PER_STEP) changes.push({ namespace, key, value: null })
        else left++
      }
      after = page.next
    } while (after !== undefined)
  }
  const isOver = left === 0
  return {
    body: { removed: changes.length, left, remains: isOver ? remains : [] },
    apply() {
      forgetOwn(vault.account.own)
      if (!isOver) return
      vault.account.walked.clear()
      vault.account.walks.clear()
    },
    changes: isOver ? [...changes, dueErasure] : changes,
    rows: [told(command, 'changed', isOver ? 'account deleted' : 'account: a step of its deletion')],
  }
}

function told({ device, opened, now }: Command, result: 'changed' | 'replied', reason: string | null = null) {
  return eventRow(device, opened.event, { at: now, result, reason })
}
