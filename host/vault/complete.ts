/** Executed → durable: the handler's writes and its reply, with the audit row that says so. */
import { Refusal } from '#host/errors.ts'
import type { Effects } from '#host/plugin/port.ts'
import type { VineEvent } from '#host/wire/event.ts'
import type { Registered } from '#host/plugin/registry.ts'
import { parseEventType } from '#host/wire/id.ts'
import type { Reply } from '#host/wire/reply.ts'
import { commit, type Outgoing } from './commit.ts'
import type { Executed } from './dispatch.ts'
import { noticesOf } from './notice.ts'
import type { Letter } from './outbox.ts'
import type { Connection } from './party.ts'
import { reachable } from './reach.ts'
import { eventRow, purposeOf } from './rows.ts'
import type { Vault } from './vault.ts'

/** @throws Refusal `conflict` when what it was admitted under or the handler relied on has changed: nothing happened */
export async function complete(
  executed: Executed,
  options: { now: number; random: (length: number) => Uint8Array },
): Promise<readonly Letter[]> {
  const { now, random } = options
  const { admitted, effects, deeds } = executed
  const { opened, connection, registered, expected, fields } = admitted
  const { vault, event } = opened
  return commit({
    vault,
    now,
    random,
    opened,
    answers: [{ to: connection, event, reply: replyOf(executed) }],
    outgoing: [...outgoingOf(effects, { vault, event, asker: connection, registered }), ...deeds.outgoing],
    changes: [...effects.changes, ...deeds.changes],
    facts: { handler: registered.name, facts: effects.facts },
    expected: [...expected, ...effects.expected, ...deeds.expected],
    rows: [
      eventRow(connection, event, {
        at: now,
        result: effects.reply ? 'replied' : 'accepted',
        fields: fields.map((field) => field.name),
        purpose: purposeOf(fields),
        reason: deeds.reason,
      }),
    ],
  })
}

export function replyOf({ effects }: Pick<Executed, 'effects'>): Reply {
  return effects.reply ? { status: 'replied', body: effects.reply } : { status: 'accepted' }
}

/** Whose handler sends, in which event. */
interface Sender {
  readonly vault: Vault
  readonly event: VineEvent
  /** The connection that asked, when one did. */
  readonly asker: Connection | undefined
  readonly registered: Registered
}

/** What the handler sends besides its reply, addressed. */
export function outgoingOf(
  { outgoing }: Pick<Effects, 'outgoing'>,
  { vault, event, asker, registered }: Sender,
): Outgoing[] {
  return outgoing.flatMap(({ to, alias, type, body }): Outgoing[] => {
    const name = parseEventType(type)
    if (to === 'owner') return noticesOf(vault, name, body)
    const target = to === 'connection' ? asker : reachable(vault, alias ?? '', type)
    // It could be reached when it was sent to: the handler runs again and is told.
    if (!target) throw new Refusal('conflict', 'a connection that was sent to has ended meanwhile')
    // The class belongs to the type, and whoever knows both ends of it has declared it.
    const known = registered.manifest.events.find((event) => event.type === type)
    return [{ to: target, type: name, body, causation: event.id, delivery: known?.delivery ?? 'critical' }]
  })
}
