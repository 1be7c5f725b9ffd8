/** `trellis owner attach`, `backfill`, `devices`, `rename`, `take-over`, `revoke`, `forget`, `compare`. */
import { keysOfFrames } from '#client/account/devices.ts'
import type { Freed, Filled } from '#client/account/devices.ts'
import type { Account } from '#client/account/account.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import type { Device } from '#host/entries/model.ts'
import { Refusal } from '#host/errors.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { table } from '../table.ts'
import type { Typed } from './account.ts'
import { ID_CHARS_MIN, SHORT_ID_CHARS } from './limits.ts'
import { cardOf, withAccount } from './reach.ts'
import type { Screen } from './screen.ts'

/** Vouches for the device whose frames were read, and gives it what was there before it. */
export function attach(
  frames: Iterable<string>,
  { device, label, expires, ...typed }: Typed & { readonly label: string; readonly expires?: string },
  screen: Screen,
): Promise<void> {
  const keys = keysOfFrames(nativeCrypto, frames)
  const until = expires === undefined ? undefined : parseTime(expires)
  return withAccount(device, typed, async ({ account, folder }) => {
    const id = await account.devices.attach({ keys, label, ...(until !== undefined && { expires: until }) })
    tellFilled(await account.devices.backfill(id, { progress: screen.progress('shared') }), screen)
    const { vault, identity, nats, space } = cardOf(folder)
    const where = nats === undefined ? '' : ` --nats ${nats}${space === undefined ? '' : ` --space ${space}`}`
    screen.print(`attached ${label}, ${id.toHex()}. On it, type:`)
    screen.print(
      `trellis owner join --device DIR --vault ${vault} --identity ${identity} --user ${account.user.toHex()}${where}`,
    )
  })
}

export function attachVault(
  { device, label, ...typed }: Typed & { readonly label: string },
  screen: Screen,
): Promise<void> {
  return withAccount(device, typed, async ({ account }) => {
    const id = await account.devices.attachVault(label)
    tellFilled(await account.devices.backfill(id, { progress: screen.progress('shared') }), screen)
    screen.print(`attached ${label}, ${id.toHex()}: handlers may use what owner edit --handlers marks`)
  })
}

/** Goes on where an attach was interrupted. */
export function backfill(name: string, { device, ...typed }: Typed, screen: Screen): Promise<void> {
  return withAccount(device, typed, async ({ account }) => {
    const { id } = deviceOf(account, name)
    tellFilled(await account.devices.backfill(id, { progress: screen.progress('shared') }), screen)
  })
}

export function listDevices(
  { device, json, ...typed }: Typed & { readonly json?: boolean },
  screen: Screen,
): Promise<void> {
  return withAccount(device, typed, async ({ account }) => {
    const devices = await account.devices.list()
    const rows = devices.map((one) => {
      const parent = one.parent && devices.find(({ id }) => equalBytes(id, one.parent ?? id))
      return {
        label: one.label,
        id: one.id.toHex(),
        status: one.status,
        role: one.isRoot ? 'root' : one.role,
        by: parent ? parent.label : '',
        seen: one.lastSeen === null ? 'never' : new Date(one.lastSeen).toISOString(),
        here: equalBytes(one.id, account.device),
      }
    })
    if (json === true) return rows.forEach((row) => screen.print(JSON.stringify(row)))
    const lines = rows.map(({ label, id, status, role, by, seen, here }) => [
      `${here ? '*' : ' '} ${label}`,
      id.slice(0, SHORT_ID_CHARS),
      status,
      role,
      by,
      seen.slice(0, 16).replace('T', ' '),
    ])
    screen.print(table([['  label', 'id', 'status', 'role', 'vouched by', 'last seen'], ...lines], screen.columns))
  })
}

export function rename(name: string, label: string, { device, ...typed }: Typed, screen: Screen): Promise<void> {
  return withAccount(device, typed, async ({ account }) => {
    await account.devices.rename(deviceOf(account, name).id, label)
    screen.print(`renamed to ${label}`)
  })
}

export function takeOver(name: string, { device, ...typed }: Typed, screen: Screen): Promise<void> {
  return withAccount(device, typed, async ({ account }) => {
    tellFreed(await account.devices.takeOver(deviceOf(account, name).id, screen.progress('signed anew')), screen)
  })
}

export function revoke(
  name: string,
  { device, lost, heir, ...typed }: Typed & { readonly lost?: boolean; readonly heir?: string },
  screen: Screen,
): Promise<void> {
  return withAccount(device, typed, async ({ account }) => {
    const one = deviceOf(account, name)
    const options = { lost: lost === true, ...(heir !== undefined && { heir: deviceOf(account, heir).id }) }
    const freed = await account.devices.revoke(one.id, { ...options, progress: screen.progress('signed anew') })
    tellFreed(freed, screen)
    screen.print(`revoked ${one.label}: it gets no share from the next version on; what it opened before, it may keep`)
  })
}

export function forget(name: string, { device, ...typed }: Typed, screen: Screen): Promise<void> {
  return withAccount(device, typed, async ({ account }) => {
    const one = deviceOf(account, name)
    await account.devices.forget(one.id)
    screen.print(`${one.label} is off the list of those that may pair`)
  })
}

/** Shows what this device saw; or holds what another saw against what this one is shown. */
export function compare(
  frames: Iterable<string> | undefined,
  { device, ...typed }: Typed,
  screen: Screen,
): Promise<void> {
  return withAccount(device, typed, async ({ account }) => {
    if (frames === undefined) {
      for (const frame of await account.showView()) screen.print(frame)
      screen.print(`fingerprint ${await account.fingerprint()}`)
      return
    }
    const findings = await account.compare(frames)
    screen.wrong(findings)
    if (findings.length === 0) screen.print('both devices were shown one world')
  })
}

/** A device by its label, or by how its id begins. @throws Refusal `device-unknown` */
export function deviceOf(account: Account, name: string): Device {
  const devices = [...account.directory().devices.values()]
  const active = devices.filter(({ status }) => status === 'active')
  const isNamed = ({ label, id }: Device): boolean =>
    label === name || (name.length >= ID_CHARS_MIN && id.toHex().startsWith(name.toLowerCase()))
  for (const some of [active, devices]) {
    const found = some.filter(isNamed)
    const [one] = found
    if (one !== undefined && found.length === 1) return one
    if (found.length > 1) throw new Refusal('device-unknown', `${name}: ${found.length} devices: say more of the id`)
  }
  throw new Refusal('device-unknown', `${name}: no such device: trellis owner devices lists them`)
}

/** Milliseconds since the epoch. @throws Refusal `malformed` */
function parseTime(text: string): number {
  const time = Date.parse(text)
  if (Number.isNaN(time)) throw new Refusal('malformed', `--expires: a date like 2030-12-31, not ${text}`)
  return time
}

function tellFilled({ shares, unopened, findings }: Filled, screen: Screen): void {
  screen.print(`${shares} earlier versions shared with it`)
  if (unopened > 0) screen.print(`${unopened} that this device cannot open itself: run backfill on one that can`)
  screen.wrong(findings)
}

function tellFreed({ resigned, vouched }: Freed, screen: Screen): void {
  if (resigned + vouched > 0) screen.print(`signed ${resigned} entries anew, vouched for ${vouched} devices`)
}
