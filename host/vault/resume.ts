/** A question answered: the very request it was about runs now, or is refused. */
import { Refusal } from '#host/errors.ts'
import type { Pool } from '#host/plugin/pool.ts'
import type { Registry } from '#host/plugin/registry.ts'
import type { AuditEntry } from '#host/storage/audit-row.ts'
import type { Change, Expectation } from '#host/storage/port.ts'
import { decodeEvent } from '#host/wire/event.ts'
import { admit, type Admitted } from './admit.ts'
import { checkCaps } from './caps.ts'
import type { Answer, Leaving, Outgoing } from './commit.ts'
import { outgoingOf, replyOf } from './complete.ts'
import { dispatch } from './dispatch.ts'
import { mayWait } from './factor.ts'
import type { Opened } from './open.ts'
import type { Connection } from './party.ts'
import { type Question, questions, settle } from './pending.ts'
import { refusedReply } from './refuse.ts'
import { eventRow } from './rows.ts'
import { opens } from './suspend.ts'
import type { Vault } from './vault.ts'

/** What ends a question: to be committed together with whatever caused the end. */
export interface Resumed {
  /** Empty when the handler asks the owner in its turn: the asker goes on waiting. */
  readonly answers: readonly Answer[]
  readonly numbered?: NonNullable<Leaving['numbered']>
  readonly outgoing: readonly Outgoing[]
  readonly changes: readonly Change[]
  readonly expected: readonly Expectation[]
  readonly row: AuditEntry
  readonly facts?: NonNullable<Leaving['facts']>
}

interface Asked {
  readonly vault: Vault
  readonly connection: Connection
  readonly question: Question
  readonly now: number
}

/** The owner's yes, with the choice that was made when the question offers some. */
export interface Yes {
  readonly choice: string | null
}

/**
 * Runs the request as approved. It is checked anew for everything but its token: a contract that changed meanwhile, or
 * a handler that fails, turns the yes into a refusal, which is an answer too.
 */
export async function resume(asked: Asked, options: { registry: Registry; pool: Pool; yes: Yes }): Promise<Resumed> {
  const { vault, connection, question, now } = asked
  // Taken before the handler runs: two devices may answer at once, and the second must find the question gone.
  let expected = stillOpen(asked)
  const event = decodeEvent(question.record.event)
  const opened: Opened = {
    kind: 'event',
    vault,
    party: connection,
    event,
    replay: false,
    // Its place in the window was taken when it was asked.
    mark() {},
    release() {},
  }
  const { factor } = question.record
  // A consent field's yes is none to what the handler itself may ask.
  const answer = factor ? (factor.answer ?? undefined) : question.record.question ? options.yes : undefined
  let admitted: Admitted | undefined
  try {
    const again = admit(opened, options.registry, { connection, approved: true, now })
    if (again.kind === 'asking') throw new Error('an approved request asked again')
    admitted = { ...again, approved: factor?.approved ?? true }
    // A version published or a connection ended while the handler runs: the question is answered under the new terms.
    expected = [...expected, ...admitted.expected]
    const executed = await dispatch(admitted, {
      pool: options.pool,
      now,
      answer,
    })
    const { effects, deeds } = executed
    expected = [...expected, ...effects.expected, ...deeds.expected]
    if (effects.question) {
      const next = opens({ ...admitted, question: effects.question }, now)
      return { ...next, answers: [], changes: [], expected }
    }
    // Refused here it is the asker's answer; refused by the commit it would be the owner's.
    checkCaps(vault, effects.changes)
    const ended = end(asked, { result: 'approved', reply: replyOf(executed), reason: deeds.reason })
    return {
      ...ended,
      outgoing: [
        ...outgoingOf(effects, { vault, event, asker: connection, registered: admitted.registered }),
        ...deeds.outgoing,
      ],
      changes: [...ended.changes, ...effects.changes, ...deeds.changes],
      facts: { handler: admitted.registered.name, facts: effects.facts },
      expected,
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    if (admitted && mayWait(error, admitted)) {
      const wait = { approved: admitted.approved, answer: answer ?? null }
      return { ...opens({ ...admitted, question: null, factor: wait }, now), answers: [], changes: [], expected }
    }
    return { ...end(asked, { result: 'refused', reply: refusedReply(error), reason: error.code }), expected }
  }
}

/** Ends a question without running anything: the owner said no, or nobody answered in time, or the connection ended. */
export function deny(asked: Asked, code: 'consent-denied' | 'consent-expired' | 'connection-inactive'): Resumed {
  return end(asked, { result: 'denied', reply: refusedReply(new Refusal(code, denial[code])), reason: code })
}

/** Ends every question of a connection that ends. */
export function denyAll(ending: Omit<Asked, 'question'>): Resumed[] {
  const { vault, connection } = ending
  return questions(vault, connection).map((question) => deny({ ...ending, question }, 'connection-inactive'))
}

const denial = {
  'consent-denied': 'the owner said no',
  'consent-expired': 'the owner did not answer in time',
  'connection-inactive': 'the connection has ended',
} as const

function end(
  { vault, connection, question, now }: Asked,
  how: { result: AuditEntry['result']; reply: Answer['reply']; reason?: string | null },
): Resumed {
  const { id, record } = question
  const event = decodeEvent(record.event)
  return {
    answers: [{ to: connection, event, reply: how.reply }],
    outgoing: [],
    changes: [settle(id)],
    expected: stillOpen({ vault, question }),
    row: eventRow(connection, event, {
      at: now,
      result: how.result,
      reason: how.reason ?? null,
      fields: record.fields,
      purpose: record.purpose,
      askedAt: record.askedAt,
      link: record.row,
    }),
  }
}

function stillOpen({ vault, question }: Pick<Asked, 'vault' | 'question'>): readonly Expectation[] {
  const key = `pending/${question.id}`
  const item = vault.system.get(key)
  if (!item) throw new Refusal('conflict', `question ${question.id} was answered meanwhile`)
  return [{ namespace: 'system', key, revision: item.revision }]
}
