/** A request that needs the owner's word first: stored, the owner told, and nothing else happens. */
import { CONSENT_LIFE_MS, PENDING_PER_CONNECTION_MAX } from '#host/limits.ts'
import type { AuditEntry } from '#host/storage/audit-row.ts'
import type { Change } from '#host/storage/port.ts'
import { encodeEvent } from '#host/wire/event.ts'
import { ContractRefusal, type Asking } from './admit.ts'
import { commit, type Outgoing } from './commit.ts'
import { asked, notices } from './notice.ts'
import type { Letter } from './outbox.ts'
import { ask, questionId, questions } from './pending.ts'
import { eventRow, purposeOf } from './rows.ts'

/**
 * @throws ContractRefusal `rate-limited` when the connection has too many questions open already; Refusal `conflict`
 *   when what it was admitted under has changed
 */
export async function suspend(
  asking: Asking,
  options: { now: number; random: (length: number) => Uint8Array },
): Promise<readonly Letter[]> {
  const { opened, connection, expected } = asking
  const { vault, event } = opened
  if (questions(vault, connection).length >= PENDING_PER_CONNECTION_MAX) {
    throw new ContractRefusal('rate-limited', { message: 'the owner has not answered your earlier requests' })
  }
  const { row, ...opening } = opens(asking, options.now)
  const answers = [{ to: connection, event, reply: { status: 'pending' } as const }]
  return commit({ vault, ...options, opened, answers, ...opening, expected, rows: [row] })
}

/** What opens a question: to be committed with a row for the asking, numbered next. */
export function opens(
  { opened, connection, fields, question }: Omit<Asking, 'kind' | 'expected'>,
  now: number,
): { numbered: (row: number) => Change; outgoing: readonly Outgoing[]; row: AuditEntry } {
  const { vault, event } = opened
  const id = questionId(connection, event.id)
  const names = fields.map((field) => field.name)
  const purpose = purposeOf(fields)
  const record = {
    connection: connection.id,
    event: encodeEvent(event),
    contractVersion: event.contractVersion,
    fields: names,
    purpose: purpose ?? '',
    askedAt: now,
    expires: Math.min(event.exp, now + (connection.contract?.contract.limits.approvalMs ?? CONSENT_LIFE_MS)),
    question,
  }
  return {
    numbered: (row) => ask(id, { ...record, row }),
    outgoing: notices(vault, 'consent.asked', asked(vault, { id, record: { ...record, row: 0 } })),
    row: eventRow(connection, event, { at: now, result: 'pending', fields: names, purpose, answeredAt: null }),
  }
}
