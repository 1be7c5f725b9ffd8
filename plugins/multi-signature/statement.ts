/** What is voted on, and the bytes that votes and releases sign. */
import { decodeBase64url, encodeBase64url } from '../sdk/base64url.ts'
import { statementOf } from '../sdk/statement.ts'
import { sha512 } from './sha512.ts'

/** One who votes: the name is the hosting vault's own for them, the key is what their votes verify under. */
export interface Member {
  readonly name: string
  /** Ed25519, 32 bytes, base64url. */
  readonly key: string
}

/** A transfer with the policy it was proposed under: nothing in it ever changes. */
export interface Proposal {
  readonly id: string
  /** The document key of the vault that holds the transfer, base64url. */
  readonly host: string
  /** The hosting vault's name for whoever proposed it. */
  readonly proposer: string
  /** In the currency's smallest unit. */
  readonly amountMinor: number
  /** ISO 4217. */
  readonly currency: string
  readonly payee: string
  readonly purpose: string
  /** Milliseconds since the epoch, as are all times here. */
  readonly proposedAt: number
  readonly expires: number
  readonly threshold: number
  readonly members: readonly Member[]
}

export type Choice = 'approve' | 'reject'

export interface Vote {
  readonly key: string
  readonly choice: Choice
  /** By the voter's clock: of two votes of one member the later counts. */
  readonly at: number
  /** 64 bytes, base64url. */
  readonly signature: string
}

/** What a release says beside its own signature. */
export interface Approvals {
  readonly proposal: Proposal
  readonly votes: readonly Vote[]
  readonly releasedAt: number
}

/** Anybody can check it, with nothing else but the keys they expect. */
export interface Release extends Approvals {
  /** By `proposal.host`. */
  readonly signature: string
}

/** No other message signed with these keys begins like these. */
const domains = {
  proposal: 'vine/1 transfer.proposal',
  vote: 'vine/1 transfer.vote',
  release: 'vine/1 transfer.release',
} as const

/**
 * SHA-512, base64url, of `lp(domain) ‖ lp(host) ‖ lp(id) ‖ lp(proposer) ‖ u64(amountMinor) ‖ lp(currency) ‖
 * lp(payee) ‖ lp(purpose) ‖ u64(proposedAt) ‖ u64(expires) ‖ u64(threshold) ‖ u64(members) ‖ (lp(name) ‖ lp(key))…`,
 * where `lp` puts a u32be length before the bytes, texts are UTF-8, keys are their 32 bytes, numbers big-endian.
 */
export function proposalHash(proposal: Proposal): string {
  const { host, id, proposer, amountMinor, currency, payee, purpose, members } = proposal
  const times = [proposal.proposedAt, proposal.expires, proposal.threshold, members.length]
  return encodeBase64url(
    sha512(
      statementOf([
        domains.proposal,
        raw(host),
        id,
        proposer,
        amountMinor,
        currency,
        payee,
        purpose,
        ...times,
        ...members.flatMap(({ name, key }) => [name, raw(key)]),
      ]),
    ),
  )
}

/** `lp(domain) ‖ lp(id) ‖ lp(hash) ‖ lp(choice) ‖ u64(at)`; the hash names the vault, too. */
export function voteMessage(vote: { id: string; hash: string; choice: Choice; at: number }): Uint8Array {
  return statementOf([domains.vote, vote.id, raw(vote.hash), vote.choice, vote.at])
}

/** `lp(domain) ‖ lp(id) ‖ lp(hash) ‖ u64(releasedAt) ‖ u64(votes) ‖ (lp(key) ‖ u64(at) ‖ lp(signature))…`. */
export function releaseMessage({ proposal, votes, releasedAt }: Approvals): Uint8Array {
  const each = votes.flatMap(({ key, at, signature }) => [raw(key), at, raw(signature)])
  return statementOf([domains.release, proposal.id, raw(proposalHash(proposal)), releasedAt, votes.length, ...each])
}

/** What is no base64url stands for no bytes: no signature verifies over them by chance, since keys have 32. */
export function raw(text: string): Uint8Array {
  return decodeBase64url(text) ?? new Uint8Array()
}
