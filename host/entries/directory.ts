/**
 * The walk: which devices a user has, judged from the root's own statement on. A host can withhold statements; it
 * cannot make one. What counts for nothing is passed over and reported.
 */
import { Refusal } from '#host/errors.ts'
import { equalBytes } from '#host/wire/bytes.ts'

import { deviceId, userId } from './device.ts'
import type { DeviceId, Hash, UserId } from './ids.ts'
import { ATTESTATION_DEPTH_MAX, DEVICES_MAX, STATEMENTS_MAX } from './limits.ts'
import type { Device, Directory, Ignored, IgnoredReason, SignedStatement } from './model.ts'
import type { EntryCrypto } from './port.ts'
import { decodeStatement, verifyStatement } from './statement.ts'

export interface DirectoryInput {
  readonly user: UserId
  /** As stored, the root's first. */
  readonly statements: readonly Uint8Array[]
  /** Milliseconds since the epoch: what has expired by then is not active. */
  readonly now: number
}

/** What a walk knows so far. */
interface Walk {
  readonly crypto: EntryCrypto
  readonly user: UserId
  readonly devices: Map<string, Device>
  readonly hashes: Hash[]
  root: DeviceId
  backup: Uint8Array | null
}

/** A directory as far as it was walked. It never changes: what goes on from it is another. */
export interface DirectoryWalk {
  /** With what comes after: only that is verified. @throws Refusal `directory-invalid` when it is too long then */
  and(statements: readonly Uint8Array[]): DirectoryWalk
  /** `now`: milliseconds since the epoch; what has expired by then is not active. */
  at(now: number): Directory
}

/**
 * A statement is taken for the next of the chain when it names the one before and its device's signature is right;
 * whether it then has an effect is another matter, so that all devices agree on the chain.
 *
 * @throws Refusal `directory-invalid` when the first statement is not this user's root
 */
export function walkDirectory(crypto: EntryCrypto, { user, statements, now }: DirectoryInput): Directory {
  return openWalk(crypto, { user, statements }).at(now)
}

/** The walk of `walkDirectory`, to be gone on with. @throws Refusal as there */
export function openWalk(
  crypto: EntryCrypto,
  { user, statements }: Pick<DirectoryInput, 'user' | 'statements'>,
): DirectoryWalk {
  checkCount(statements.length)
  const [first, ...rest] = statements
  return walkFrom({ walk: startWalk(crypto, user, first), ignored: [], count: 1 }).and(rest)
}

interface Walked {
  readonly walk: Walk
  readonly ignored: readonly Ignored[]
  /** Statements so far, ignored ones included. */
  readonly count: number
}

function walkFrom({ walk, ignored, count }: Walked): DirectoryWalk {
  return {
    and(statements) {
      checkCount(count + statements.length)
      const next = { ...walk, devices: new Map(walk.devices), hashes: walk.hashes.slice() }
      const found = statements.flatMap((bytes, index) => {
        const verdict = take(next, bytes)
        return verdict === undefined ? [] : [{ index: count + index, ...verdict }]
      })
      return walkFrom({ walk: next, ignored: [...ignored, ...found], count: count + statements.length })
    },
    at(now) {
      const devices = new Map([...walk.devices].map(([key, device]) => [key, expireAt(device, now)]))
      const { user, hashes, root, backup } = walk
      return {
        user,
        head: { seq: hashes.length - 1, hash: hashes.at(-1) as Hash },
        hashes,
        devices,
        root,
        backup,
        ignored,
      }
    },
  }
}

function checkCount(count: number): void {
  if (count <= STATEMENTS_MAX) return
  throw new Refusal('directory-invalid', `directory: ${count} statements, at most ${STATEMENTS_MAX}`)
}

/** The devices that a version of this moment is shared with; the vault's only when it is asked for. */
export function activeDevices(directory: Directory, roles: { readonly vault: boolean }): Device[] {
  return [...directory.devices.values()].filter(
    ({ status, role }) => status === 'active' && (role === 'device' || roles.vault),
  )
}

/** All devices below one, each once: what ends with it. */
export function descendantsOf(devices: ReadonlyMap<string, Device>, id: DeviceId): Device[] {
  return [...devices.values()].filter((device) =>
    ancestorsOf(devices, device).some((above) => equalBytes(above.id, id)),
  )
}

function startWalk(crypto: EntryCrypto, user: UserId, first: Uint8Array | undefined): Walk {
  const signed = first === undefined ? undefined : readable(crypto, first)
  const body = signed?.statement.body
  if (signed === undefined || body?.kind !== 'root') {
    throw new Refusal('directory-invalid', 'directory: does not begin with a root')
  }
  const { statement } = signed
  const id = deviceId(crypto, body.keys)
  if (!equalBytes(userId(crypto, body.keys), user) || !equalBytes(statement.user, user)) {
    throw new Refusal('directory-invalid', 'directory: the root is not this user’s')
  }
  const isFirst = statement.seq === 0 && statement.prev === null && equalBytes(statement.by, id)
  if (!isFirst || !verifyStatement(crypto, signed, body.keys.signing)) {
    throw new Refusal('directory-invalid', 'directory: the root’s statement is not its own')
  }
  const root: Device = {
    id,
    keys: body.keys,
    label: body.label,
    role: 'device',
    parent: null,
    status: 'active',
    addedAt: statement.at,
    expires: null,
    since: 0,
    revocation: null,
  }
  return { crypto, user, devices: new Map([[id.toHex(), root]]), hashes: [signed.hash], root: id, backup: null }
}

function readable(crypto: EntryCrypto, bytes: Uint8Array): SignedStatement | undefined {
  try {
    return decodeStatement(crypto, bytes)
  } catch (cause) {
    if (cause instanceof Refusal) return undefined
    throw cause
  }
}

function take(walk: Walk, bytes: Uint8Array): Omit<Ignored, 'index'> | undefined {
  const signed = readable(walk.crypto, bytes)
  if (signed === undefined) return { reason: 'malformed', by: null }
  const { statement } = signed
  const { by } = statement
  if (!equalBytes(statement.user, walk.user)) return { reason: 'wrong-user', by }
  const last = walk.hashes.at(-1) as Hash
  if (statement.seq !== walk.hashes.length || statement.prev === null || !equalBytes(statement.prev, last)) {
    return { reason: 'unchained', by }
  }
  const writer = walk.devices.get(by.toHex())
  if (writer === undefined) return { reason: 'unknown-device', by }
  if (!verifyStatement(walk.crypto, signed, writer.keys.signing)) return { reason: 'forged', by }
  walk.hashes.push(signed.hash)
  const reason = apply(walk, writer, signed)
  return reason && { reason, by }
}

function apply(walk: Walk, writer: Device, { statement }: SignedStatement): IgnoredReason | undefined {
  if (writer.status === 'revoked') return 'revoked-parent'
  if (writer.expires !== null && statement.at > writer.expires) return 'expired'
  const { body } = statement
  if (body.kind === 'root' || writer.role === 'vault') return 'not-allowed'
  switch (body.kind) {
    case 'attest':
      return attest(walk, writer, { ...statement, body })
    case 'revoke':
      return revoke(walk, writer, { ...statement, body })
    case 'rename': {
      const device = walk.devices.get(body.device.toHex())
      if (device === undefined) return 'unknown-device'
      if (!mayRule(walk, writer, device) && writer !== device) return 'not-allowed'
      put(walk, { ...device, label: body.label })
      return undefined
    }
    case 'backup':
      walk.backup = body.key
      return undefined
  }
}

type Of<Kind> = SignedStatement['statement'] & { readonly body: { readonly kind: Kind } }

function attest(walk: Walk, writer: Device, { seq, at, body }: Of<'attest'>): IgnoredReason | undefined {
  const id = deviceId(walk.crypto, body.keys)
  const known = walk.devices.get(id.toHex())
  if (known?.status === 'revoked') return 'revoked-device'
  const above = [writer, ...ancestorsOf(walk.devices, writer)]
  if (above.some((device) => equalBytes(device.id, id))) return 'cyclic'
  if (above.length + heightOf(walk.devices, id) > ATTESTATION_DEPTH_MAX) return 'over-deep'
  const active = [...walk.devices.values()].filter(({ status }) => status === 'active')
  if (known === undefined && active.length >= DEVICES_MAX) return 'too-many'
  if (known !== undefined && known.role !== body.role) return 'not-allowed'
  // The vault's own device stands on the root's word alone: it checked the enclave's evidence.
  if (body.role === 'vault' && !equalBytes(writer.id, walk.root)) return 'not-allowed'
  const { keys, label, role, expires } = body
  const first = { addedAt: known?.addedAt ?? at, since: known?.since ?? seq }
  put(walk, { id, keys, label, role, parent: writer.id, status: 'active', expires, ...first, revocation: null })
  return undefined
}

function revoke(walk: Walk, writer: Device, { seq, at, body }: Of<'revoke'>): IgnoredReason | undefined {
  const target = walk.devices.get(body.device.toHex())
  if (target === undefined) return 'unknown-device'
  if (target.status === 'revoked') return 'revoked-device'
  const isRoot = equalBytes(target.id, walk.root)
  if (isRoot !== (body.heir !== null)) return isRoot ? 'last-device' : 'not-allowed'
  if (isRoot ? writer !== target : !mayRule(walk, writer, target)) return 'not-allowed'
  const revocation = { seq, at, heads: body.heads }
  if (body.heir !== null) return abdicate(walk, body.heir, { ...target, status: 'revoked', revocation })
  for (const device of [target, ...descendantsOf(walk.devices, target.id)]) {
    if (device.status !== 'revoked') put(walk, { ...device, status: 'revoked', revocation })
  }
  return undefined
}

/** The root's last word: one of those it vouches for becomes the root, above the others. */
function abdicate(walk: Walk, heirId: DeviceId, root: Device): IgnoredReason | undefined {
  const heir = walk.devices.get(heirId.toHex())
  const isChild = heir?.parent !== null && heir !== undefined && equalBytes(heir.parent, root.id)
  if (!isChild || heir.status !== 'active' || heir.role !== 'device' || heir.expires !== null) return 'last-device'
  const children = [...walk.devices.values()].filter(({ parent }) => parent !== null && equalBytes(parent, root.id))
  for (const child of children) put(walk, { ...child, parent: child === heir ? null : heir.id })
  put(walk, root)
  walk.root = heir.id
  return undefined
}

/** An ancestor, or the root, over any but itself. */
function mayRule(walk: Walk, writer: Device, target: Device): boolean {
  return ancestorsOf(walk.devices, target).includes(writer)
}

/** From the parent up. The devices of a walk have no circle. */
function ancestorsOf(devices: ReadonlyMap<string, Device>, device: Device): Device[] {
  const above: Device[] = []
  let next = device.parent === null ? undefined : devices.get(device.parent.toHex())
  while (next !== undefined) {
    above.push(next)
    next = next.parent === null ? undefined : devices.get(next.parent.toHex())
  }
  return above
}

/** Edges below a device, at the longest; 0 when it vouches for none, or is not known yet. */
function heightOf(devices: ReadonlyMap<string, Device>, id: DeviceId): number {
  const children = [...devices.values()].filter(({ parent }) => parent !== null && equalBytes(parent, id))
  return children.reduce((height, child) => Math.max(height, heightOf(devices, child.id) + 1), 0)
}

function put(walk: Walk, device: Device): void {
  walk.devices.set(device.id.toHex(), device)
}

function expireAt(device: Device, now: number): Device {
  return device.status === 'active' && device.expires !== null && device.expires < now
    ? { ...device, status: 'expired' }
    : device
}
