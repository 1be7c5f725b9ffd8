import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { type Ballot, countVote, stateOf, tally, type Transfer } from './quorum.ts'
import type { Vote } from './statement.ts'

const EXPIRES = 1_000
/** In these tests a signature is the text `<key> <choice> <at>`. */
const isSigned = ({ key, choice, at, signature }: Vote): boolean => signature === `${key} ${choice} ${at}`

function transferOf(members: number, threshold: number): Transfer {
  const ids = Array.from({ length: members }, (_, index) => String(index))
  const text = { id: 't', host: 'h', proposer: 'p', amountMinor: 1, currency: 'EUR', payee: 'x', purpose: 'y' }
  const policy = { threshold, members: ids.map((id) => ({ name: `m${id}`, key: `k${id}` })) }
  return {
    proposal: { ...text, proposedAt: 0, expires: EXPIRES, ...policy },
    hash: 'hash',
    connections: ids.map((id) => `c${id}`),
    proposer: { connection: 'c0', alias: 'm0' },
    votes: [],
  }
}

function ballotOf(member: number, choice: Ballot['choice'], at: number): Ballot {
  return { connection: `c${member}`, hash: 'hash', choice, at, signature: `k${member} ${choice} ${at}` }
}

/** Votes of members and of others, signed and forged, on this proposal and on another, in time and late. */
const events = fc.array(
  fc.record({
    now: fc.integer({ min: 0, max: EXPIRES + 100 }),
    member: fc.nat(7),
    signer: fc.option(fc.nat(7), { nil: undefined, freq: 3 }),
    choice: fc.constantFrom('approve' as const, 'approve' as const, 'reject' as const),
    at: fc.nat(6),
    hash: fc.constantFrom('hash', 'hash', 'hash', 'hash', 'other'),
  }),
  { maxLength: 40 },
)
const policies = fc
  .integer({ min: 1, max: 6 })
  .chain((members) => fc.tuple(fc.constant(members), fc.integer({ min: 1, max: members })))

test('no sequence of votes releases with fewer than k distinct members, nor twice, nor late', () => {
  let [released, rejected] = [0, 0]
  fc.assert(
    fc.property(policies, events, ([members, threshold], sequence) => {
      let transfer = transferOf(members, threshold)
      let closings = 0
      /** The oracle: the last valid choice of each member, told from the events alone. */
      const last = new Map<number, { choice: string; at: number }>()
      for (const { now, member, signer = member, choice, at, hash } of sequence.toSorted((a, b) => a.now - b.now)) {
        const signed = ballotOf(signer, choice, at)
        const counted = countVote(transfer, { ...signed, connection: `c${member}`, hash }, { now, isSigned })
        const wasOpen = stateOf(transfer, now) === 'open'
        const isValid = member < members && signer === member && hash === 'hash' && wasOpen
        if (isValid && at > (last.get(member)?.at ?? -1)) last.set(member, { choice, at })
        if ('no' in counted) continue
        if (!wasOpen) expect(counted.transfer).toBe(transfer)
        transfer = counted.transfer
        if (wasOpen && transfer.closed !== undefined) closings++
      }
      const approvals = [...last.values()].filter(({ choice }) => choice === 'approve').length
      expect(closings).toBeLessThanOrEqual(1)
      expect(new Set(transfer.votes.map(({ key }) => key)).size).toBe(transfer.votes.length)
      expect(transfer.closed?.state === 'released').toBe(approvals >= threshold)
      expect(transfer.closed?.state === 'rejected').toBe(last.size - approvals > members - threshold)
      if (transfer.closed?.state === 'released') {
        released++
        expect(transfer.closed.at).toBeLessThan(EXPIRES)
        expect(transfer.votes.filter((vote) => vote.choice === 'approve' && isSigned(vote))).toHaveLength(threshold)
      }
      if (transfer.closed?.state === 'rejected') rejected++
    }),
    { numRuns: 500 },
  )
  expect(Math.min(released, rejected)).toBeGreaterThan(10)
})

test('three of five: a vote counts once, may be changed while it is open, and closes nothing too early', () => {
  const count = (transfer: Transfer, ballot: Ballot, now = 1): Transfer => {
    const counted = countVote(transfer, ballot, { now, isSigned })
    if ('no' in counted) throw new Error(counted.no)
    return counted.transfer
  }
  let transfer = transferOf(5, 3)
  for (let repeat = 0; repeat < 3; repeat++) transfer = count(transfer, ballotOf(0, 'approve', 1))
  transfer = count(transfer, ballotOf(0, 'approve', 2))
  expect(tally(transfer)).toEqual({ approvals: 1, rejections: 0, missing: 2 })
  transfer = count(count(transfer, ballotOf(1, 'reject', 1)), ballotOf(2, 'reject', 1))
  expect(stateOf(transfer, 1)).toBe('open')
  expect(stateOf(count(transfer, ballotOf(3, 'reject', 1)), 1)).toBe('rejected')
  transfer = count(transfer, ballotOf(1, 'approve', 2))
  expect(countVote(transfer, ballotOf(1, 'reject', 1), { now: 1, isSigned })).toEqual({ no: 'vote-outdated' })
  transfer = count(transfer, ballotOf(4, 'approve', 1), 7)
  expect(transfer.closed).toEqual({ state: 'released', at: 7 })
  expect(countVote(transfer, ballotOf(4, 'reject', 2), { now: 8, isSigned })).toEqual({ no: 'transfer-closed' })
  expect(countVote(transfer, ballotOf(3, 'approve', 2), { now: EXPIRES, isSigned })).toEqual({ no: 'transfer-closed' })
})

test.each([
  ['of nobody in the policy', { connection: 'c9' }, 1, 'not-a-member'],
  ['on another proposal', { hash: 'other' }, 1, 'vote-invalid'],
  ['that is not signed', { signature: 'k0 reject 1' }, 1, 'vote-invalid'],
  ['of the moment it expires', {}, EXPIRES, 'transfer-expired'],
])('a vote %s does not count', (_name, change, now, no) => {
  expect(countVote(transferOf(5, 3), { ...ballotOf(0, 'approve', 1), ...change }, { now, isSigned })).toEqual({ no })
})
