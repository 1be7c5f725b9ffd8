/** What anybody can check of votes and releases, with nothing but what is in them. */
import { isPublicKey, isSignedBy } from './ed25519.ts'
import { proposalHash, raw, type Release, releaseMessage, type Vote, voteMessage } from './statement.ts'

/** Whether this member signed this vote on this transfer. */
export function isVoteSigned(vote: Vote, transfer: { readonly id: string; readonly hash: string }): boolean {
  const { key, choice, at, signature } = vote
  return isSignedBy(raw(key), voteMessage({ ...transfer, choice, at }), raw(signature))
}

/** A threshold that members of different names and keys can reach. */
export function isPolicy({ threshold, members }: Pick<Release['proposal'], 'threshold' | 'members'>): boolean {
  const distinct = (values: readonly string[]): boolean => new Set(values).size === members.length
  return (
    threshold >= 1 &&
    threshold <= members.length &&
    distinct(members.map(({ name }) => name)) &&
    distinct(members.map(({ key }) => key)) &&
    members.every(({ key }) => isPublicKey(raw(key)))
  )
}

/**
 * Why a release is none; undefined when it is one. Whether `proposal.host` and the members' keys are those of the
 * vaults one means is for the reader to see: they are in the vaults' profiles.
 */
export function releaseMistake(release: Release): string | undefined {
  const { proposal, votes, signature } = release
  if (!isPolicy(proposal)) return 'its policy is none'
  const members = new Set(proposal.members.map(({ key }) => key))
  const voters = new Set(votes.map(({ key }) => key))
  if (voters.size !== votes.length) return 'a member is in it twice'
  if (votes.some(({ key, choice }) => choice !== 'approve' || !members.has(key))) return 'a vote is not a member’s yes'
  if (voters.size < proposal.threshold) return 'too few members approved'
  const { id } = proposal
  const hash = proposalHash(proposal)
  if (!votes.every((vote) => isVoteSigned(vote, { id, hash }))) return 'a vote is not signed by its member'
  if (release.releasedAt >= proposal.expires) return 'it was released when the transfer had expired'
  return isSignedBy(raw(proposal.host), releaseMessage(release), raw(signature))
    ? undefined
    : 'it is not signed by the vault that held the transfer'
}
