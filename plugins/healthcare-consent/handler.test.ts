import { afterEach, beforeEach, expect, test } from 'vitest'

import { type Grant, grant, type MemoryNamespace } from '../sdk/memory/world.ts'
import { decodeUtf8, encodeUtf8 } from '../sdk/utf8.ts'
import { action, DAY_MS, fhir, label, NOW, provision, purpose, type } from './consents.fixture.ts'
import { handle } from './handler.ts'
import type { Consent, Provision } from './model.ts'
import { instantText } from './time.ts'

const HOUR_MS = 3_600_000
const clinic = { connection: 'c-1' }

interface Answer {
  readonly decision: string
  readonly until: number | null
  readonly emergency: string | null
  readonly records: readonly { decision: string; consent: string | null; provision: string | null; why: string }[]
}
type Said = { tag: 'none' } | { tag: 'yes' } | { tag: 'chosen'; val: string }

let handler: MemoryNamespace
let sent: NonNullable<Grant['sent']>
let ids: number

beforeEach(() => {
  handler = { items: new Map(), writable: true }
  sent = []
  ids = 0
})
afterEach(() => grant({}))

const permit = (conditions: Partial<Provision>, parts: Partial<Consent> = {}): unknown =>
  fhir({ ...parts, provisions: [provision({ actors: [clinic], ...conditions })] })
const observation = { action: 'access', purpose: 'TREAT', records: [{ type: 'Observation' }] }
const emergency = { ...observation, purpose: 'ETREAT', reason: 'unconscious' }

test('the owner grants, the clinic checks, the owner revokes: it ends at once', () => {
  const id = grantAsOwner(permit({ purposes: [purpose('TREAT')], resourceTypes: [type('Observation')] }))
  expect(check(observation)).toEqual({
    decision: 'permit',
    until: null,
    emergency: null,
    records: [
      {
        decision: 'permit',
        consent: id,
        provision: 'provision[0]',
        why: `provision[0] of consent ${id} permits it`,
        open: [],
      },
    ],
  })
  expect(check({ ...observation, purpose: 'HRESCH' }).records[0]?.why).toContain('what is not permitted is denied')
  expect(check(observation, { connectionId: 'c-2' }).decision).toBe('deny')
  expect(asOwner('consent.revoke', { consent: id })).toMatchObject({ consent: { id, status: 'inactive' } })
  expect(check(observation).decision).toBe('deny')
  expect(asOwner('consent.revoke', { consent: id })).toMatchObject({ consent: { status: 'inactive' } })
})

test('a consent reads back as it was given, but for the id and the end', () => {
  const given = permit({ codes: [label('x')], period: { end: '2030-01-01' } }, { date: '2027-01-15' })
  const id = grantAsOwner({ ...(given as object), id: 'theirs' })
  const stored = { ...(given as object), id }
  expect(asOwner('consent.read', { consent: id })).toEqual({
    consents: [{ consent: stored, recorded: NOW, revoked: null, emergency: null }],
    next: null,
  })
  asOwner('consent.revoke', { consent: id })
  expect(asOwner('consent.read', {})).toMatchObject({
    consents: [{ consent: { ...stored, status: 'inactive' }, revoked: NOW }],
  })
})

test('a deny overrides, also in an emergency: nobody is asked', () => {
  grantAsOwner(permit({}))
  const denied = grantAsOwner(fhir({ grantees: [clinic], provisions: [] }))
  expect(check(observation).records[0]).toMatchObject({ decision: 'deny', consent: denied, provision: '' })
  expect(check(emergency)).toMatchObject({ decision: 'deny', emergency: null })
})

test('an emergency about a record that is denied and one that nothing decides is denied: nobody is asked', () => {
  grantAsOwner(permit({ provisions: [provision({ data: ['Observation/1'] })], resourceTypes: [type('Observation')] }))
  const records = [{ type: 'Observation', reference: 'Observation/1' }, { type: 'Condition' }]
  const answer = check({ ...emergency, records })
  expect(answer).toMatchObject({ decision: 'deny', emergency: null })
  expect(answer.records.map(({ consent }) => consent === null)).toEqual([false, true])
})

test('several records are permitted together or not at all, each with its reason', () => {
  grantAsOwner(permit({ resourceTypes: [type('Observation')], provisions: [provision({ data: ['Observation/2'] })] }))
  const records = [
    { type: 'Observation', reference: 'Observation/1' },
    { type: 'Observation', reference: 'Observation/2' },
  ]
  const answer = check({ ...observation, records })
  expect(answer.decision).toBe('deny')
  expect(answer.records.map(({ decision, provision }) => [decision, provision])).toEqual([
    ['permit', 'provision[0]'],
    ['deny', 'provision[0].provision[0]'],
  ])
})

test('a consent is over when its time is, and said so before', () => {
  const until = NOW + HOUR_MS
  grantAsOwner(permit({ period: { end: instantText(until - 1) } }))
  expect(check(observation)).toMatchObject({ decision: 'permit', until })
  expect(check(observation, { now: until })).toMatchObject({ decision: 'deny', until: null })
})

test('an opt-out is for every connection', () => {
  grantAsOwner(permit({}))
  const id = grantAsOwner(fhir({}))
  expect(check(observation).records[0]).toMatchObject({ decision: 'deny', consent: id })
})

test('an emergency opens the record that was asked for, and no other', () => {
  check(about('Observation/1'), { answer: { tag: 'chosen', val: '1 hour' } })
  expect(check(about('Observation/1')).decision).toBe('permit')
  expect(question('consent.check', about('Observation/2')).text).toContain('Observation/2')
})

test('a connection proposes, the owner decides, shown all of it', () => {
  const proposal = { consent: permit({ actions: [action('access')], purposes: [purpose('HRESCH')] }) }
  const before = handler.items.size
  expect(question('consent.grant', proposal)).toEqual({
    text: 'Clinic asks for your consent: permit Clinic to access all records for HRESCH?',
    choices: [],
  })
  expect(handler.items.size).toBe(before)
  const { consent } = ask('consent.grant', proposal, { answer: { tag: 'yes' } }) as { consent: { id: string } }
  expect(check({ ...observation, purpose: 'HRESCH' }).decision).toBe('permit')
  expect(question('consent.revoke', { consent: consent.id }).text).toBe(
    'Clinic asks you to end this consent: permit Clinic to access all records for HRESCH?',
  )
  ask('consent.revoke', { consent: consent.id }, { answer: { tag: 'yes' } })
  expect(check({ ...observation, purpose: 'HRESCH' }).decision).toBe('deny')
})

test.each<[string, Partial<Consent>, string]>([
  ['an opt-out', {}, 'deny everyone everything'],
  [
    'a base',
    { decision: 'permit', grantees: [clinic, { connection: 'c-2', name: 'wu' }], period: { end: '2030-01-01' } },
    'permit Clinic, wu at connection c-2 until 2030-01-01 everything',
  ],
  [
    'all conditions',
    {
      provisions: [
        provision({
          actions: [action('use')],
          resourceTypes: [type('A'), type('B')],
          data: ['A/1', 'C/1'],
          codes: [{ system: 's', code: 'c', display: 'harmless' }],
          labels: [{ system: 's', code: 'l' }],
          documentTypes: [{ system: 's', code: 'd' }],
          period: { start: '2029-01-01' },
          provisions: [provision({ data: ['A/1'], resourceTypes: [type('B')] })],
        }),
        provision({ resourceTypes: [type('A')] }),
      ],
    },
    'permit anyone to use A/1 with code s|c labelled s|l in documents of type s|d for any purpose from 2029-01-01 ' +
      '(but deny anyone to do anything with no record for any purpose); ' +
      'permit anyone to do anything with A for any purpose',
  ],
])('the owner reads %s in words', (_name, parts, words) => {
  expect(question('consent.grant', { consent: fhir(parts) }).text).toBe(`Clinic asks for your consent: ${words}?`)
})

test('what cannot be shown in full is not asked', () => {
  const codes = Array.from({ length: 8 }, (_, index) => label(`${'x'.repeat(60)}${index}`))
  expect(() => ask('consent.grant', { consent: permit({ codes }) })).toThrow(refusal('question-too-long'))
  grantAsOwner(permit({ codes }))
})

test('a connection knows only the consents it brought in; absent and foreign look alike', () => {
  const own = grantAsOwner(permit({}))
  const theirs = ask('consent.grant', { consent: permit({}) }, { answer: { tag: 'yes' } }) as {
    consent: { id: string }
  }
  expect(ask('consent.read', {})).toMatchObject({ consents: [{ consent: theirs.consent }], next: null })
  for (const type of ['consent.read', 'consent.revoke']) {
    for (const consent of [own, 'none', '']) {
      expect(() => ask(type, { consent })).toThrow(refusal('consent-unknown'))
    }
    expect(() => ask(type, { consent: theirs.consent.id }, { connectionId: 'c-2' })).toThrow(refusal('consent-unknown'))
  }
})

test('reading goes on where the page before ended', () => {
  for (let count = 0; count < 20; count++) grantAsOwner(permit({}))
  const first = asOwner('consent.read', {}) as { consents: unknown[]; next: string }
  const second = asOwner('consent.read', { after: first.next }) as { consents: unknown[]; next: null }
  expect([first.consents.length, second.consents.length, second.next]).toEqual([16, 4, null])
})

test('in an emergency the owner is asked, and what is opened is named, recorded, told and over in time', () => {
  expect(question('consent.check', emergency)).toEqual({
    text: 'Emergency: permit Clinic to access Observation for ETREAT? Clinic says: unconscious',
    choices: ['1 hour', '4 hours', '24 hours'],
  })
  const answer = check(emergency, { answer: { tag: 'chosen', val: '4 hours' } })
  const until = NOW + 4 * HOUR_MS
  const times = ` from ${instantText(NOW)} until ${instantText(until - 1)}`
  expect(answer).toMatchObject({ decision: 'permit', until, emergency: answer.records[0]?.consent })
  expect(sent.map(({ to, type, body }) => [to, type, body])).toEqual([
    [
      'owner',
      'consent.emergency',
      {
        consent: answer.emergency,
        connection: 'Clinic',
        by: 'owner',
        reason: 'unconscious',
        until,
        words: `permit Clinic to access Observation for ETREAT${times}`,
      },
    ],
  ])
  expect(asOwner('consent.read', {})).toMatchObject({
    consents: [{ emergency: { reason: 'unconscious', by: 'owner' } }],
  })
  expect(check(emergency, { now: until - 1 })).toMatchObject({ decision: 'permit', emergency: null })
  expect(check({ ...emergency, purpose: 'TREAT' }).decision).toBe('deny')
  expect(question('consent.check', { ...emergency, records: [{ type: 'Condition' }] }).text).toContain('Condition')
  expect(question('consent.check', emergency, { now: until }).text).toContain('Emergency')
  asOwner('consent.revoke', { consent: answer.emergency })
  expect(question('consent.check', emergency).text).toContain('Emergency')
})

test('the owner’s policy may name who gets in at once, or close the door', () => {
  const policy = { mode: 'named', connections: ['c-1'], minutes: 30 }
  expect(asOwner('consent.emergency', policy)).toEqual(policy)
  const records = [
    { type: 'Observation', reference: 'Observation/1', codes: [label('a')] },
    { type: 'Condition', labels: [] },
  ]
  const answer = check({ ...emergency, actor: 'Practitioner/wu', records })
  expect(answer).toMatchObject({ decision: 'permit', until: NOW + 30 * 60_000 })
  expect(sent).toMatchObject([{ body: { by: 'policy' } }])
  expect(question('consent.check', emergency, { connectionId: 'c-2' }).choices).toHaveLength(3)
  expect(asOwner('consent.emergency', { mode: 'never' })).toEqual({ mode: 'never' })
  expect(check({ ...emergency, records: [{ type: 'Patient' }] }).decision).toBe('deny')
  expect(() => ask('consent.emergency', { mode: 'never' })).toThrow(refusal('owner-only'))
})

test.each<[string, object, string]>([
  ['an emergency without a reason', { ...emergency, reason: undefined }, 'reason-needed'],
  ['a reason that is only space', { ...emergency, reason: ' ' }, 'reason-needed'],
  ['a reason that hides something', { ...emergency, reason: 'a\u202eb' }, 'reason-needed'],
  ['a purpose that is none', { ...observation, purpose: 'FUN' }, 'purpose-unknown'],
  ['no resource type', { ...observation, records: [{ type: 'obs' }] }, 'fhir-invalid'],
  ['a reference to another type', withRecord({ reference: 'Condition/1' }), 'fhir-invalid'],
  ['a reference elsewhere', withRecord({ reference: 'https://x/Observation/1' }), 'fhir-invalid'],
  ['words for a code', withRecord({ codes: [{ system: 'x', code: 'a b' }] }), 'fhir-unsupported'],
  ['words for a name', { ...observation, actor: 'dr wu' }, 'fhir-unsupported'],
])('refuses %s', (_name, request, code) => {
  expect(() => check(request)).toThrow(refusal(code))
})

test('refuses a consent that is over, and one that is too large', () => {
  expect(() => grantAsOwner(fhir({ status: 'inactive' }))).toThrow(refusal('consent-not-active'))
  const long = { reference: 'x'.repeat(250), display: 'y'.repeat(250) }
  const large = {
    grantors: Array.from({ length: 16 }, () => long),
    grantees: Array.from({ length: 16 }, () => ({ ...long, ...clinic })),
  }
  expect(() => grantAsOwner(fhir(large))).toThrow(refusal('consent-too-large'))
})

test('a connection has room for so many consents; those that are over make room', () => {
  const count = fill(large(NOW + DAY_MS), NOW)
  expect(count).toBeGreaterThan(20)
  expect(fill(large(NOW + 9 * DAY_MS), NOW)).toBe(0)
  expect(fill(large(NOW + 9 * DAY_MS), NOW + 2 * DAY_MS)).toBe(count)
})

function large(end: number): unknown {
  const one = provision({ actors: [clinic], codes: [label('x'.repeat(60))], period: { end: instantText(end) } })
  return fhir({ provisions: Array.from({ length: 40 }, () => one) })
}
/** Records it until there is no room. */
function fill(consent: unknown, now: number): number {
  for (let count = 0; count < 100; count++) {
    const before = new Map(handler.items)
    try {
      grantAsOwner(consent, now)
    } catch (error) {
      expect(error).toMatchObject({ code: 'too-many-consents' })
      // A host keeps nothing of a call that was refused.
      handler = { ...handler, items: before }
      return count
    }
  }
  throw new Error('there is always room')
}

function about(reference: string): object {
  return { ...emergency, records: [{ type: 'Observation', reference }] }
}

function withRecord(change: object): object {
  return { ...observation, records: [{ type: 'Observation', ...change }] }
}

interface With {
  readonly connectionId?: string
  readonly now?: number
  readonly answer?: Said
}

function run(
  eventType: string,
  request: unknown,
  {
    connectionId = 'c-1',
    now = NOW,
    answer = { tag: 'none' },
    kind = 'service',
  }: With & { kind?: 'owner' | 'service' },
): ReturnType<typeof handle> {
  const session = { eventType, connectionId, connection: 'Clinic', kind }
  grant({ session, namespaces: { handler }, sent, answer, now, random })
  return handle(encodeUtf8(JSON.stringify(request)))
}

function random(length: number): Uint8Array {
  return new Uint8Array(length).fill(++ids)
}

function ask(eventType: string, request: unknown, options: With = {}): unknown {
  return bodyOf(run(eventType, request, options))
}

function asOwner(eventType: string, request: unknown, now = NOW): unknown {
  return bodyOf(run(eventType, request, { kind: 'owner', connectionId: '', now }))
}

function bodyOf(outcome: ReturnType<typeof handle>): unknown {
  if (outcome.tag !== 'reply') throw new Error(`no reply but ${outcome.tag}`)
  return JSON.parse(decodeUtf8(outcome.val))
}

function grantAsOwner(consent: unknown, now = NOW): string {
  return (asOwner('consent.grant', { consent }, now) as { consent: { id: string } }).consent.id
}

function check(request: object, options: With = {}): Answer {
  return ask('consent.check', request, options) as Answer
}

function question(eventType: string, request: unknown, options: With = {}): { text: string; choices: string[] } {
  const outcome = run(eventType, request, options)
  if (outcome.tag !== 'suspended') throw new Error(`no question but ${outcome.tag}`)
  return outcome.val
}

function refusal(code: string): unknown {
  return expect.objectContaining({ code })
}
