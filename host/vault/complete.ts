/** Executed → durable: the handler's writes and its reply, with the audit row that says so. */
import { parseEventType } from '#host/wire/id.ts'
import type { Reply } from '#host/wire/reply.ts'
import { commit, type Outgoing } from './commit.ts'
import type { Executed } from './dispatch.ts'
import { noticesOf } from './notice.ts'
import type { Letter } from './outbox.ts'
import { eventRow, purposeOf } from './rows.ts'

/** @throws Refusal `conflict` when what it was admitted under or the handler relied on has changed: nothing happened */
export async function complete(
  executed: Executed,
  options: { now: number; random: (length: number) => Uint8Array },
): Promise<readonly Letter[]> {
  const { now, random } = options
  const { admitted, effects } = executed
  const { opened, connection, expected, fields } = admitted
  const { vault, event } = opened
  return commit({
    vault,
    now,
    random,
    opened,
    answers: [{ to: connection, event, reply: replyOf(executed) }],
    outgoing: outgoingOf(executed),
    changes: effects.changes,
    expected: [...expected, ...effects.expected],
    rows: [
      eventRow(connection, event, {
        at: now,
        result: effects.reply ? 'replied' : 'accepted',
        fields: fields.map((field) => field.name),
        purpose: purposeOf(fields),
      }),
    ],
  })
}

export function replyOf({ effects }: Executed): Reply {
  return effects.reply ? { status: 'replied', body: effects.reply } : { status: 'accepted' }
}

/** What the handler sends besides its reply, addressed. */
export function outgoingOf({ admitted, effects }: Executed): Outgoing[] {
  const { opened, connection } = admitted
  return effects.outgoing.flatMap(({ to, type, body }): Outgoing[] => {
    const name = parseEventType(type)
    if (to === 'owner') return noticesOf(opened.vault, name, body)
    return [{ to: connection, type: name, body, causation: opened.event.id }]
  })
}
