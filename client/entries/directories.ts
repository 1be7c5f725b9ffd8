/** The device's side of directories: learning what a host serves, and saying who vouches for whom. */
import { deviceId, userId } from '#host/entries/device.ts'
import { activeDevices, descendantsOf, walkDirectory } from '#host/entries/directory.ts'
import type { Finding, FindingCode } from '#host/entries/finding.ts'
import { decodeHeads, encodeHeads, hashHeads } from '#host/entries/heads.ts'
import type { DeviceId, EntryId, UserId } from '#host/entries/ids.ts'
import { finding } from '#host/entries/judge.ts'
import type { DeviceKeys, DeviceRole, Directory, Ignored, StatementBody } from '#host/entries/model.ts'
import { signStatement } from '#host/entries/statement.ts'
import { Refusal, unreachable } from '#host/errors.ts'
import { equalBytes } from '#host/wire/bytes.ts'

import { activeDevice, type BookOptions, type BookState, directoryOf } from './state.ts'

/** What a host serves of one user. */
export interface ServedDirectory {
  readonly statements: readonly Uint8Array[]
  /** The lists of heads that its revocations name. */
  readonly heads: readonly Uint8Array[]
}

export interface DirectoryBook {
  /** The own user's, as last learnt. @throws Refusal `directory-invalid` before that */
  directory(): Directory
  /** Takes what is served of a user, unless it is behind what was seen, or another; says all that is wrong. */
  learn(user: UserId, served: ServedDirectory): Finding[]
  /** Vouches for a device whose keys this one was shown. */
  attach(device: {
    readonly keys: DeviceKeys
    readonly label: string
    readonly role: DeviceRole
    /** Milliseconds since the epoch; null for never. */
    readonly expires: number | null
  }): Uint8Array
  /** What stands in the way of a device's end: it should be signed anew, and vouched for anew, first. */
  heldBy(device: DeviceId): { readonly signs: readonly EntryId[]; readonly vouchesFor: readonly DeviceId[] }
  /**
   * Ends a device. `lost`: at once, with all it vouches for, whatever it signed.
   *
   * @throws Refusal `conflict` when it still signs a current version or vouches for an active device and is not lost,
   *   `device-unknown` when it is not active, `command-invalid` for the last one
   */
  revoke(
    device: DeviceId,
    options?: { readonly lost?: boolean; readonly heir?: DeviceId },
  ): { readonly statement: Uint8Array; readonly heads: Uint8Array }
  rename(device: DeviceId, label: string): Uint8Array
  /** Opts into the operator's backup key, or out with null. */
  setBackup(sealingKey: Uint8Array | null): Uint8Array
}

/** The first statement of a new user, by their first device. */
export function foundUser(
  { crypto, signer, opener, now }: Omit<BookOptions, 'user' | 'memory' | 'random'>,
  label: string,
): { readonly user: UserId; readonly statement: Uint8Array } {
  const keys = { signing: signer.publicKey, sealing: opener.publicKey }
  const user = userId(crypto, keys)
  const by = deviceId(crypto, keys)
  const statement = { user, seq: 0, prev: null, by, at: now(), body: { kind: 'root', label, keys } } as const
  return { user, statement: signStatement(crypto, statement, signer).bytes }
}

export function directoryBook(state: BookState): DirectoryBook {
  function say(body: StatementBody): Uint8Array {
    const { head } = directoryOf(state, state.user)
    const { user, device: by, now } = state
    const statement = { user, seq: head.seq + 1, prev: head.hash, by, at: now(), body }
    return signStatement(state.crypto, statement, state.signer).bytes
  }
  function heldBy(device: DeviceId) {
    const { devices } = directoryOf(state, state.user)
    const below = descendantsOf(devices, device).filter(({ status }) => status === 'active')
    const signed = [...state.entries.values()].filter(({ by, isDeleted }) => equalBytes(by, device) && !isDeleted)
    return { signs: signed.map(({ entry }) => entry), vouchesFor: below.map(({ id }) => id) }
  }
  return {
    directory: () => directoryOf(state, state.user),
    learn: (user, served) => learn(state, user, served),
    attach: (device) => say({ kind: 'attest', ...device }),
    heldBy,
    revoke(device, { lost = false, heir } = {}) {
      const directory = directoryOf(state, state.user)
      activeDevice(directory, device)
      const held = heldBy(device)
      if (
        activeDevices(directory, { vault: false }).length === 1 &&
        directory.devices.get(device.toHex())?.role !== 'vault'
      ) {
        throw new Refusal('command-invalid', 'device: the last one cannot be revoked: attach another first')
      }
      if (!lost && (held.signs.length > 0 || (held.vouchesFor.length > 0 && heir === undefined))) {
        const why = `it signs ${held.signs.length} current versions and vouches for ${held.vouchesFor.length} devices`
        throw new Refusal('conflict', `device: ${why}: have others sign and vouch first, or say that it is lost`)
      }
      const own = [...state.entries.values()].filter(({ owner }) => equalBytes(owner, state.user))
      const heads = encodeHeads(own)
      const body = { kind: 'revoke', device, heads: hashHeads(state.crypto, heads), heir: heir ?? null } as const
      return { statement: say(body), heads }
    },
    rename: (device, label) => say({ kind: 'rename', device, label }),
    setBackup: (key) => say({ kind: 'backup', key }),
  }
}

function learn(state: BookState, user: UserId, served: ServedDirectory): Finding[] {
  const { crypto, now } = state
  const directory = walkDirectory(crypto, { user, statements: served.statements, now: now() })
  const known = state.directoryHeads.get(user.toHex())
  if (known !== undefined) {
    const message = `statement ${directory.head.seq} is the last served, ${known.seq} was seen before`
    const hash = directory.hashes[known.seq]
    if (hash === undefined)
      return [finding('directory-rolled-back', null, `directory: ${message}`), ...voids(directory)]
    if (!equalBytes(hash, known.hash)) {
      return [finding('directory-forked', null, `directory: statement ${known.seq} is another than was seen before`)]
    }
  }
  state.directories.set(user.toHex(), directory)
  state.directoryHeads.set(user.toHex(), directory.head)
  for (const bytes of served.heads) {
    const rows = decodeHeads(bytes).map((head) => [head.entry.toHex(), head] as const)
    state.places.set(hashHeads(crypto, bytes).toHex(), new Map(rows))
  }
  return voids(directory)
}

/** Statements that count for nothing: an honest host takes none of them. */
function voids({ ignored }: Directory): Finding[] {
  return ignored.map(({ index, reason }) =>
    finding(codeOf(reason), null, `directory: statement ${index} counts for nothing: ${reason}`),
  )
}

function codeOf(reason: Ignored['reason']): FindingCode {
  switch (reason) {
    case 'malformed':
    case 'unchained':
      return 'directory-broken'
    case 'forged':
    case 'unknown-device':
      return 'device-forged'
    case 'wrong-user':
      return 'attestation-foreign'
    case 'cyclic':
    case 'over-deep':
    case 'expired':
    case 'revoked-parent':
    case 'revoked-device':
    case 'not-allowed':
    case 'last-device':
    case 'too-many':
      return 'statement-void'
    default:
      return unreachable(reason)
  }
}
