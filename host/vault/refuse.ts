/** A refusal told: audited, counted, sealed to who asked. The same no over and over costs neither rows nor writes. */
import { Refusal } from '#host/errors.ts'
import { MESSAGE_CHARS_MAX } from '#host/limits.ts'
import { HandlerRefusal } from '#host/plugin/refusal.ts'
import { VAULT_FULL_AGAIN_MS } from '#host/storage/limits.ts'
import type { AuditEntry } from '#host/storage/audit-row.ts'
import type { Reply } from '#host/wire/reply.ts'
import type { Subject } from '#host/wire/subject.ts'
import { ContractRefusal } from './admit.ts'
import { again as answeredAgain } from './once.ts'
import { commit, type Outgoing, settled, unkeptAnswer } from './commit.ts'
import { notices } from './notice.ts'
import type { Opened } from './open.ts'
import type { Letter } from './outbox.ts'
import { ANSWER, type Party, placeOf } from './party.ts'
import { eventRow, row } from './rows.ts'
import { unknownSession } from './unknown.ts'
import type { Vault } from './vault.ts'

export interface Refused {
  readonly vault: Vault
  readonly subject: Subject
  /** The message as it came. */
  readonly data: Uint8Array
  /** Absent when the message could not be opened: then nobody is answered. */
  readonly opened: Opened | undefined
  readonly now: number
  readonly random: (length: number) => Uint8Array
}

/** What may go well another time. */
const again = new Set<string>(['busy', 'conflict', 'rate-limited', 'audit-unavailable', 'second-factor-needed'])

/** What the asker is told. A handler's own code and words are passed on. */
export function refusedReply(refusal: Refusal): Reply {
  if (refusal instanceof HandlerRefusal) return { status: 'refused', ...refusal.answer }
  const retry = again.has(refusal.code)
  return { status: 'refused', code: refusal.code, message: refusal.message.slice(0, MESSAGE_CHARS_MAX), retry }
}

/**
 * The answer to a refused event; to a device that this vault does not know any more, how far the vault is. A broken log
 * or a shut bus is no answer to anybody: it goes up.
 *
 * @throws the refusal itself when it is about this host and not about the event
 */
export async function refuse(refusal: Refusal, refused: Refused): Promise<readonly Letter[]> {
  if (refusal.code === 'storage-failed' || refusal.code === 'bus-unavailable') throw refusal
  const letters = await answered(refusal, refused)
  return refusal.code === 'device-unknown' ? [...letters, ...unknownSession(refused)] : letters
}

async function answered(refusal: Refusal, refused: Refused): Promise<readonly Letter[]> {
  if (refusal.code === 'audit-unavailable') return unaudited(refusal, refused)
  try {
    return await audited(refusal, refused)
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== 'audit-unavailable') throw error
    return unaudited(error, refused)
  }
}

/** Nothing can be written: the sender hears of it all the same, and the trail when it can be written again. */
function unaudited(refusal: Refusal, refused: Refused): readonly Letter[] {
  const { vault, opened, now, random } = refused
  vault.writer.owe(vault.refusals.rowsFor(rowOf(refusal, refused)))
  if (!opened || isAnswer(opened)) return []
  opened.release()
  return [unkeptAnswer({ to: opened.party, event: opened.event, reply: refusedReply(refusal) }, { now, random })]
}

async function audited(refusal: Refusal, refused: Refused): Promise<readonly Letter[]> {
  const { vault, opened, now, random } = refused
  const rows = vault.refusals.rowsFor(rowOf(refusal, refused))
  if (!opened || refusal.code === 'replayed' || isAnswer(opened)) {
    if (rows.length > 0) await commit({ vault, now, random, rows })
    return repeat(refused)
  }
  const answer = { to: opened.party, event: opened.event, reply: refusedReply(refusal) }
  if (rows.length === 0) {
    // A flood: answered, counted, and not written. The window bit is kept in memory alone.
    opened.mark()
    return [unkeptAnswer(answer, { now, random })]
  }
  return commit({
    vault,
    now,
    random,
    opened,
    answers: [answer],
    outgoing: told(refusal, { vault, opened, now }),
    rows,
  })
}

/** A notice for the owner, now and then as long as it stays so. */
function full(vault: Vault, now: number): Outgoing[] {
  if (vault.toldFullAt !== undefined && now - vault.toldFullAt < VAULT_FULL_AGAIN_MS) return []
  vault.toldFullAt = now
  return notices(vault, 'vault.full', { bytes: vault.store.size.bytes, bytesMax: vault.bytesMax })
}

/** A peer's answer is answered by nobody, or two vaults would never end. */
function isAnswer({ event, party }: Opened): boolean {
  return event.type === ANSWER && placeOf(party) !== undefined
}

/** What the owner hears of it, beside the row: what they can do something about. */
function told({ code }: Refusal, { vault, opened, now }: { vault: Vault; opened: Opened; now: number }): Outgoing[] {
  const { party, event } = opened
  if (code === 'rate-limited') return blocked(vault, party)
  if (code === 'vault-full') return full(vault, now)
  if (code !== 'second-factor-needed' || party.party !== 'connection') return []
  return notices(vault, 'factor.needed', { question: null, who: party.record.alias, type: event.type })
}

/** The owner is told once in each of a connection's hours. */
function blocked(vault: Vault, party: Party): Outgoing[] {
  if (party.party !== 'connection' || party.toldBlocked === party.bucket.since) return []
  party.toldBlocked = party.bucket.since
  return notices(vault, 'rate.blocked', { connection: party.id, alias: party.record.alias })
}

/** A replayed event was answered once already: whoever lost that answer gets the same one. */
async function repeat({ opened, ...moment }: Refused): Promise<readonly Letter[]> {
  if (!opened) return []
  const letters = answeredAgain(opened, moment)
  await settled(letters, moment)
  return letters
}

function rowOf(refusal: Refusal, { vault, subject, opened, now }: Refused): AuditEntry {
  const reason = refusal instanceof HandlerRefusal ? `handler/${refusal.answer.code}` : refusal.code
  const fields = refusal instanceof ContractRefusal && refusal.field !== null ? [refusal.field] : []
  if (opened) return eventRow(opened.party, opened.event, { at: now, result: 'refused', reason, fields })
  // A name that is no connection is the sender's invention: counted under none, so that inventing does not pay.
  const known = subject.space === 'message' && vault.connections.has(subject.connection)
  const connection = known ? subject.connection : null
  return row({ at: now, who: 'unknown', connection, eventType: subject.type, result: 'refused', reason })
}
