/** The vault that votes: it keeps what others ask, signs what its owner decides, and checks what is released. */
import { now } from 'trellis:handler/clock@0.1.0'
import { sign } from 'trellis:handler/keys@0.1.0'
import { send } from 'trellis:handler/outbox@0.1.0'
import { current } from 'trellis:handler/session@0.1.0'
import type { Outcome } from 'trellis:handler/types@0.1.0'

import { encodeBase64url } from '../sdk/base64url.ts'
import { reply } from '../sdk/json.ts'
import { payloadOf, refuse } from '../sdk/refuse.ts'
import { encodeUtf8 } from '../sdk/utf8.ts'
import { addAsk, asksOf, readAsk, readTransfer, writeAsk } from './book.ts'
import { count, notify, ownKey, unknown, type VoteRequest } from './hosting.ts'
import { type Choice, type Proposal, proposalHash, type Release, voteMessage } from './statement.ts'
import { releaseMistake } from './verify.ts'

/** Another vault asks this one's owner. */
export function ask({ proposal }: { readonly proposal: Proposal }): Outcome {
  const { connection: alias, connectionId } = current()
  const { id, members, expires } = proposal
  const hash = proposalHash(proposal)
  const own = ownKey()
  if (!members.some(({ key }) => key === own))
    return refuse('not-a-member', 'the key of this vault is not in the policy')
  if (expires <= now()) return refuse('transfer-expired', 'it expired before it came here')
  const before = readAsk(connectionId, id)
  // The owner voted, or will vote, on what they were shown.
  if (before !== undefined && before.hash !== hash) {
    return refuse('proposal-changed', 'another proposal of this id is here already')
  }
  if (before === undefined) {
    addAsk(connectionId, { proposal, hash, alias }, now())
    const { amountMinor, currency, payee, purpose, proposer } = proposal
    const shown = { id, hash, proposer, amountMinor, currency, payee, purpose, expires }
    notify('transfer.asked', { from: alias, connection: connectionId, ...shown })
  }
  return reply({ id, hash })
}

/** What one vault has asked. */
export function asked({ after }: { readonly after?: string }): Outcome {
  const { asks, next } = asksOf(current().connectionId, after)
  const shown = asks.map(({ proposal, hash, cast, release }) => {
    return { proposal, hash, cast: cast ?? null, release: release ?? null }
  })
  return reply({ asked: shown, next })
}

/** The owner decides: on a transfer of the vault behind the connection, or of this vault itself. */
export function cast({ id, choice }: { readonly id: string; readonly choice: Choice }): Outcome {
  const { connectionId } = current()
  if (connectionId === '') return castHere(id, choice)
  const found = readAsk(connectionId, id)
  if (found === undefined) return unknown()
  const { proposal, hash, alias } = found
  if (proposal.expires <= now()) return refuse('transfer-expired', 'it expired before it was voted on')
  const ballot = signed({ id, hash, choice, at: laterThan(found.cast?.at) })
  try {
    send(alias, 'transfer.vote', encodeUtf8(JSON.stringify(ballot)))
  } catch (error) {
    if (payloadOf(error) === undefined) throw error
    return refuse('peer-unavailable', 'the vault of this transfer takes no votes now', { retry: true })
  }
  writeAsk(connectionId, { ...found, cast: { choice, at: ballot.at } })
  return reply({ id, choice, at: ballot.at })
}

/** The release of a transfer that this vault was asked about, or had proposed. */
export function released({ release }: { readonly release: Release }): Outcome {
  const mistake = releaseMistake(release)
  if (mistake !== undefined) return refuse('release-invalid', `the release does not hold: ${mistake}`)
  const { connection: from, connectionId } = current()
  const { id } = release.proposal
  const found = readAsk(connectionId, id)
  if (found !== undefined && found.hash !== proposalHash(release.proposal)) {
    return refuse('proposal-changed', 'this is not the proposal that was voted on')
  }
  if (found?.release === undefined) {
    if (found !== undefined) writeAsk(connectionId, { ...found, release })
    notify('transfer.released', { from, connection: connectionId, release })
  }
  return reply({ id })
}

function castHere(id: string, choice: Choice): Outcome {
  const transfer = readTransfer(id)
  const own = ownKey()
  if (transfer === undefined) return unknown()
  const { hash, votes } = transfer
  const ballot = signed({ id, hash, choice, at: laterThan(votes.find(({ key }) => key === own)?.at) })
  count('', ballot)
  return reply({ id, choice, at: ballot.at })
}

/** A change of mind in the same millisecond is a later vote all the same. */
function laterThan(before: number | undefined): number {
  return Math.max(now(), (before ?? 0) + 1)
}

function signed(vote: Omit<VoteRequest, 'signature'>): VoteRequest {
  return { ...vote, signature: encodeBase64url(sign('identity', voteMessage(vote))) }
}
