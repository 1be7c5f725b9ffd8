/** The vault that holds transfers: its owner's policy, proposals, votes, and the release. */
import { now } from 'trellis:handler/clock@0.1.0'
import { publicKey, sign } from 'trellis:handler/keys@0.1.0'
import { notifyOwner, send } from 'trellis:handler/outbox@0.1.0'
import { current } from 'trellis:handler/session@0.1.0'
import type { Outcome } from 'trellis:handler/types@0.1.0'

import { encodeBase64url } from '../sdk/base64url.ts'
import { reply } from '../sdk/json.ts'
import { payloadOf, refuse } from '../sdk/refuse.ts'
import { encodeUtf8 } from '../sdk/utf8.ts'
import { addTransfer, type Policy, readPolicy, readTransfer, writePolicy, writeTransfer } from './book.ts'
import { type Ballot, countVote, stateOf, tally, type Transfer } from './quorum.ts'
import { type Proposal, proposalHash, type Release, releaseMessage } from './statement.ts'
import { isPolicy, isVoteSigned } from './verify.ts'

const KEY = 'identity'
/** How the release names the owner of the vault that holds the transfer. */
const OWNER = 'owner'
const LIFE_MS = 7 * 24 * 3_600_000
const LIFE_MS_MAX = 30 * 24 * 3_600_000

export interface PolicyRequest {
  readonly threshold?: number
  readonly members?: readonly { readonly name: string; readonly connection?: string; readonly key?: string }[]
}

export interface ProposeRequest extends Pick<Proposal, 'amountMinor' | 'currency' | 'payee' | 'purpose'> {
  readonly to?: string
  readonly expires?: number
}

export type VoteRequest = Omit<Ballot, 'connection'> & { readonly id: string }

/** Sets the policy of what is proposed from now on, or reads it. */
export function policy({ threshold, members }: PolicyRequest): Outcome {
  const before = readPolicy()
  if (threshold === undefined || members === undefined) return reply({ policy: before ?? null })
  const own = ownKey()
  const listed = members.map(({ name, connection = '', key = own }) => ({ name, connection, key }))
  const connections = new Set(listed.map(({ connection }) => connection))
  if (!isPolicy({ threshold, members: listed }) || connections.size !== listed.length) {
    return refuse('policy-invalid', 'list distinct members with their keys, and a threshold that they can reach')
  }
  if (listed.some(({ connection, key }) => (connection === '') !== (key === own))) {
    return refuse('policy-invalid', 'a member without a connection is this vault, with its own key')
  }
  const set: Policy = { version: (before?.version ?? 0) + 1, threshold, members: listed }
  writePolicy(set)
  return reply({ policy: set })
}

/** Takes a proposal up, under the policy of this moment, and asks every member. */
export function propose(request: ProposeRequest): Outcome {
  const { connection, connectionId, kind, eventId } = current()
  if (request.to !== undefined) return kind === 'owner' ? forward(request, request.to) : toNobody()
  const { expires = now() + LIFE_MS } = request
  if (expires <= now() || expires > now() + LIFE_MS_MAX) {
    return refuse('expiry-invalid', 'let it expire within thirty days from now')
  }
  const policy = readPolicy()
  if (policy === undefined) return refuse('no-policy', 'nobody votes here: the owner has to set a policy first')
  const { amountMinor, currency, payee, purpose } = request
  const isOwner = kind === 'owner'
  const proposal: Proposal = {
    id: eventId,
    host: ownKey(),
    proposer: isOwner ? OWNER : connection,
    amountMinor,
    currency,
    payee,
    purpose,
    proposedAt: now(),
    expires,
    threshold: policy.threshold,
    members: policy.members.map(({ name, key }) => ({ name, key })),
  }
  const transfer: Transfer = {
    proposal,
    hash: proposalHash(proposal),
    connections: policy.members.map((member) => member.connection),
    proposer: isOwner ? { connection: '', alias: '' } : { connection: connectionId, alias: connection },
    votes: [],
  }
  addTransfer(transfer, now())
  const unreached = sendToMembers(transfer, 'transfer.ask', { proposal })
  notify('transfer.proposed', { id: proposal.id, proposer: proposal.proposer, amountMinor, currency, payee, unreached })
  return reply(statusOf(transfer))
}

/** Counts a vote of whoever sent it; the one that makes the quorum releases, in the same commit. */
export function vote(ballot: VoteRequest): Outcome {
  return reply(statusOf(count(current().connectionId, ballot)))
}

/** @throws refusal why the vote does not count */
export function count(connection: string, { id, ...ballot }: VoteRequest): Transfer {
  const transfer = readTransfer(id)
  if (transfer === undefined) return unknown()
  const isSigned = (vote: Parameters<typeof isVoteSigned>[0]): boolean =>
    isVoteSigned(vote, { id, hash: transfer.hash })
  const counted = countVote(transfer, { connection, ...ballot }, { now: now(), isSigned })
  // To who is no member a transfer looks as if there were none.
  if ('no' in counted) return counted.no === 'not-a-member' ? unknown() : refuse(counted.no, reasons[counted.no])
  if (!counted.isNew) return counted.transfer
  const after = counted.transfer
  const settled = after.closed?.state === 'released' ? release(after) : after
  writeTransfer(settled)
  if (settled.closed !== undefined) notify('transfer.closed', { id, state: settled.closed.state })
  return settled
}

/** For the owner, for the proposer and for the members; to others it is as if there were none. */
export function status({ id }: { readonly id: string }): Outcome {
  const { connectionId, kind } = current()
  const transfer = readTransfer(id)
  if (transfer === undefined) return unknown()
  const { connections, proposer } = transfer
  const mayKnow = kind === 'owner' || proposer.connection === connectionId || connections.includes(connectionId)
  return mayKnow ? reply(statusOf(transfer)) : unknown()
}

const reasons = {
  'transfer-closed': 'it is decided: no vote changes it any more',
  'transfer-expired': 'it expired before it was decided',
  'vote-invalid': 'the vote is not signed by its member for this very proposal',
  'vote-outdated': 'a later vote of this member is here already',
} as const

function release(transfer: Transfer): Transfer {
  const { proposal, closed } = transfer
  const given = transfer.votes.filter(({ choice }) => choice === 'approve')
  const approvals = { proposal, votes: given, releasedAt: closed?.at ?? now() }
  const signed: Release = { ...approvals, signature: encodeBase64url(sign(KEY, releaseMessage(approvals))) }
  const { connections, proposer } = transfer
  sendToMembers(transfer, 'transfer.released', { release: signed })
  if (proposer.connection !== '' && !connections.includes(proposer.connection)) {
    trySend(proposer.alias, 'transfer.released', { release: signed })
  }
  return { ...transfer, release: signed }
}

/** Names of those who could not be reached: what one of them cannot hear keeps nobody from anything. */
function sendToMembers({ proposal, connections }: Transfer, type: string, body: unknown): string[] {
  const others = proposal.members.filter((_, index) => connections[index] !== '')
  return others.map(({ name }) => name).filter((name) => !trySend(name, type, body))
}

function trySend(to: string, type: string, body: unknown): boolean {
  try {
    send(to, type, encodeUtf8(JSON.stringify(body)))
    return true
  } catch (error) {
    if (payloadOf(error) === undefined) throw error
    return false
  }
}

/** The owner proposes something to a vault that is not theirs. */
function forward(request: ProposeRequest, to: string): Outcome {
  if (!trySend(to, 'transfer.propose', { ...request, to: undefined })) {
    return refuse('peer-unavailable', 'there is no such peer that takes proposals now')
  }
  return { tag: 'accepted' }
}

function toNobody(): never {
  return refuse('owner-only', 'only the owner sends proposals on')
}

function statusOf(transfer: Transfer): unknown {
  const { proposal, hash, votes, release } = transfer
  const nameOf = (key: string): string | undefined => proposal.members.find((member) => member.key === key)?.name
  const voted = votes.map(({ key, choice, at }) => ({ name: nameOf(key), choice, at }))
  const waiting = proposal.members.filter(({ key }) => !votes.some((vote) => vote.key === key)).map(({ name }) => name)
  const { approvals, missing } = tally(transfer)
  const state = stateOf(transfer, now())
  return { state, proposal, hash, votes: voted, waiting, approvals, missing, release: release ?? null }
}

export function ownKey(): string {
  return encodeBase64url(publicKey(KEY))
}

export function notify(type: string, body: unknown): void {
  notifyOwner(type, encodeUtf8(JSON.stringify(body)))
}

export function unknown(): never {
  return refuse('transfer-unknown', 'there is no such transfer for you')
}
