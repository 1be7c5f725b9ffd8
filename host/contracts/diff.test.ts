import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { contractOf, fieldOf } from './contract.fixture.ts'
import type { Contract, Tier } from './contract.ts'
import { diffContracts, type Line } from './diff.ts'
import { type Retention, retentionMs } from './retention.ts'

const nothing = { added: [], removed: [], changed: [] }

function withField(tier: Tier, retention: Retention, purpose = 'to deliver'): Contract {
  return contractOf({ fields: [fieldOf('email', tier, { retention, purpose })] })
}

function waiting(approvalMs: number): Contract {
  return contractOf({ limits: { ...contractOf().limits, approvalMs } })
}

test('the same contract has no differences, whatever its version and date', () => {
  expect(diffContracts(contractOf(), contractOf({ version: 2, publishedAt: 5 }))).toEqual(nothing)
})

test('the first version is all new', () => {
  const { added, removed, changed } = diffContracts(undefined, contractOf())
  expect(removed).toEqual([])
  expect(changed).toEqual([])
  expect(added.map(({ text }) => text)).toEqual([
    'service name: Acme Retail',
    expect.stringMatching(/^service identity: [0-9a-f]{64}$/),
    'link terms: https://acme.example/terms',
    'field email: required, kept until revoked, for "to use email"',
    'field phone: optional, kept this session, for "to use phone"',
    'field shipping_address: on-demand, kept 30 days, for "to use shipping_address"',
    'field date_of_birth: consent, kept until revoked, for "to use date_of_birth"',
    'event data.request: allowed',
    'event auth.challenge: allowed',
    'permission to send messages: allowed',
    'permission to request authentication: allowed',
    'permission to request payment: allowed',
    'permission to store data: 1000 bytes',
    'stored category receipts: allowed',
    'limit requests per hour: 100',
    'limit storage: 10000 bytes',
  ])
  expect(added.filter(({ widens }) => !widens).map(({ what }) => what)).toEqual([
    'service name',
    'service identity',
    'link terms',
  ])
})

test('added, removed and changed lines say what was and what is', () => {
  const before = contractOf()
  const after = contractOf({
    version: 2,
    fields: [
      ...before.fields.slice(0, 2),
      fieldOf('loyalty_number', 'on-demand'),
      fieldOf('date_of_birth', 'required'),
    ],
    permissions: { ...before.permissions, events: ['data.request', 'message.send'], payment: false, store: null },
    limits: { requestsPerHour: 50, storageBytes: 10_000 },
  })
  const { added, removed, changed } = diffContracts(before, after)
  expect(added.map(({ what, widens }) => [what, widens])).toEqual([
    ['field loyalty_number', true],
    ['event message.send', true],
  ])
  expect(removed.map(({ what, after, widens }) => [what, after, widens])).toEqual([
    ['field shipping_address', null, false],
    ['event auth.challenge', null, false],
    ['permission to request payment', null, false],
    ['permission to store data', null, false],
    ['stored category receipts', null, false],
  ])
  expect(changed).toEqual([
    {
      what: 'field date_of_birth',
      before: 'consent, kept until revoked, for "to use date_of_birth"',
      after: 'required, kept until revoked, for "to use date_of_birth"',
      text: 'field date_of_birth: consent → required',
      widens: true,
    },
    {
      what: 'limit requests per hour',
      before: '100',
      after: '50',
      text: 'limit requests per hour: 100 → 50',
      widens: false,
    },
  ])
})

test('one line names every aspect that changed', () => {
  const before = withField('required', { kind: 'days', days: 30 }, 'to deliver')
  const after = withField('optional', { kind: 'until-revoked' }, 'to advertise')
  const [line] = diffContracts(before, after).changed
  expect(line?.text).toBe(
    'field email: required → optional; kept 30 days → kept until revoked; for "to deliver" → for "to advertise"',
  )
  expect(line?.widens).toBe(true)
})

test('the time to answer a question is a line of its own, and has no order', () => {
  const { added, changed } = diffContracts(contractOf(), waiting(600_000))
  expect(added).toMatchObject([{ text: 'limit time to answer a question: 10 min', widens: false }])
  expect(changed).toEqual([])
  expect(diffContracts(waiting(600_000), waiting(60_000)).changed).toMatchObject([
    { text: 'limit time to answer a question: 10 min → 1 min', widens: false },
  ])
})

test('a name and a purpose have no order', () => {
  const session: Retention = { kind: 'session' }
  const { changed } = diffContracts(withField('required', session, 'to a'), withField('required', session, 'to b'))
  expect(changed.map(({ widens }) => widens)).toEqual([false])
  const renamed = contractOf({ service: { ...contractOf().service, name: 'Acme Bank' } })
  expect(diffContracts(contractOf(), renamed).changed.map(({ text }) => text)).toEqual([
    'service name: Acme Retail → Acme Bank',
  ])
})

test('limits and stored bytes widen when they grow', () => {
  const { permissions } = contractOf()
  const wider = contractOf({
    permissions: { ...permissions, store: { categories: ['receipts', 'notes'], bytesMax: 2_000 } },
    limits: { requestsPerHour: 101, storageBytes: 10_001 },
  })
  const { added, changed } = diffContracts(contractOf(), wider)
  expect(added.map(({ what, widens }) => [what, widens])).toEqual([['stored category notes', true]])
  expect(changed.map(({ widens }) => widens)).toEqual([true, true, true])
  expect(diffContracts(wider, contractOf()).changed.map(({ widens }) => widens)).toEqual([false, false, false])
})

const tiers: readonly Tier[] = ['consent', 'optional', 'on-demand', 'required']
const retentions = fc.oneof(
  fc.constant<Retention>({ kind: 'session' }),
  fc.constant<Retention>({ kind: 'until-revoked' }),
  fc.integer({ min: 1, max: 3_650 }).map((days): Retention => ({ kind: 'days', days })),
)

test('a changed field widens exactly when its tier or its retention does', () => {
  const tier = fc.constantFrom(...tiers)
  fc.assert(
    fc.property(tier, tier, retentions, retentions, (oldTier, newTier, oldRetention, newRetention) => {
      const { changed } = diffContracts(withField(oldTier, oldRetention), withField(newTier, newRetention))
      const wider = tiers.indexOf(newTier) > tiers.indexOf(oldTier)
      const longer = retentionMs(newRetention) > retentionMs(oldRetention)
      expect(changed.some(({ widens }) => widens)).toBe(wider || longer)
    }),
    { numRuns: 300 },
  )
})

function whats(lines: readonly Line[]): string[] {
  return lines.map(({ what }) => what).toSorted()
}

test('going back swaps added and removed, and what changed', () => {
  const contract = fc
    .uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom(...tiers)), {
      selector: ([name]) => name,
    })
    .map((fields) => contractOf({ fields: fields.map(([name, tier]) => fieldOf(name, tier)) }))
  fc.assert(
    fc.property(contract, contract, (one, other) => {
      const there = diffContracts(one, other)
      const back = diffContracts(other, one)
      expect(whats(there.added)).toEqual(whats(back.removed))
      expect(whats(there.changed)).toEqual(whats(back.changed))
    }),
    { numRuns: 200 },
  )
})
