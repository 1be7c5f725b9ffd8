/** Who may decide on an expense, and what follows. Pure: every answer says which rule gave it. */
import { approvesUpTo, type Delegation, type Person, type Policy } from './policy.ts'

export type Choice = 'approve' | 'reject'

/** An approval that counts. */
export interface Approval {
  readonly person: string
  /** Whose authority it rests on: the person's own, or that of whoever delegated it. */
  readonly authority: string
  readonly at: number
  readonly policyVersion: number
}

/** What the rules look at. */
export interface Expense {
  readonly amountMinor: number
  readonly submitter: string
  /** Whose expense it is: the submitter, or another they submit it for. */
  readonly beneficiary: string
  /** All connections of both when it was submitted: another policy may say that they are somebody else. */
  readonly connections: readonly string[]
  readonly state: 'open' | 'approved' | 'rejected'
  readonly approvals: readonly Approval[]
}

type Rule =
  | 'own-authority'
  | 'delegated-authority'
  | 'second-approver'
  | 'four-eyes'
  | 'already-decided'
  | 'own-expense'
  | 'own-expense-delegated'
  | 'already-approved'
  | 'same-authority'
  | 'amount-over-limit'
  | 'no-role'

/** Which rule decided, in a code and in words. */
export interface Decision {
  readonly result: 'approved' | 'rejected' | 'needs-second' | 'denied'
  readonly rule: Rule
  readonly why: string
  readonly person: string
  /** Whose authority it rests on; null when it was denied. */
  readonly authority: string | null
}

export interface Asking {
  readonly person: Person
  readonly choice: Choice
  readonly now: number
}

interface Facts {
  readonly expense: Expense
  readonly policy: Policy
  readonly delegations: readonly Delegation[]
}

interface Authority {
  readonly holder: Person
  readonly upToMinor: number
}

/** Decides, and gives the expense as it is afterwards: the same one when nothing was permitted. */
export function decide(facts: Facts, asking: Asking): { readonly expense: Expense; readonly decision: Decision } {
  const { expense, policy } = facts
  const { person, choice, now: at } = asking
  const found = barred(facts, asking) ?? authorityFor(facts, asking)
  if ('no' in found) {
    const why = found.more === undefined ? words[found.no] : `${words[found.no]}: ${found.more}`
    return { expense, decision: { result: 'denied', rule: found.no, why, person: person.id, authority: null } }
  }
  const { holder, upToMinor } = found
  const isOwn = holder.id === person.id
  const rests = isOwn ? `${person.name} may by their own role` : `${holder.name} delegated it to ${person.name}`
  const why = `${rests}, up to ${amount(upToMinor, policy)}`
  const said = { person: person.id, authority: holder.id }
  const alone = { rule: isOwn ? 'own-authority' : 'delegated-authority', why, ...said } as const
  if (choice === 'reject') {
    return { expense: { ...expense, state: 'rejected' }, decision: { result: 'rejected', ...alone } }
  }
  const approvals = [...standing(expense, policy), { ...said, at, policyVersion: policy.version }]
  if (expense.amountMinor <= policy.fourEyesAboveMinor) {
    return { expense: { ...expense, approvals, state: 'approved' }, decision: { result: 'approved', ...alone } }
  }
  const limit = amount(policy.fourEyesAboveMinor, policy)
  if (approvals.length < 2) {
    const second = `${why}; over ${limit} a second person has to approve`
    const decision: Decision = { result: 'needs-second', rule: 'four-eyes', why: second, ...said }
    return { expense: { ...expense, approvals }, decision }
  }
  const both = `${why}; it is over ${limit}, and two persons approved`
  const decision: Decision = { result: 'approved', rule: 'second-approver', why: both, ...said }
  return { expense: { ...expense, approvals, state: 'approved' }, decision }
}

/** Approvals under a policy that is no longer in force have to be given anew. */
export function standing({ approvals }: Expense, { version }: Policy): readonly Approval[] {
  return approvals.filter(({ policyVersion }) => policyVersion === version)
}

interface Denied {
  readonly no: keyof typeof words
  readonly more?: string
}

const words = {
  'already-decided': 'it is decided already',
  'own-expense': 'nobody decides on what they submitted or get, in whatever role and for whomever',
  'own-expense-delegated': 'only somebody who submitted or gets it delegated to this person',
  'already-approved': 'this person approved it already: a second approval is another person’s',
  'same-authority': 'the second approval has to rest on another person’s authority than the first',
  'amount-over-limit': 'the amount is over what this person may approve',
  'no-role': 'this person has no role that approves, and nobody delegated one',
} as const satisfies Partial<Record<Rule, string>>

/** What bars a person whatever authority they have. */
function barred({ expense, policy }: Facts, { person, choice }: Asking): Denied | undefined {
  if (expense.state !== 'open') return { no: 'already-decided', more: expense.state }
  if (isParty(expense, person)) return { no: 'own-expense' }
  const hasApproved = standing(expense, policy).some((one) => one.person === person.id)
  return choice === 'approve' && hasApproved ? { no: 'already-approved' } : undefined
}

/** Their own authority before a delegated one; the first that is enough. */
function authorityFor(facts: Facts, { person, choice, now }: Asking): Denied | Authority {
  const { expense, policy } = facts
  const all = authorities(facts, person, now)
  if (all.length === 0) return { no: 'no-role' }
  const unbarred = all.filter(({ holder }) => !isParty(expense, holder))
  if (unbarred.length === 0) return { no: 'own-expense-delegated' }
  const usable = choice === 'reject' ? unbarred : secondOf(facts, person, unbarred)
  if (usable.length === 0) return { no: 'same-authority' }
  const most = Math.max(...usable.map(({ upToMinor }) => upToMinor))
  const able = usable.find(({ upToMinor }) => upToMinor >= expense.amountMinor)
  return able ?? { no: 'amount-over-limit', more: `at most ${amount(most, policy)}` }
}

/** Whoever let the first approve in their place is no second pair of eyes, nor is who approves in the first's place. */
function secondOf({ expense, policy }: Facts, person: Person, all: readonly Authority[]): readonly Authority[] {
  const earlier = new Set(standing(expense, policy).flatMap((approval) => [approval.person, approval.authority]))
  return earlier.has(person.id) ? [] : all.filter(({ holder }) => !earlier.has(holder.id))
}

/** A delegate uses the delegator's own roles: what was delegated is not passed on. */
function authorities({ policy, delegations }: Facts, person: Person, now: number): Authority[] {
  const lent = new Set(delegations.filter(({ to, until }) => to === person.id && now < until).map(({ from }) => from))
  const holders = [person, ...policy.persons.filter(({ id }) => id !== person.id && lent.has(id))]
  return holders.flatMap((holder) => {
    const upToMinor = approvesUpTo(policy, holder)
    return upToMinor === undefined ? [] : [{ holder, upToMinor }]
  })
}

function isParty({ submitter, beneficiary, connections: parties }: Expense, { id, connections }: Person): boolean {
  return id === submitter || id === beneficiary || connections.some((connection) => parties.includes(connection))
}

function amount(minor: number, { currency }: Policy): string {
  return `${minor} minor units of ${currency}`
}
