/** The owner's word on connections and fields: invite, sever, put. */
import { Refusal } from '#host/errors.ts'
import { ALIAS_CHARS_MAX, FIELD_NAME_CHARS_MAX, FIELD_VALUE_CHARS_MAX, SERVICE_NAME_CHARS_MAX } from '#host/limits.ts'
import { z } from '#host/schema.ts'
import { sharingCbor, sharingSchema } from '#host/contracts/sharing.ts'
import type { Change } from '#host/storage/port.ts'
import type { Cbor } from '#host/wire/cbor.ts'
import type { Connection } from './party.ts'
import { entries } from './read.ts'
import { forgotten, knownUsers, usersOf } from './account/directory.ts'
import { remains } from './account/remains.ts'
import { fieldChange, fingerprint, type Vault } from './vault.ts'
import { knownConnection, readCommand, type Command, type Done } from './command.ts'
import { dialChange } from './dial.ts'
import { newConnection } from './connection.ts'
import { dueErasure } from './erasure.ts'
import { farewell } from './peer-event.ts'
import { connectionChange } from './records.ts'
import { undecided } from './owner-contract.ts'
import { denyAll } from './resume.ts'
import { eventRow } from './rows.ts'
import { endSandboxes } from './sandbox/end.ts'

const invite = z
  .strictObject({
    alias: z.string().min(1).max(ALIAS_CHARS_MAX),
    kind: z.enum(['service', 'peer']),
    /** For a peer with a vault: what the other owner reads who invites, and what is shared with them. */
    name: z.exactOptional(z.string().min(1).max(SERVICE_NAME_CHARS_MAX)),
    sharing: z.exactOptional(sharingSchema),
  })
  .refine(
    ({ kind, name, sharing }) => (name === undefined) === (sharing === undefined) && (!sharing || kind === 'peer'),
    {
      error: 'name and sharing go together, and with a peer',
    },
  )
const severed = z.strictObject({ connection: z.string(), opaque: z.exactOptional(z.enum(['keep', 'discard'])) })
const put = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9_]*$/)
    .max(FIELD_NAME_CHARS_MAX),
  value: z.string().max(FIELD_VALUE_CHARS_MAX),
})

/** Opens a place for one other side to say hello in. The answer is the invitation, to be handed over out of band. */
export function inviteConnection(command: Command): Done {
  const { vault, device, opened, now, random } = command
  const { alias, kind, name, sharing } = readCommand(invite, command)
  const place = { place: null, asks: null, identity: null, since: now }
  const peer = name !== undefined && sharing ? { peer: { name, sharing, ...place } } : {}
  const connection = newConnection(vault, { alias, kind, status: 'invited', ...peer }, { now, random })
  const { id, record } = connection
  return {
    body: {
      vault: vault.id,
      connection: id,
      identity: fingerprint(vault),
      ...(sharing ? { sharing: sharingCbor(sharing) } : {}),
    },
    apply: () => vault.connections.set(id, connection),
    changes: [connectionChange(id, record)],
    rows: [eventRow(device, opened.event, { at: now, result: 'changed', connection: id })],
  }
}

/**
 * Ends a connection's reach with this very commit; what it was waiting for is denied. What it kept transparent stays
 * the owner's; what is opaque stays behind the owner's lock, or is discarded if the owner says so. Whoever is invited
 * again is another connection, with keys and a namespace of its own.
 */
export function severConnection(command: Command): Done {
  const { vault, device, opened, now } = command
  const { connection: id, opaque = 'keep' } = readCommand(severed, command)
  const connection = knownConnection(vault, id)
  const discarded = opaque === 'discard' ? discardOpaque(vault, connection) : []
  const record = { ...connection.record, status: 'severed', offer: null } as const
  const ended = denyAll({ vault, connection, now })
  const over = new Refusal('connection-inactive', 'the connection has ended')
  const shared = endSandboxes(vault, connection, now)
  const last = farewell(vault, connection)
  const users = usersOf(vault, connection.id)
  return {
    body: { remains: users.length > 0 ? remains : [] },
    apply: () => {
      connection.record = record
      connection.offered = undefined
    },
    answers: [...ended.flatMap(({ answers }) => answers), ...undecided(connection, over)],
    outgoing: [...shared.outgoing, ...(last.outgoing ?? [])],
    expected: shared.expected,
    changes: [
      connectionChange(connection.id, record),
      dueErasure,
      ...shared.changes,
      ...(record.peer ? [dialChange(connection, null)] : []),
      ...ended.flatMap(({ changes }) => changes),
      ...(last.changes ?? []),
      ...discarded,
      ...forgotten(vault, connection.id),
    ],
    rows: [
      eventRow(device, opened.event, { at: now, result: 'changed', connection: connection.id, reason: 'severed' }),
      ...ended.map(({ row }) => row),
    ],
  }
}

/** Every connection there ever was: whom it is with, how far it is, and whose entries are shared over it. */
export function listConnections(command: Command): Done {
  const { vault, device, opened, now } = command
  readCommand(z.strictObject({}), command)
  const users = knownUsers(vault)
  const connections = [...vault.connections.values()].map(({ id, record, contract }): Cbor => {
    const { alias, kind, status, declined } = record
    const shared = users.filter(({ connection }) => connection === id).map(({ user }) => user)
    const signed = contract && { service: contract.contract.service.name, version: contract.contract.version }
    return { connection: id, alias, kind, status, declined, users: shared, contract: signed ?? null }
  })
  return { body: { connections }, rows: [eventRow(device, opened.event, { at: now, result: 'replied' })] }
}

/** Deletes of what a connection keeps that its owner does not see. */
function discardOpaque(vault: Vault, { key: namespace }: Connection): Change[] {
  const space = vault.store.namespace(namespace)
  return entries(space, '')
    .filter(([key]) => space.get(key)?.visibility === 'opaque')
    .map(([key]) => ({ namespace, key, value: null }))
}

/** Sets a personal field. */
export function putField(command: Command): Done {
  const { device, opened, now } = command
  const { name, value } = readCommand(put, command)
  return {
    changes: [fieldChange(name, value)],
    rows: [eventRow(device, opened.event, { at: now, result: 'changed', fields: [name] })],
  }
}
