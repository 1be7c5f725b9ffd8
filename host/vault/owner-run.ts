/** The owner runs a handler on their own vault: no contract is asked, since nobody else asks. */
import { Refusal } from '#host/errors.ts'
import { MESSAGE_BYTES_MAX } from '#host/limits.ts'
import { readRequest } from '#host/plugin/registry.ts'
import { bytesUpTo, z } from '#host/schema.ts'
import { parseEventType } from '#host/wire/id.ts'
import { knownConnection, readCommand, type Command, type Done } from './command.ts'
import { outgoingOf } from './complete.ts'
import { grantedTo } from './dispatch.ts'
import { eventRow } from './rows.ts'

/** `body` is the request as JSON in UTF-8; `connection` names whose namespace the handler is given, if anybody's. */
const run = z.strictObject({
  type: z.string(),
  body: bytesUpTo(MESSAGE_BYTES_MAX),
  connection: z.exactOptional(z.string()),
})

/**
 * Runs an event that its manifest lets the owner send. What it leaves is committed with the answer: `reply` is the
 * handler's, or null when it only accepted.
 *
 * @throws Refusal `unsupported-event` (also for what only connections may send), `malformed-request`, `command-invalid`
 *   for a handler that asks its owner, `second-factor-needed`, or how the handler ended
 */
export async function runHandler(command: Command): Promise<Done> {
  const { vault, device, opened, registry, pool, now } = command
  const { type, body, connection: id } = readCommand(run, command)
  const registered = registry.lookup(type, 'owner')
  if (!registered) throw new Refusal('unsupported-event', 'no handler answers this event type of its owner')
  const request = readRequest(registered, body)
  if (request.kind !== 'request') throw new Refusal('malformed-request', request.why)
  const connection = id === undefined ? undefined : knownConnection(vault, id)
  const fields = request.fields.map((name) => ({ name }))
  const { sources, settled } = grantedTo({ opened, connection, registered, fields, now })
  const running = pool.run({
    registered,
    tenant: vault.id,
    sources,
    context: {
      connection: device.record.label,
      connectionId: connection?.id ?? '',
      kind: 'owner',
      contractVersion: 0,
      eventId: opened.event.id,
      eventType: type,
      approved: true,
    },
    body: request.body,
    now,
  })
  const effects = await settled(running)
  if (effects.question) throw new Refusal('command-invalid', `${registered.name} asks the owner, who is asking it`)
  const event = { ...opened.event, type: parseEventType(type) }
  return {
    body: { reply: effects.reply ?? null },
    outgoing: outgoingOf(effects, { vault, event, asker: connection, registered }),
    changes: effects.changes,
    facts: { handler: registered.name, facts: effects.facts },
    expected: effects.expected,
    rows: [
      eventRow(device, event, {
        at: now,
        result: effects.reply ? 'replied' : 'accepted',
        connection: id ?? null,
        fields: request.fields,
      }),
    ],
  }
}
