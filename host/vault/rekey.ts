/** The session's epochs move on: offers and answers travel the same lanes as events, and never reach a handler. */
import { answerRekey, finishRekey, offerRekey, rekeyDue, settleRekey } from '#host/crypto/rekey.ts'
import { exportSession, type Session } from '#host/crypto/session.ts'
import { Refusal } from '#host/errors.ts'
import type { Change } from '#host/storage/port.ts'
import { parseEventType } from '#host/wire/id.ts'
import type { Rekeying } from './open.ts'
import { answerLane, type Party } from './party.ts'

const REKEY = parseEventType('session.rekey')

export interface RekeyMoment {
  readonly now: number
  readonly random: (length: number) => Uint8Array
}

/** What the session's upkeep adds to a commit of this party. */
export interface Upkeep {
  readonly changes: readonly Change[]
  readonly messages: readonly { readonly subject: string; readonly envelope: Uint8Array }[]
}

/** Offers the next epoch when it is due and lets go of what an earlier step left. */
export function upkeep(party: Party & { session: Session }, { now, random }: RekeyMoment): Upkeep {
  const { session } = party
  const settled = settleRekey(session, now)
  if (!rekeyDue(session, now)) return { changes: settled ? [stored(party)] : [], messages: [] }
  const { subject, bind } = answerLane(party, REKEY)
  const envelope = offerRekey(session, { bind, mid: random(16), now })
  return { changes: [stored(party)], messages: envelope ? [{ subject, envelope }] : [] }
}

/** Answers an offer or takes an answer. To be committed at once: the new epoch is stored before the answer leaves. */
export function follow({ party, envelope, message }: Omit<Rekeying, 'vault'>, { now, random }: RekeyMoment): Upkeep {
  const { session } = party
  if (!session) throw new Refusal('unknown-connection', `${party.key} has no session`)
  if (message.kind === 'rekey-answer') {
    finishRekey(session, { envelope, opened: message }, now)
    // One that came too late moves no epoch, but takes its place in the window.
    return { changes: message.replay ? [] : [stored({ ...party, session })], messages: [] }
  }
  const { subject, bind } = answerLane(party, REKEY)
  const answer = answerRekey(session, { envelope, opened: message }, { bind, mid: random(16), now })
  return { changes: [stored({ ...party, session })], messages: answer ? [{ subject, envelope: answer }] : [] }
}

function stored({ key, session }: { key: Party['key']; session: Session }): Change {
  return { namespace: 'system', key: `session/${key}`, value: exportSession(session), sensitivity: 'critical' }
}
