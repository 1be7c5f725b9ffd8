/** A request that needs the owner's yes: stored, the owner told, and nothing else happens. */
import { CONSENT_LIFE_MS, PENDING_PER_CONNECTION_MAX } from '#host/limits.ts'
import { encodeEvent } from '#host/wire/event.ts'
import { ContractRefusal, type Asking } from './admit.ts'
import { commit } from './commit.ts'
import { asked, notices } from './notice.ts'
import type { Letter } from './outbox.ts'
import { ask, questionId, questions } from './pending.ts'
import { eventRow, purposeOf } from './rows.ts'

/** @throws ContractRefusal `rate-limited` when the connection has too many questions open already */
export async function suspend(
  { opened, connection, fields }: Asking,
  options: { now: number; random: (length: number) => Uint8Array },
): Promise<readonly Letter[]> {
  const { vault, event } = opened
  const { now, random } = options
  if (questions(vault, connection).length >= PENDING_PER_CONNECTION_MAX) {
    throw new ContractRefusal('rate-limited', { message: 'the owner has not answered your earlier requests' })
  }
  const id = questionId(connection, event.id)
  const names = fields.map((field) => field.name)
  const purpose = purposeOf(fields)
  const expires = Math.min(event.exp, now + CONSENT_LIFE_MS)
  const record = {
    connection: connection.id,
    event: encodeEvent(event),
    contractVersion: event.contractVersion,
    fields: names,
    purpose: purpose ?? '',
    askedAt: now,
    expires,
    row: vault.audit.head.sequence + 1,
  }
  return commit({
    vault,
    now,
    random,
    opened,
    answers: [{ to: connection, event, reply: { status: 'pending' } }],
    outgoing: notices(vault, 'consent.asked', asked(vault, { id, record })),
    changes: [ask(id, record)],
    rows: [eventRow(connection, event, { at: now, result: 'pending', fields: names, purpose, answeredAt: null })],
  })
}
