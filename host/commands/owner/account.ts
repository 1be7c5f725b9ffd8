/** `trellis owner new`, `sign-up`, `keys`, `join`, `show-device`, `token`, `delete-account`. */
import { encodeKeyFrames } from '#client/entries/frames.ts'
import { openAccount } from '#client/account/account.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { parseUserId } from '#host/entries/ids.ts'
import { Refusal } from '#host/errors.ts'
import { surroundings } from '../surroundings.ts'
import { writeNew } from '../vault/files.ts'
import { type DeviceCard, makeDevice, openDevice } from './folder.ts'
import { atVault, cardOf, foundAccount, type Place, placed, withAccount } from './reach.ts'
import type { Screen } from './screen.ts'
import { join } from 'node:path'

export interface Typed extends Place {
  readonly device: string
}

/** Makes the keys; the public half of the signing key is for `trellis vault create --device-key`. */
export async function newDevice(device: string, screen: Screen): Promise<void> {
  await makeDevice(device)
  await using folder = await openDevice(device)
  const file = join(device, 'verify.key')
  await writeNew(file, folder.keys.signing)
  screen.print(`device      ${folder.id.toHex()}`)
  screen.print(`verify key  ${file}`)
}

export async function signUpDevice(
  {
    device,
    label,
    ...typed
  }: Typed & { readonly vault: string; readonly identity: string; readonly name: string; readonly label: string },
  screen: Screen,
): Promise<void> {
  await using folder = await openDevice(device)
  if (folder.card?.user) throw new Refusal('conflict', `${device}: has an account already: choose another folder`)
  const card = newCard({ ...typed, user: null })
  const account = await foundAccount(folder, card, label)
  screen.print(`user  ${account.user.toHex()}`)
}

/** The keys as lines of text, for the device that is to vouch for this one. */
export async function showKeys(device: string, screen: Screen): Promise<void> {
  await using folder = await openDevice(device)
  for (const frame of encodeKeyFrames(nativeCrypto, folder.keys)) screen.print(frame)
}

/** A device that was vouched for finds its account. */
export async function joinAccount(
  { device, ...typed }: Typed & { readonly vault: string; readonly identity: string; readonly user: string },
  screen: Screen,
): Promise<void> {
  await using folder = await openDevice(device)
  if (folder.card?.user) throw new Refusal('conflict', `${device}: has an account already: choose another folder`)
  const card = newCard({ ...typed, name: '', user: parseHex32('--user', typed.user) })
  const at = { ...card, ...(typed.wait !== undefined && { wait: typed.wait }) }
  await atVault(folder, at, async (owner) => {
    const options = { ...surroundings, ...folder.secrets, crypto: nativeCrypto, owner, store: folder.account }
    const account = await openAccount({ ...options, user: parseUserId(Uint8Array.fromHex(typed.user)) })
    await folder.keepCard(card)
    const own = account.directory().devices.get(account.device.toHex())
    screen.print(`joined as ${own?.label ?? 'a device'}`)
  })
}

/** What the folder says, without a vault. */
export async function showDevice(device: string, screen: Screen): Promise<void> {
  await using folder = await openDevice(device)
  const card = cardOf(folder)
  screen.print(`device    ${folder.id.toHex()}`)
  screen.print(`user      ${card.user ?? 'none yet'}`)
  screen.print(`vault     ${card.vault}`)
  screen.print(`identity  ${card.identity}`)
  screen.print(`at        ${card.nats ?? card.data ?? 'not said'}`)
}

export function token(
  { device, audience, ...typed }: Typed & { readonly audience?: string },
  screen: Screen,
): Promise<void> {
  return withAccount(device, typed, async ({ account }) => {
    const { token: text, expires } = await account.token(audience)
    screen.print(JSON.stringify({ token: text, expires: new Date(expires).toISOString() }))
  })
}

export function checkToken(
  text: string,
  { device, audience, ...typed }: Typed & { readonly audience?: string },
  screen: Screen,
): Promise<void> {
  return withAccount(device, typed, async ({ account }) => {
    const { user, device: by, expires, audience: whom } = await account.session(text, audience)
    const session = { user: user.toHex(), device: by.toHex(), audience: whom, expires: new Date(expires).toISOString() }
    screen.print(JSON.stringify(session))
  })
}

/** @throws Refusal `command-invalid` unless the user id is the account's */
export function deleteAccount(
  { device, confirm, ...typed }: Typed & { readonly confirm: string },
  screen: Screen,
): Promise<void> {
  return withAccount(device, typed, async ({ account, folder }) => {
    if (confirm !== account.user.toHex()) {
      throw new Refusal('command-invalid', `--confirm: the account's user id, ${account.user.toHex()}`)
    }
    const remains = await account.deleteAccount(screen.progress('removed'))
    await folder.keepCard({ ...cardOf(folder), user: null })
    screen.print('the account is deleted. What remains:')
    for (const line of remains) screen.print(`  ${line}`)
  })
}

/** @throws Refusal `malformed` */
export function parseHex32(what: string, text: string): string {
  if (/^[0-9a-f]{64}$/.test(text)) return text
  throw new Refusal('malformed', `${what}: 64 characters of 0-9 a-f`)
}

function newCard(given: Place & { vault: string; identity: string; name: string; user: string | null }): DeviceCard {
  const { vault, name, user } = given
  return placed({ vault, name, identity: parseHex32('--identity', given.identity), user }, given)
}
