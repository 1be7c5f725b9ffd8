/** The owner's word on connections and fields: invite, sever, put. */
import { Refusal } from '#host/errors.ts'
import { FIELD_NAME_CHARS_MAX, FIELD_VALUE_CHARS_MAX, GREETINGS_PER_HOUR } from '#host/limits.ts'
import { z } from '#host/schema.ts'
import { fullBucket } from '#host/contracts/rate.ts'
import { parseConnectionId } from '#host/wire/id.ts'
import { fieldChange, fingerprint } from './vault.ts'
import { knownConnection, readCommand, type Command, type Done } from './command.ts'
import type { Connection } from './party.ts'
import { connectionChange, type ConnectionRecord } from './records.ts'
import { undecided } from './owner-contract.ts'
import { denyAll } from './resume.ts'
import { eventRow } from './rows.ts'

const invite = z.strictObject({ alias: z.string().min(1).max(64), kind: z.enum(['service', 'peer']) })
const named = z.strictObject({ connection: z.string() })
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
  const { alias, kind } = readCommand(invite, command)
  const id = parseConnectionId(`c-${random(8).toHex()}`)
  const record: ConnectionRecord = {
    alias,
    kind,
    status: 'invited',
    peerKey: null,
    hello: null,
    contract: null,
    acceptedAt: 0,
    declined: [],
    offer: null,
  }
  const connection: Connection = {
    party: 'connection',
    id,
    key: `connection/${id}`,
    vault: vault.id,
    record,
    contract: undefined,
    offered: undefined,
    session: undefined,
    bucket: fullBucket({ capacity: 0 }, 0),
    toldBlocked: undefined,
    greetings: fullBucket({ capacity: GREETINGS_PER_HOUR }, now),
    authentication: undefined,
  }
  return {
    body: { vault: vault.id, connection: id, identity: fingerprint(vault) },
    apply: () => vault.connections.set(id, connection),
    changes: [connectionChange(id, record)],
    rows: [eventRow(device, opened.event, { at: now, result: 'changed', connection: id })],
  }
}

/** Ends a connection's reach with this very commit; what it was waiting for is denied. */
export function severConnection(command: Command): Done {
  const { vault, device, opened, now } = command
  const connection = knownConnection(vault, readCommand(named, command).connection)
  const record = { ...connection.record, status: 'severed', offer: null } as const
  const ended = denyAll({ vault, connection, now })
  const over = new Refusal('connection-inactive', 'the connection has ended')
  return {
    apply: () => {
      connection.record = record
      connection.offered = undefined
    },
    answers: [...ended.flatMap(({ answers }) => answers), ...undecided(connection, over)],
    changes: [connectionChange(connection.id, record), ...ended.flatMap(({ changes }) => changes)],
    rows: [
      eventRow(device, opened.event, { at: now, result: 'changed', connection: connection.id, reason: 'severed' }),
      ...ended.map(({ row }) => row),
    ],
  }
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
