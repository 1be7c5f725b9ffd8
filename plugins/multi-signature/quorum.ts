/** When a vote counts, and what follows from it. Pure: who signed what is asked of the caller. */
import type { Proposal, Release, Vote } from './statement.ts'

/** A transfer as its vault keeps it. */
export interface Transfer {
  readonly proposal: Proposal
  readonly hash: string
  /** Connection of each member, in the order of `proposal.members`; empty for the vault itself. */
  readonly connections: readonly string[]
  readonly proposer: { readonly connection: string; readonly alias: string }
  /** At most one of each member: the last. */
  readonly votes: readonly Vote[]
  readonly closed?: { readonly state: 'released' | 'rejected'; readonly at: number }
  readonly release?: Release
}

type State = 'open' | 'released' | 'rejected' | 'expired'

export interface Ballot extends Omit<Vote, 'key'> {
  /** Whose vote it is: the connection it came over. */
  readonly connection: string
  /** Hash of the proposal the voter saw. */
  readonly hash: string
}

export type Counted =
  | { readonly transfer: Transfer; readonly isNew: boolean }
  | { readonly no: 'not-a-member' | 'transfer-closed' | 'transfer-expired' | 'vote-invalid' | 'vote-outdated' }

export function stateOf({ proposal, closed }: Transfer, now: number): State {
  return closed?.state ?? (now < proposal.expires ? 'open' : 'expired')
}

/**
 * Counts a vote. While a transfer is open a member may vote again, and the vote with the later `at` is the member's
 * one vote; the very vote that stands is no new one. A transfer closes with the vote that makes its threshold, or with
 * the one after which too few members are left to reach it. What has closed stays as it is.
 */
export function countVote(
  transfer: Transfer,
  ballot: Ballot,
  options: { readonly now: number; readonly isSigned: (vote: Vote) => boolean },
): Counted {
  const { now } = options
  const place = transfer.connections.indexOf(ballot.connection)
  const member = transfer.proposal.members[place]
  if (member === undefined) return { no: 'not-a-member' }
  const vote: Vote = { key: member.key, choice: ballot.choice, at: ballot.at, signature: ballot.signature }
  const standing = transfer.votes.find(({ key }) => key === member.key)
  if (standing !== undefined && isSame(standing, vote)) return { transfer, isNew: false }
  const state = stateOf(transfer, now)
  if (state === 'expired') return { no: 'transfer-expired' }
  if (state !== 'open') return { no: 'transfer-closed' }
  if (ballot.hash !== transfer.hash || !options.isSigned(vote)) return { no: 'vote-invalid' }
  if (standing !== undefined && vote.at <= standing.at) return { no: 'vote-outdated' }
  const votes = [...transfer.votes.filter(({ key }) => key !== member.key), vote]
  return { transfer: close({ ...transfer, votes }, now), isNew: true }
}

/** How many approvals there are, and how many are missing. */
export function tally({ proposal, votes }: Transfer): { approvals: number; rejections: number; missing: number } {
  const approvals = votes.filter(({ choice }) => choice === 'approve').length
  return { approvals, rejections: votes.length - approvals, missing: Math.max(0, proposal.threshold - approvals) }
}

function close(transfer: Transfer, now: number): Transfer {
  const { approvals, rejections, missing } = tally(transfer)
  if (missing === 0) return { ...transfer, closed: { state: 'released', at: now } }
  const undecided = transfer.proposal.members.length - approvals - rejections
  return missing > undecided ? { ...transfer, closed: { state: 'rejected', at: now } } : transfer
}

function isSame(one: Vote, other: Vote): boolean {
  return one.choice === other.choice && one.at === other.at && one.signature === other.signature
}
