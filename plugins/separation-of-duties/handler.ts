/** `expense.policy`, `.submit`, `.decide`, `.delegate`, `.status`: who submits an expense, and who else decides. */
import { now } from 'trellis:handler/clock@0.1.0'
import { notifyOwner } from 'trellis:handler/outbox@0.1.0'
import { current } from 'trellis:handler/session@0.1.0'
import type { Outcome } from 'trellis:handler/types@0.1.0'

import { parseJson, reply } from '../sdk/json.ts'
import { refuse } from '../sdk/refuse.ts'
import { encodeUtf8 } from '../sdk/utf8.ts'
import {
  addEntry,
  type Entry,
  readDelegations,
  readEntry,
  readPolicy,
  type Recorded,
  writeDelegations,
  writeEntry,
  writePolicy,
} from './ledger.ts'
import { type Person, personOf, type Policy, policyMistake } from './policy.ts'
import { type Choice, decide, standing } from './rules.ts'

interface SubmitRequest {
  readonly amountMinor: number
  readonly currency: string
  readonly purpose: string
  readonly beneficiary?: string
}

interface DecideRequest {
  readonly id: string
  readonly choice: Choice
  readonly comment?: string
}

interface DelegateRequest {
  readonly to: string
  readonly until: number | null
}

const DELEGATION_MS_MAX = 90 * 24 * 3_600_000
/** From one person. */
const DELEGATIONS_MAX = 8

export function handle(body: Uint8Array): Outcome {
  const { eventType } = current()
  const request = parseJson(body)
  switch (eventType) {
    case 'expense.policy':
      return setPolicy(request as { policy?: Omit<Policy, 'version'> })
    case 'expense.submit':
      return submit(request as SubmitRequest)
    case 'expense.decide':
      return decideOn(request as DecideRequest)
    case 'expense.delegate':
      return delegate(request as DelegateRequest)
    case 'expense.status':
      return status(request as { id: string })
    default:
      throw new Error(`no event type ${eventType} in the manifest`)
  }
}

/** Sets the policy, or reads it. Decisions follow the policy of their moment. */
function setPolicy({ policy: wanted }: { policy?: Omit<Policy, 'version'> }): Outcome {
  const before = readPolicy()
  if (wanted === undefined) return reply({ policy: before ?? null })
  const mistake = policyMistake(wanted)
  if (mistake !== undefined) return refuse('policy-invalid', `it is no policy: ${mistake}`)
  const policy = { ...wanted, version: (before?.version ?? 0) + 1 }
  writePolicy(policy)
  return reply({ policy })
}

function submit({ amountMinor, currency, purpose, beneficiary: other }: SubmitRequest): Outcome {
  const { policy, person } = asker()
  if (currency !== policy.currency) return refuse('currency-other', `amounts here are in ${policy.currency}`)
  const beneficiary = other === undefined ? person : policy.persons.find(({ id }) => id === other)
  if (beneficiary === undefined) return refuse('person-unknown', 'the policy knows no such person')
  const entry: Entry = {
    id: current().eventId,
    amountMinor,
    currency,
    purpose,
    submitter: person.id,
    beneficiary: beneficiary.id,
    connections: [...new Set([...person.connections, ...beneficiary.connections])],
    submittedAt: now(),
    state: 'open',
    approvals: [],
    decisions: [],
  }
  addEntry(entry)
  return reply(shown(entry, policy))
}

/** A denial is an answer, not a refusal: it is kept like every other decision. */
function decideOn({ id, choice, comment }: DecideRequest): Outcome {
  const { policy, person } = asker()
  const entry = entryOf(id)
  const asking = { person, choice, now: now() }
  const { expense, decision } = decide({ expense: entry, policy, delegations: readDelegations() }, asking)
  const at = now()
  const recorded: Recorded = {
    ...decision,
    choice,
    at,
    times: 1,
    policyVersion: policy.version,
    comment: comment ?? null,
  }
  const after: Entry = { ...entry, ...expense, decisions: record(entry.decisions, recorded) }
  writeEntry(after)
  if (after.state !== entry.state) {
    const { state, submitter, amountMinor, currency } = after
    const notice = { id, state, submitter, amountMinor, currency, rule: decision.rule, why: decision.why }
    notifyOwner('expense.decided', encodeUtf8(JSON.stringify(notice)))
  }
  return reply({ decision, ...shown(after, policy) })
}

/** The person's own authority, to another of the policy, for a while; `until: null` takes it back. */
function delegate({ to, until }: DelegateRequest): Outcome {
  const { policy, person } = asker()
  const others = readDelegations().filter((one) => one.until > now() && !(one.from === person.id && one.to === to))
  if (until === null) return keep(others, person)
  if (to === person.id || policy.persons.every(({ id }) => id !== to)) {
    return refuse('person-unknown', 'the policy knows no such other person')
  }
  if (until <= now() || until > now() + DELEGATION_MS_MAX) {
    return refuse('expiry-invalid', 'let the delegation end within ninety days')
  }
  if (others.filter(({ from }) => from === person.id).length >= DELEGATIONS_MAX) {
    return refuse('too-many-delegations', `a person delegates to at most ${DELEGATIONS_MAX} others`)
  }
  return keep([...others, { from: person.id, to, until }], person)
}

function keep(delegations: ReturnType<typeof readDelegations>, { id }: Person): Outcome {
  writeDelegations(delegations)
  return reply({ delegations: delegations.filter(({ from }) => from === id) })
}

/** For the owner and for everybody in the policy. */
function status({ id }: { id: string }): Outcome {
  if (current().kind !== 'owner') return reply(shown(entryOf(id), asker().policy))
  const policy = readPolicy()
  return policy === undefined ? unknown() : reply(shown(entryOf(id), policy))
}

/** Who asks: the person behind the connection, and never who the request says. */
function asker(): { readonly policy: Policy; readonly person: Person } {
  const policy = readPolicy()
  if (policy === undefined) return outside()
  return { policy, person: personOf(policy, current().connectionId) ?? outside() }
}

function outside(): never {
  return refuse('not-in-policy', 'the policy knows nobody behind this connection')
}

function entryOf(id: string): Entry {
  return readEntry(id) ?? unknown()
}

function unknown(): never {
  return refuse('expense-unknown', 'there is no such expense')
}

/** So many kinds of denial as there are persons and rules, however often somebody tries. */
function record(decisions: readonly Recorded[], one: Recorded): readonly Recorded[] {
  const isSame = ({ result, rule, person, choice }: Recorded): boolean =>
    result === 'denied' && rule === one.rule && person === one.person && choice === one.choice
  const before = one.result === 'denied' ? decisions.find(isSame) : undefined
  if (before === undefined) return [...decisions, one]
  return [...decisions.filter((each) => each !== before), { ...one, times: before.times + 1 }]
}

/** Without the connections, and while it is open with the approvals that count. */
function shown(entry: Entry, policy: Policy): { readonly expense: unknown } {
  const approvals = entry.state === 'open' ? standing(entry, policy) : entry.approvals
  return { expense: { ...entry, approvals, connections: undefined } }
}
