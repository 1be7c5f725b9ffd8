import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { type Delegation, type Person, type Policy, policyMistake } from './policy.ts'
import { decide, type Expense } from './rules.ts'

const person = (id: string, ...roles: string[]): Person => ({ id, name: id, connections: [`c-${id}`], roles })
const people = {
  ann: person('ann', 'staff'),
  ben: person('ben', 'staff', 'lead'),
  cleo: person('cleo', 'lead'),
  dan: person('dan', 'director'),
  eva: person('eva'),
  fay: person('fay', 'director'),
}
const policy: Policy = {
  version: 1,
  currency: 'EUR',
  fourEyesAboveMinor: 100_000,
  roles: [
    { role: 'staff', approvesUpToMinor: 0 },
    { role: 'lead', approvesUpToMinor: 50_000 },
    { role: 'director', approvesUpToMinor: 1_000_000 },
  ],
  persons: Object.values(people),
}
type Name = keyof typeof people

function expenseOf(amountMinor: number, by: Name = 'ann', more: Partial<Expense> = {}): Expense {
  return {
    amountMinor,
    submitter: by,
    beneficiary: by,
    connections: [`c-${by}`],
    state: 'open',
    approvals: [],
    ...more,
  }
}

function ask(
  expense: Expense,
  name: Name,
  {
    delegations = [],
    now = 1,
    choice = 'approve',
    under = policy,
  }: {
    delegations?: readonly Delegation[]
    now?: number
    choice?: 'approve' | 'reject'
    under?: Policy
  } = {},
) {
  return decide({ expense, policy: under, delegations }, { person: people[name], choice, now })
}

const lend = (from: Name, to: Name, until = 10): Delegation => ({ from, to, until })

test.each<[string, number, Name, Name, readonly Delegation[], string, string]>([
  ['a lead within their amount', 50_000, 'ann', 'cleo', [], 'approved', 'own-authority'],
  ['a lead over it', 50_001, 'ann', 'cleo', [], 'denied', 'amount-over-limit'],
  ['somebody without a role', 1, 'ann', 'eva', [], 'denied', 'no-role'],
  ['their own', 1, 'ben', 'ben', [], 'denied', 'own-expense'],
  ['their own, in another’s place', 1, 'ann', 'ann', [lend('dan', 'ann')], 'denied', 'own-expense'],
  ['a delegate of who submitted', 1, 'ben', 'eva', [lend('ben', 'eva')], 'denied', 'own-expense-delegated'],
  ['a delegate of another', 1, 'ann', 'eva', [lend('cleo', 'eva')], 'approved', 'delegated-authority'],
  ['a delegate whose time is over', 1, 'ann', 'eva', [lend('cleo', 'eva', 1)], 'denied', 'no-role'],
  [
    'a delegate of a delegate',
    60_000,
    'ann',
    'eva',
    [lend('dan', 'ben'), lend('ben', 'eva')],
    'denied',
    'amount-over-limit',
  ],
  [
    'a lead with a director’s authority',
    90_000,
    'ann',
    'cleo',
    [lend('dan', 'cleo')],
    'approved',
    'delegated-authority',
  ],
  ['a director, over four eyes', 100_001, 'ann', 'dan', [], 'needs-second', 'four-eyes'],
])('%s', (_name, amountMinor, submitter, who, delegations, result, rule) => {
  const { decision } = ask(expenseOf(amountMinor, submitter), who, { delegations })
  expect(decision).toMatchObject({ result, rule, person: who })
  expect(decision.why).not.toBe('')
})

test('words say who, by what and up to how much', () => {
  const { decision } = ask(expenseOf(90_000), 'cleo', { delegations: [lend('dan', 'cleo')] })
  expect(decision.why).toBe('dan delegated it to cleo, up to 1000000 minor units of EUR')
  expect(ask(expenseOf(50_001), 'cleo').decision.why).toBe(
    'the amount is over what this person may approve: at most 50000 minor units of EUR',
  )
})

test('two approvers are two persons on two authorities', () => {
  const { expense: once } = ask(expenseOf(500_000), 'eva', { delegations: [lend('dan', 'eva')] })
  expect(once.state).toBe('open')
  const second = (name: Name, ...delegations: Delegation[]) => ask(once, name, { delegations }).decision
  expect(second('eva', lend('fay', 'eva'))).toMatchObject({ result: 'denied', rule: 'already-approved' })
  expect(second('dan')).toMatchObject({ result: 'denied', rule: 'same-authority' })
  expect(second('dan', lend('fay', 'dan'))).toMatchObject({ result: 'denied', rule: 'same-authority' })
  expect(second('cleo', lend('dan', 'cleo'))).toMatchObject({ result: 'denied', rule: 'amount-over-limit' })
  expect(second('fay')).toMatchObject({ result: 'approved', rule: 'second-approver', authority: 'fay' })
  const { expense: first } = ask(expenseOf(500_000), 'dan')
  const inPlace = ask(first, 'eva', { delegations: [lend('dan', 'eva')] }).decision
  expect(inPlace).toMatchObject({ result: 'denied', rule: 'same-authority' })
})

test('an approval under another policy has to be given anew', () => {
  const { expense: once } = ask(expenseOf(500_000), 'dan')
  const under = { ...policy, version: 2 }
  expect(ask(once, 'fay', { under }).decision.rule).toBe('four-eyes')
  expect(ask(once, 'dan', { under }).expense.approvals).toHaveLength(1)
})

test('who was renamed is who submitted it', () => {
  const expense = expenseOf(1, 'ann', { connections: ['c-ann', 'c-cleo'] })
  expect(ask(expense, 'cleo').decision.rule).toBe('own-expense')
  expect(ask(expense, 'eva', { delegations: [lend('cleo', 'eva')] }).decision.rule).toBe('own-expense-delegated')
})

test('a no ends it, also of who said yes before; what is decided stays', () => {
  const { expense: once } = ask(expenseOf(500_000), 'dan')
  const { expense, decision } = ask(once, 'dan', { choice: 'reject' })
  expect([expense.state, decision.result, decision.rule]).toEqual(['rejected', 'rejected', 'own-authority'])
  expect(ask(expense, 'fay').decision).toMatchObject({ result: 'denied', rule: 'already-decided' })
  expect(ask(once, 'ann', { choice: 'reject' }).decision.rule).toBe('own-expense')
  expect(ask(once, 'cleo', { choice: 'reject' }).decision.rule).toBe('amount-over-limit')
})

test('no sequence approves with a party, with one person twice, or over anybody’s amount', () => {
  const name = fc.constantFrom(...Object.values(people).map(({ id }) => id as Name))
  const delegation = fc.record({ from: name, to: name, until: fc.nat(20) })
  const step = fc.record({ name, choice: fc.constantFrom('approve' as const, 'approve' as const, 'reject' as const) })
  const start = fc.record({
    amountMinor: fc.constantFrom(1, 50_000, 50_001, 100_000, 100_001, 1_000_000, 1_000_001),
    submitter: name,
    beneficiary: name,
  })
  let approved = 0
  fc.assert(
    fc.property(
      start,
      fc.array(delegation, { maxLength: 6 }),
      fc.array(step, { maxLength: 12 }),
      (given, lent, steps) => {
        const parties = [given.submitter, given.beneficiary]
        let expense = expenseOf(given.amountMinor, given.submitter, given)
        for (const [now, { name: who, choice }] of steps.entries()) {
          const before = expense
          const { expense: after, decision } = ask(before, who, { delegations: lent, now, choice })
          expense = after
          if (decision.result === 'denied') expect(after).toBe(before)
          if (before.state !== 'open') expect(after).toBe(before)
          if (decision.authority !== null && decision.authority !== who) {
            const { authority } = decision
            expect(lent.some(({ from, to, until }) => from === authority && to === who && now < until)).toBe(true)
          }
          if (decision.result !== 'denied') expect(parties).not.toContain(who)
        }
        if (expense.state !== 'approved') return
        approved++
        const involved = expense.approvals.map(({ person: id, authority }) => [...new Set([id, authority])])
        for (const id of involved.flat()) expect(parties).not.toContain(id)
        expect(new Set(involved.flat()).size).toBe(involved.flat().length)
        expect(involved.length).toBe(given.amountMinor > policy.fourEyesAboveMinor ? 2 : 1)
        const upTo = ({ roles }: Person): number =>
          Math.max(...policy.roles.filter(({ role }) => roles.includes(role)).map((role) => role.approvesUpToMinor), -1)
        for (const { authority } of expense.approvals) {
          expect(upTo(people[authority as Name])).toBeGreaterThanOrEqual(given.amountMinor)
        }
      },
    ),
    { numRuns: 1_000 },
  )
  expect(approved).toBeGreaterThan(50)
})

test.each([
  ['a role twice', { roles: [...policy.roles, { role: 'lead', approvesUpToMinor: 9 }] }],
  ['a person twice', { persons: [...policy.persons, { ...people.ann, connections: [] }] }],
  ['a connection is in it twice', { persons: [...policy.persons, { ...people.ann, id: 'ann2' }] }],
  ['a role has no amount', { persons: [person('gil', 'boss')] }],
])('no policy: %s', (_name, change) => {
  expect(policyMistake(policy)).toBeUndefined()
  expect(policyMistake({ ...policy, ...change })).toBeDefined()
})
