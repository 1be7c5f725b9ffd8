import { beforeEach, expect, test } from 'vitest'

import { grant, type MemoryItem } from '../sdk/memory/world.ts'
import { encodeUtf8 } from '../sdk/utf8.ts'
import { handle } from './handler.ts'

const NOW = 1_800_000_000_000
const DAY_MS = 24 * 3_600_000
const policy = {
  currency: 'EUR',
  fourEyesAboveMinor: 100_000,
  roles: [
    { role: 'lead', approvesUpToMinor: 50_000 },
    { role: 'director', approvesUpToMinor: 1_000_000 },
  ],
  persons: [
    { id: 'ann', name: 'Ann', connections: ['phone-ann', 'laptop-ann'], roles: ['lead', 'director'] },
    { id: 'ben', name: 'Ben', connections: ['c-ben'], roles: ['director'] },
    { id: 'cleo', name: 'Cleo', connections: ['c-cleo'], roles: ['director'] },
    { id: 'eva', name: 'Eva', connections: ['c-eva'], roles: [] },
  ],
}
const lunch = { amountMinor: 4_200, currency: 'EUR', purpose: 'Lunch' }

let items: Map<string, MemoryItem>
let sent: { to: string; type: string; body: unknown }[]
let now: number
let events: number

beforeEach(() => {
  items = new Map()
  sent = []
  now = NOW
  events = 0
})

interface Answer {
  readonly expense: {
    readonly id: string
    readonly state: string
    readonly approvals: readonly unknown[]
    readonly decisions: readonly unknown[]
  }
  readonly decision: { readonly result: string; readonly rule: string }
}

/** `connection` asks; without one the owner does. */
function run(type: string, request: unknown, connection?: string): Answer {
  const session = { eventType: `expense.${type}`, eventId: `e-${++events}`, connectionId: connection ?? '' }
  const kind = connection === undefined ? 'owner' : 'service'
  grant({ session: { ...session, kind }, namespaces: { handler: { items, writable: true } }, sent, now })
  const outcome = handle(encodeUtf8(JSON.stringify(request)))
  if (outcome.tag !== 'reply') throw new Error('no reply')
  return JSON.parse(new TextDecoder().decode(outcome.val)) as Answer
}

const code = (code: string): unknown => expect.objectContaining({ code })
const submit = (changes: object = {}, connection = 'phone-ann'): string =>
  run('submit', { ...lunch, ...changes }, connection).expense.id
const decide = (id: string, connection: string, choice = 'approve'): Answer => run('decide', { id, choice }, connection)
const ruleOf = (id: string, connection: string): string => decide(id, connection).decision.rule

test('another approves it; why is answered, kept, and told to the owner', () => {
  run('policy', { policy })
  const id = submit()
  const { decision, expense } = run('decide', { id, choice: 'approve', comment: 'fine' }, 'c-ben')
  const why = 'Ben may by their own role, up to 1000000 minor units of EUR'
  const said = { result: 'approved', rule: 'own-authority', why, person: 'ben', authority: 'ben' }
  expect(decision).toEqual(said)
  const kept = { ...said, choice: 'approve', at: NOW, times: 1, policyVersion: 1, comment: 'fine' }
  expect(expense).toEqual({
    id,
    ...lunch,
    submitter: 'ann',
    beneficiary: 'ann',
    submittedAt: NOW,
    state: 'approved',
    decisions: [kept],
    approvals: [{ person: 'ben', authority: 'ben', at: NOW, policyVersion: 1 }],
  })
  expect(run('status', { id }).expense).toEqual(expense)
  expect(run('status', { id }, 'c-eva').expense).toEqual(expense)
  const told = { id, state: 'approved', submitter: 'ann', amountMinor: 4_200, currency: 'EUR', rule: said.rule, why }
  expect(sent).toEqual([{ to: 'owner', type: 'expense.decided', body: told }])
})

test('nobody approves their own: not from another device, not in another’s place, not what they get', () => {
  run('policy', { policy })
  const id = submit()
  run('delegate', { to: 'ann', until: now + DAY_MS }, 'c-ben')
  for (const device of ['phone-ann', 'laptop-ann']) expect(ruleOf(id, device)).toBe('own-expense')
  run('delegate', { to: 'eva', until: now + DAY_MS }, 'phone-ann')
  expect(ruleOf(id, 'c-eva')).toBe('own-expense-delegated')
  expect(ruleOf(submit({ beneficiary: 'ben' }), 'c-ben')).toBe('own-expense')
  run('policy', { policy: { ...policy, persons: [{ ...policy.persons[0], id: 'new' }, ...policy.persons.slice(1)] } })
  expect(ruleOf(id, 'laptop-ann')).toBe('own-expense')
  expect(sent).toEqual([])
})

test('what was denied is kept, and counted when it is tried again', () => {
  run('policy', { policy })
  const id = submit()
  for (let count = 0; count < 3; count++) decide(id, 'phone-ann')
  decide(id, 'c-eva')
  expect(run('status', { id }).expense.decisions).toMatchObject([
    { person: 'ann', rule: 'own-expense', times: 3, result: 'denied' },
    { person: 'eva', rule: 'no-role', times: 1 },
  ])
})

test('over the limit two persons approve, under one policy', () => {
  run('policy', { policy })
  const id = submit({ amountMinor: 100_001 })
  expect(decide(id, 'c-ben').decision).toMatchObject({ result: 'needs-second', rule: 'four-eyes' })
  expect(ruleOf(id, 'c-ben')).toBe('already-approved')
  run('policy', { policy })
  expect(run('status', { id }).expense.approvals).toEqual([])
  expect(ruleOf(id, 'c-cleo')).toBe('four-eyes')
  const { decision, expense } = decide(id, 'c-ben')
  expect([decision.rule, expense.state, expense.approvals.length]).toEqual(['second-approver', 'approved', 2])
  expect(decide(id, 'c-cleo', 'reject').decision).toMatchObject({ result: 'denied', rule: 'already-decided' })
})

test('a delegation ends by itself, or when it is taken back', () => {
  run('policy', { policy })
  const id = submit()
  run('delegate', { to: 'eva', until: now + DAY_MS }, 'c-ben')
  now += DAY_MS
  expect(ruleOf(id, 'c-eva')).toBe('no-role')
  const given = run('delegate', { to: 'eva', until: now + DAY_MS }, 'c-ben')
  expect(given).toEqual({ delegations: [{ from: 'ben', to: 'eva', until: now + DAY_MS }] })
  expect(run('delegate', { to: 'eva', until: null }, 'c-ben')).toEqual({ delegations: [] })
  expect(ruleOf(id, 'c-eva')).toBe('no-role')
  run('delegate', { to: 'eva', until: now + DAY_MS }, 'c-ben')
  expect(ruleOf(id, 'c-eva')).toBe('delegated-authority')
})

test.each([
  ['to nobody', { to: 'gil', until: NOW + 1 }, 'person-unknown'],
  ['to themselves', { to: 'ben', until: NOW + 1 }, 'person-unknown'],
  ['that is over', { to: 'eva', until: NOW }, 'expiry-invalid'],
  ['for longer than ninety days', { to: 'eva', until: NOW + 90 * DAY_MS + 1 }, 'expiry-invalid'],
])('no delegation %s', (_name, request, reason) => {
  run('policy', { policy })
  expect(() => run('delegate', request, 'c-ben')).toThrow(code(reason))
})

test('a person delegates to eight others', () => {
  const more = Array.from({ length: 9 }, (_, n) => ({ id: `p${n}`, name: `P${n}`, connections: [], roles: [] }))
  run('policy', { policy: { ...policy, persons: [...policy.persons, ...more] } })
  const until = NOW + 1
  for (let n = 0; n < 8; n++) run('delegate', { to: `p${n}`, until }, 'c-ben')
  expect(() => run('delegate', { to: 'p8', until }, 'c-ben')).toThrow(code('too-many-delegations'))
  expect(run('delegate', { to: 'p8', until }, 'c-cleo')).toMatchObject({ delegations: [{ from: 'cleo' }] })
  now = until
  const next = { to: 'p8', until: until + 1 }
  expect(run('delegate', next, 'c-ben')).toEqual({ delegations: [{ from: 'ben', ...next }] })
})

test('who is not in the policy has no part in it', () => {
  expect(run('policy', {})).toEqual({ policy: null })
  expect(() => submit()).toThrow(code('not-in-policy'))
  expect(() => run('status', { id: 'e-1' })).toThrow(code('expense-unknown'))
  run('policy', { policy })
  const id = submit()
  expect(() => decide(id, 'stranger')).toThrow(code('not-in-policy'))
  expect(() => run('status', { id }, 'stranger')).toThrow(code('not-in-policy'))
  expect(() => decide('none', 'c-ben')).toThrow(code('expense-unknown'))
  expect(() => submit({ beneficiary: 'gil' })).toThrow(code('person-unknown'))
  expect(() => submit({ currency: 'CHF' })).toThrow(code('currency-other'))
  const [first] = policy.persons
  expect(() => run('policy', { policy: { ...policy, persons: [first, first] } })).toThrow(code('policy-invalid'))
  expect(run('policy', {})).toEqual({ policy: { ...policy, version: 1 } })
})

test('a submitter has so many undecided, and what is ten years old is forgotten', () => {
  run('policy', { policy })
  const ids = Array.from({ length: 64 }, () => submit())
  expect(() => submit()).toThrow(code('too-many-open'))
  expect(submit({}, 'c-ben')).toBe('e-67')
  decide(ids[0] ?? '', 'c-ben')
  submit()
  now += 3_650 * DAY_MS
  const before = items.size
  submit({}, 'c-cleo')
  // One comes with its age and its submitter's list; two go, each with its age.
  expect(items.size).toBe(before + 3 - 4)
})
