/**
 * The guest's vault: what its owner does in a sandbox goes to the vault that hosts it and comes back, and nothing of it
 * is kept here. Only the guest's own side is sealed on the way out and opened on the way in.
 */
import { SANDBOX_RELAY_MS, SANDBOX_RELAYS_MAX } from '#host/contracts/limits.ts'
import { verifySandboxCopy } from '#host/contracts/sandbox-copy.ts'
import { openSandboxName, sealSandboxItem, sealSandboxName } from '#host/contracts/sandbox-seal.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { Refusal, unreachable } from '#host/errors.ts'
import { check, z } from '#host/schema.ts'
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import type { VineEvent } from '#host/wire/event.ts'
import type { Reply } from '#host/wire/reply.ts'
import type { Leaving } from '../commit.ts'
import type { Opened } from '../open.ts'
import type { Letter } from '../outbox.ts'
import type { Connection, Device } from '../party.ts'
import { type Passage, passOn, takePassed } from '../passing.ts'
import { refusedReply } from '../refuse.ts'
import { openedEntry, openedItem } from './copy.ts'
import { findSandbox, type Sandbox } from './held.ts'
import { readSandboxRequest, requestTypes, type SandboxRequest } from './request.ts'

type Moment = Pick<Leaving, 'now' | 'random'>

/** What devices ask of the vaults that host a sandbox. */
export const sandboxRelays: Passage<SandboxRequest> = {
  waiting: (vault) => vault.sandboxes.relays,
  waitingMax: SANDBOX_RELAYS_MAX,
  waitMs: SANDBOX_RELAY_MS,
  inactive: 'the connection to the vault that hosts it is not active',
  late: 'the vault that hosts it did not answer: try again',
}

/** A device's request for a sandbox that another vault hosts; `undefined` for everything else. */
export function relayed({ vault, event }: Opened): { sandbox: Sandbox; request: SandboxRequest } | undefined {
  if (!requestTypes.includes(event.type)) return undefined
  const request = readSandboxRequest(event.type, event.body)
  const sandbox = findSandbox(vault, request.sandbox)
  const isElsewhere = sandbox?.record.role === 'guest' && sandbox.record.status !== 'ended'
  return isElsewhere ? { sandbox, request } : undefined
}

/** @throws Refusal `connection-inactive`, `busy` */
export function relay(
  opened: Opened,
  from: Device,
  { sandbox, request, ...moment }: Moment & { readonly sandbox: Sandbox; readonly request: SandboxRequest },
): Promise<readonly Letter[]> {
  const { vault, event } = opened
  return passOn(sandboxRelays, opened, {
    from,
    to: vault.connections.get(sandbox.record.connection),
    asked: request,
    body: () => sealedBody(sandbox, request, { event, random: moment.random }),
    reason: `${sandbox.id}: passed on`,
    ...moment,
  })
}

/** The request with what goes to the guest's own side sealed, and its names with it. */
function sealedBody(
  { id, record: { key: secret } }: Sandbox,
  request: SandboxRequest,
  { event, random }: { readonly event: VineEvent; readonly random: Moment['random'] },
): Uint8Array {
  if (!secret) return event.body
  const hidden = (key: string): string => sealSandboxName(nativeCrypto, secret, id, key)
  if (request.kind === 'list' && request.place === 'mine') {
    const { place, after, limit } = request
    return encodeCbor({ sandbox: id, place, limit, ...(after !== undefined && { after }) })
  }
  if (request.kind === 'read' && request.place === 'mine') {
    return encodeCbor({ sandbox: id, place: request.place, key: hidden(request.key) })
  }
  if (request.kind !== 'deed' || !('key' in request.deed)) return event.body
  const { deed } = request
  const base = sealBase(deed)
  const { kind: _kind, ...rest } = deed
  const value =
    base === undefined || !('value' in deed) || deed.value === null
      ? undefined
      : sealSandboxItem(nativeCrypto, secret, { sandbox: id, key: deed.key, base }, { value: deed.value, random })
  return encodeCbor({ sandbox: id, ...rest, ...(value && { value }), ...sealedNames(deed, hidden) })
}

type KeyedDeed = Extract<Extract<SandboxRequest, { kind: 'deed' }>['deed'], { key: string }>

/** An item of the own side goes by its sealed name, and is told to the other side by its own as far as it is shared. */
function sealedNames(deed: KeyedDeed, hidden: (key: string) => string): { key?: string; name?: string | null } {
  const { key } = deed
  switch (deed.kind) {
    case 'write':
    case 'remove':
      return deed.place === 'mine' ? { key: hidden(key) } : {}
    case 'move':
      return deed.to === 'mutual' ? { key: hidden(key), name: key } : { name: hidden(key) }
    case 'share':
      return { key: hidden(key), name: deed.grant === 'none' ? null : key }
    default:
      return unreachable(deed)
  }
}

/** What a sealed item is bound to, or `undefined` when the other side is to read it. */
function sealBase(deed: KeyedDeed): number | undefined {
  if (deed.kind === 'write' && deed.place === 'mine' && !deed.open) return deed.expected
  if (deed.kind === 'share' && deed.grant === 'none') return deed.expected
  return deed.kind === 'move' && deed.to === 'mine' ? 0 : undefined
}

/** The host's answer to something that a device waits for; `undefined` when it is none. */
export function takeRelayed(opened: Opened, connection: Connection, moment: Moment): readonly Letter[] | undefined {
  const { vault } = opened
  return takePassed(sandboxRelays, opened, {
    connection,
    ...moment,
    read(reply, request) {
      const sandbox = findSandbox(vault, request.sandbox)
      if (!sandbox) throw new Error('a sandbox is kept when it has ended')
      return readable(request, reply, { sandbox, connection })
    },
  })
}

const about = {
  revision: z.int(),
  base: z.int(),
  author: z.enum(['creator', 'guest']),
  at: z.number(),
  grant: z.enum(['none', 'visible', 'writable']),
}
const item = z.object({ ...about, value: z.instanceof(Uint8Array) })
const listReply = z.object({
  items: z.array(z.object({ ...about, key: z.string(), size: z.int() })),
  next: z.string().nullable(),
  change: z.int(),
})
const readReply = z.object({ item: item.nullable() })
const exportReply = z.object({ copy: z.instanceof(Uint8Array) })

interface Source {
  readonly sandbox: Sandbox
  readonly connection: Connection
}

/** The host's words, with what this vault alone can open opened. */
function readable(request: SandboxRequest, reply: Reply, source: Source): Reply {
  if (reply.status === 'refused') return { ...reply, message: legible(request, reply.message, source) }
  if (reply.status !== 'replied') return reply
  try {
    const body = openedBody(request, reply.body, source)
    return body === undefined ? reply : { status: 'replied', body: encodeCbor(body) }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return refusedReply(error)
  }
}

function openedBody(request: SandboxRequest, body: Uint8Array, { sandbox, connection }: Source): Cbor | undefined {
  if (request.kind === 'read' && request.place === 'mine') {
    const { item: found } = check(readReply, decodeCbor(body), 'malformed', 'the host’s answer')
    return { item: found && { ...found, value: openedItem(sandbox, { key: request.key, ...found }) } }
  }
  if (request.kind === 'list' && request.place === 'mine') return openedList(request, body, sandbox)
  if (request.kind !== 'export') return undefined
  const { copy } = check(exportReply, decodeCbor(body), 'malformed', 'the host’s answer')
  openedCopy(sandbox, connection, copy)
  return undefined
}

/** The page as the host has it, by its own names; what does not start as asked for is left out. */
function openedList(
  { prefix }: Extract<SandboxRequest, { kind: 'list' }>,
  body: Uint8Array,
  { id, record: { key: secret } }: Sandbox,
): Cbor {
  const { items, ...rest } = check(listReply, decodeCbor(body), 'malformed', 'the host’s answer')
  const named: Cbor[] = []
  for (const found of items) {
    const key = secret ? openSandboxName(nativeCrypto, secret, id, found.key) : found.key
    if (key.startsWith(prefix)) named.push({ ...found, key })
  }
  return { ...rest, items: named }
}

/** A reason of the host's in the guest's own words. */
function legible(request: SandboxRequest, message: string, { sandbox }: Source): string {
  const { key: secret } = sandbox.record
  const key = request.kind === 'deed' && 'key' in request.deed ? request.deed.key : undefined
  if (!secret || key === undefined) return message
  return message.replaceAll(sealSandboxName(nativeCrypto, secret, sandbox.id, key), key)
}

/**
 * A part of a copy, verified, as the owner reads it.
 *
 * @throws Refusal `contract-invalid`, `unopenable`
 */
export function openedCopy(sandbox: Sandbox, connection: Connection, copy: Uint8Array): Readonly<Record<string, Cbor>> {
  if (!connection.record.peerKey) throw new Error('a guest knows its host')
  const { items, part, parts, change } = verifySandboxCopy(nativeCrypto, copy, connection.record.peerKey)
  const read: Cbor[] = []
  for (const one of items) read.push({ ...openedEntry(sandbox, one) })
  return { part, parts, change, items: read }
}
