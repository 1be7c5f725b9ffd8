/**
 * The guest's vault: what its owner does in a sandbox goes to the vault that hosts it and comes back, and nothing of it
 * is kept here. Only the guest's own side is sealed on the way out and opened on the way in.
 */
import { SANDBOX_RELAY_MS, SANDBOX_RELAYS_MAX } from '#host/contracts/limits.ts'
import { verifySandboxCopy } from '#host/contracts/sandbox-copy.ts'
import { sealSandboxItem } from '#host/contracts/sandbox-seal.ts'
import { Refusal } from '#host/errors.ts'
import { check, z } from '#host/schema.ts'
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import type { VineEvent } from '#host/wire/event.ts'
import { decodeReply, type Reply } from '#host/wire/reply.ts'
import { commit, type Leaving, unkeptAnswer, unkeptEvent } from '../commit.ts'
import type { Opened } from '../open.ts'
import type { Letter } from '../outbox.ts'
import { ANSWER, type Connection, type Device } from '../party.ts'
import { refusedReply } from '../refuse.ts'
import { eventRow } from '../rows.ts'
import type { Vault } from '../vault.ts'
import { openedItem } from './copy.ts'
import { findSandbox, type Sandbox } from './held.ts'
import { readSandboxRequest, requestTypes, type SandboxRequest } from './request.ts'

type Moment = Pick<Leaving, 'now' | 'random'>

/** A device's request for a sandbox that another vault hosts; `undefined` for everything else. */
export function relayed({ vault, event }: Opened): { sandbox: Sandbox; request: SandboxRequest } | undefined {
  if (!requestTypes.includes(event.type)) return undefined
  const request = readSandboxRequest(event.type, event.body)
  const sandbox = findSandbox(vault, request.sandbox)
  const isElsewhere = sandbox?.record.role === 'guest' && sandbox.record.status !== 'ended'
  return isElsewhere ? { sandbox, request } : undefined
}

/**
 * Sends it on under its own id, so that the host does it once however often it comes. The device is answered when the
 * host has answered.
 *
 * @throws Refusal `connection-inactive`, `busy`
 */
export async function relay(
  opened: Opened,
  device: Device,
  { sandbox, request, ...moment }: Moment & { readonly sandbox: Sandbox; readonly request: SandboxRequest },
): Promise<readonly Letter[]> {
  const { vault, event } = opened
  const { now, random } = moment
  const to = vault.connections.get(sandbox.record.connection)
  const asks = to?.record.peer?.asks
  if (!to?.session || to.record.status !== 'active' || !asks) {
    throw new Refusal('connection-inactive', 'the connection to the vault that hosts it is not active')
  }
  const { relays } = vault.sandboxes
  if (relays.size >= SANDBOX_RELAYS_MAX) throw new Refusal('busy', 'too much waits for the other vault: try again')
  const until = now + SANDBOX_RELAY_MS
  const outward: VineEvent = {
    id: event.id,
    type: event.type,
    ts: now,
    exp: until,
    contractVersion: asks.version,
    causation: null,
    body: sealedBody(sandbox, request, { event, random }),
  }
  const reason = `${sandbox.id}: passed on`
  const row = eventRow(device, event, { at: now, result: 'accepted', connection: to.id, reason })
  const letters = await commit({ vault, ...moment, opened, rows: [row] })
  relays.set(event.id, { event, device, request, until })
  return [...letters, unkeptEvent(outward, { to, random })]
}

/** The request with what goes to the guest's own side sealed. */
function sealedBody(
  { id, record }: Sandbox,
  request: SandboxRequest,
  { event, random }: { readonly event: VineEvent; readonly random: Moment['random'] },
): Uint8Array {
  if (request.kind !== 'deed' || !record.key) return event.body
  const { deed } = request
  const base = sealBase(deed)
  if (base === undefined || !('value' in deed) || deed.value === null) return event.body
  const place = { sandbox: id, key: deed.key, base }
  const value = sealSandboxItem(record.key, place, { value: deed.value, random })
  const { kind: _kind, ...rest } = deed
  return encodeCbor({ sandbox: id, ...rest, value })
}

/** What a sealed item is bound to, or `undefined` when the other side is to read it. */
function sealBase(deed: Extract<SandboxRequest, { kind: 'deed' }>['deed']): number | undefined {
  if (deed.kind === 'write' && deed.place === 'mine' && !deed.open) return deed.expected
  if (deed.kind === 'share' && deed.grant === 'none') return deed.expected
  return deed.kind === 'move' && deed.to === 'mine' ? 0 : undefined
}

/** The host's answer to something that a device waits for; `undefined` when it is none. */
export function takeRelayed(opened: Opened, connection: Connection, moment: Moment): readonly Letter[] | undefined {
  const { vault, event } = opened
  const waiting = event.causation === null ? undefined : vault.sandboxes.relays.get(event.causation)
  if (event.type !== ANSWER || !waiting || event.causation === null) return undefined
  const sandbox = findSandbox(vault, waiting.request.sandbox)
  if (sandbox?.record.connection !== connection.id) return undefined
  vault.sandboxes.relays.delete(event.causation)
  opened.mark()
  const reply = readable(waiting.request, decodeReply(event.body), { vault, sandbox, connection })
  return [unkeptAnswer({ to: waiting.device, event: waiting.event, reply }, moment)]
}

const item = z.object({
  value: z.instanceof(Uint8Array),
  revision: z.int(),
  base: z.int(),
  author: z.enum(['creator', 'guest']),
  at: z.number(),
  grant: z.enum(['none', 'visible', 'writable']),
})
const readReply = z.object({ item: item.nullable() })
const exportReply = z.object({ copy: z.instanceof(Uint8Array) })

interface Source {
  readonly vault: Vault
  readonly sandbox: Sandbox
  readonly connection: Connection
}

/** The host's words, with what this vault alone can open opened. */
function readable(request: SandboxRequest, reply: Reply, source: Source): Reply {
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
  if (request.kind !== 'export') return undefined
  const { copy } = check(exportReply, decodeCbor(body), 'malformed', 'the host’s answer')
  openedCopy(sandbox, connection, copy)
  return undefined
}

/**
 * A part of a copy, verified, as the owner reads it.
 *
 * @throws Refusal `contract-invalid`, `unopenable`
 */
export function openedCopy(sandbox: Sandbox, connection: Connection, copy: Uint8Array): Readonly<Record<string, Cbor>> {
  if (!connection.record.peerKey) throw new Error('a guest knows its host')
  const { items, part, parts, change } = verifySandboxCopy(copy, connection.record.peerKey)
  const read: Cbor[] = []
  for (const one of items) read.push({ ...one, value: one.area === 'guest' ? openedItem(sandbox, one) : one.value })
  return { part, parts, change, items: read }
}

/** Devices whose request the other vault did not answer: they are told, and may try again. */
export function expireRelays(vault: Vault, moment: Moment): Letter[] {
  const late = [...vault.sandboxes.relays].filter(([, { until }]) => until <= moment.now)
  const reply = refusedReply(new Refusal('busy', 'the vault that hosts it did not answer: try again'))
  return late.map(([id, { device, event }]) => {
    vault.sandboxes.relays.delete(id)
    return unkeptAnswer({ to: device, event, reply }, moment)
  })
}
