/**
 * `location.share`: the owner starts and stops sharing where they are with one peer, and their device tells where that
 * is. `location.update`: where a peer is, the last word only. `location.where`: the owner reads it.
 */
import { now } from 'trellis:handler/clock@0.1.0'
import { notifyOwner, send } from 'trellis:handler/outbox@0.1.0'
import { current } from 'trellis:handler/session@0.1.0'
import type { Outcome } from 'trellis:handler/types@0.1.0'

import { parseJson, reply } from '../sdk/json.ts'
import { payloadOf, refuse } from '../sdk/refuse.ts'
import { encodeUtf8 } from '../sdk/utf8.ts'
import { coarse, type Position } from './position.ts'
import { forget, keepLast, last, remember, shared, type Update } from './state.ts'

interface ShareRequest {
  readonly to: string
  readonly action: 'start' | 'stop' | 'update'
  /** Decimals of a degree: 5 is a metre, 0 is a hundred kilometres. */
  readonly precision?: number
  readonly until?: number
  readonly position?: Position
}

/** Whoever wants to be found for longer says so again. */
const SHARE_MS_MAX = 7 * 24 * 3_600_000

export function handle(body: Uint8Array): Outcome {
  const { eventType } = current()
  const request = parseJson(body)
  if (eventType === 'location.update') return take(request as Update)
  if (eventType === 'location.where') return where()
  const share = request as ShareRequest
  if (share.action === 'start') return start(share)
  return share.action === 'stop' ? stop(share) : update(share)
}

function start({ to, precision, until, position }: ShareRequest): Outcome {
  if (precision === undefined || until === undefined) {
    return refuse('terms-missing', 'say how precise and until when')
  }
  if (until <= now()) return refuse('until-passed', 'sharing would be over already')
  if (until > now() + SHARE_MS_MAX) return refuse('until-too-far', 'share for a week at most')
  const terms = { precision, until }
  remember(to, terms)
  if (position !== undefined) tell(to, { state: 'on', ...coarse(position, precision), until })
  return reply({ state: 'on', ...terms })
}

/** The peer's copy ends with `until` even when this never gets there. */
function stop({ to }: ShareRequest): Outcome {
  const terms = shared(to)
  forget(to)
  if (terms !== null) tell(to, { state: 'off', at: now() })
  return reply({ state: 'off' })
}

function update({ to, precision, position }: ShareRequest): Outcome {
  const terms = shared(to)
  if (terms === null || terms.until <= now()) return refuse('not-sharing', 'start sharing with this peer first')
  if (position === undefined) return refuse('position-missing', 'say where you are')
  // One update may be less precise than what was allowed, never more.
  const decimals = Math.min(terms.precision, precision ?? terms.precision)
  tell(to, { state: 'on', ...coarse(position, decimals), until: terms.until })
  return reply({ state: 'on', precision: decimals, until: terms.until })
}

function tell(to: string, about: Update): void {
  try {
    send(to, 'location.update', encodeUtf8(JSON.stringify(about)))
  } catch (error) {
    if (payloadOf(error) === undefined) throw error
    refuse('peer-unavailable', 'there is no such peer that takes positions now')
  }
}

function take(about: Update): Outcome {
  const before = last()
  // Best effort may overtake itself: an older word does not undo a newer one.
  if (before !== null && about.at <= before.at) return reply({ at: before.at })
  if (about.state === 'on' && about.until <= now()) return refuse('until-passed', 'sharing is over')
  keepLast(about)
  const { connection, connectionId } = current()
  const notice = { from: connection, connection: connectionId, state: about.state }
  notifyOwner('location.updated', encodeUtf8(JSON.stringify(notice)))
  return reply({ at: about.at })
}

function where(): Outcome {
  const known = last()
  if (known === null || known.state === 'off' || known.until <= now()) return reply({ state: 'off' })
  return reply(known)
}
