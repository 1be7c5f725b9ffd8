/** The owner's word on shared sandboxes: begin one, say yes to one, and work in those that are hosted here. */
import { clausesSchema } from '#host/contracts/sandbox.ts'
import { Refusal } from '#host/errors.ts'
import { z } from '#host/schema.ts'
import type { Cbor } from '#host/wire/cbor.ts'
import { knownConnection, readCommand, type Command, type Done } from './command.ts'
import { eventRow } from './rows.ts'
import { answerSandbox } from './sandbox/answer.ts'
import { acceptOffer, createSandbox } from './sandbox/create.ts'
import { copyKey } from './sandbox/hear.ts'
import { allSandboxes, findSandbox, type Sandbox } from './sandbox/held.ts'
import { openedCopy } from './sandbox/relay.ts'
import { readSandboxRequest, requestTypes } from './sandbox/request.ts'

const create = z.strictObject({ connection: z.string(), clauses: clausesSchema })
const named = z.strictObject({ sandbox: z.string().max(64) })
/** `signed`: the part as the host signed it, for the owner to keep or to show. */
const copy = named.extend({ part: z.int().min(0).default(0), signed: z.boolean().default(false) })

/** What OwnerSpace gains: each ends in one record with its answer. */
export const sandboxCommands: Readonly<Record<string, (command: Command) => Done>> = {
  'sandbox.create': begin,
  'sandbox.accept': accept,
  'sandbox.all': all,
  'sandbox.copy': readCopy,
  ...Object.fromEntries(requestTypes.map((type) => [type, work])),
}

function begin(command: Command): Done {
  const { vault, device, opened, now, random } = command
  const { connection: id, clauses } = readCommand(create, command)
  const connection = knownConnection(vault, id)
  const { id: sandbox, ...begun } = createSandbox(vault, connection, { clauses, now, random })
  const reason = `${sandbox}: offered`
  const row = eventRow(device, opened.event, { at: now, result: 'changed', connection: id, reason })
  return { ...begun, body: { sandbox }, rows: [row] }
}

function accept(command: Command): Done {
  const { vault, device, opened, now, random } = command
  const sandbox = known(command, readCommand(named, command).sandbox)
  const { id, ...begun } = acceptOffer(vault, sandbox, { now, random })
  const { connection } = sandbox.record
  const reason = `${id}: terms accepted`
  return { ...begun, rows: [eventRow(device, opened.event, { at: now, result: 'accepted', connection, reason })] }
}

function all({ vault, device, opened, now }: Command): Done {
  const listed = allSandboxes(vault).map(({ id, record }): Cbor => {
    const { connection, role, status, signed, change, bytes } = record
    return { sandbox: id, connection, role, status, signed, change, bytes }
  })
  return { body: { sandboxes: listed }, rows: [eventRow(device, opened.event, { at: now, result: 'replied' })] }
}

/** One part of the copy that came when a sandbox ended, verified and opened. */
function readCopy(command: Command): Done {
  const { vault, device, opened, now } = command
  const { sandbox: id, part, signed } = readCommand(copy, command)
  const sandbox = known(command, id)
  const connection = vault.connections.get(sandbox.record.connection)
  const item = vault.store.namespace('personal').get(copyKey(id, part))
  if (!item || !connection) throw new Refusal('command-invalid', `no part ${part} of a copy of this sandbox is here`)
  return {
    body: signed ? { copy: item.value } : openedCopy(sandbox, connection, item.value),
    rows: [eventRow(device, opened.event, { at: now, result: 'replied', connection: connection.id })],
  }
}

/** As the creator, in what is hosted here; what is hosted elsewhere was passed on before. */
function work(command: Command): Done {
  const { vault, device, opened, now } = command
  const request = readSandboxRequest(opened.event.type, opened.event.body)
  const sandbox = known(command, request.sandbox)
  const { connection, role } = sandbox.record
  if (role === 'guest') throw new Refusal('connection-inactive', 'the sandbox has ended; it was in the other vault')
  const { body, outgoing, changes, expected, what, key, isChange } = answerSandbox(vault, sandbox, request, {
    by: 'creator',
    now,
  })
  return {
    body,
    outgoing: outgoing ?? [],
    changes: changes ?? [],
    expected: expected ?? [],
    rows: [
      eventRow(device, opened.event, {
        at: now,
        result: isChange ? 'changed' : 'replied',
        connection,
        fields: key === undefined ? [] : [key],
        reason: `${sandbox.id}: ${what}`,
      }),
    ],
  }
}

function known({ vault }: Command, id: string): Sandbox {
  const sandbox = findSandbox(vault, id)
  if (!sandbox) throw new Refusal('command-invalid', 'no such sandbox')
  return sandbox
}
