import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import {
  action,
  anyConsent,
  asked,
  consent,
  DAY_MS,
  label,
  moment,
  NOW,
  provision,
  provisionsOf,
  purpose,
} from './consents.fixture.ts'
import { decide, holdsUntil, relevant } from './decide.ts'
import type { Consent, Effect, Provision } from './model.ts'
import { lineOf } from './purposes.ts'
import { actorKey, ANYONE, compile, endOf, type Rule, token } from './rules.ts'
import { instantText, spanOf } from './time.ts'

type Question = Parameters<typeof decide>[1]

const consents = fc.array(anyConsent, { maxLength: 4 })
/** The rules a connection's check reads: its own shelf, and everyone's. */
const rulesFor = (all: readonly Consent[], connection: string): Rule[] =>
  all.flatMap((one, index) => {
    const rules = compile(one, `c${index}`)
    return [rules.get(connection), rules.get(ANYONE)].filter((rule) => rule !== undefined)
  })
const decisionOf = (all: readonly Consent[], question: Question, now = NOW): Effect =>
  decide(rulesFor(all, question.connection), question, now).decision

const ask: Question = { connection: 'clinic', action: 'access', purpose: 'TREAT', record: { type: 'Observation' } }
const clinic = { connection: 'clinic' }
const wu = { connection: 'clinic', name: 'Practitioner/wu' }
const permit = (conditions: Partial<Provision>): Consent => consent({ provisions: [provision(conditions)] })

test('nothing permits: the default is deny, and nothing is named', () => {
  expect(decide([], ask, NOW)).toEqual({ decision: 'deny', by: null, open: [] })
})

test('what decides is named', () => {
  const both = [
    permit({ actors: [clinic] }),
    permit({ actors: [clinic], provisions: [provision({ data: ['Observation/1'] })] }),
  ]
  const about = (reference: string): Question => ({ ...ask, record: { type: 'Observation', reference } })
  const rules = rulesFor(both, 'clinic')
  expect(decide(rules, about('Observation/2'), NOW).by).toEqual({ consent: 'c0', at: 'provision[0]' })
  expect(decide(rules, about('Observation/1'), NOW).by).toEqual({ consent: 'c1', at: 'provision[0].provision[0]' })
  const base = rulesFor([consent({ decision: 'permit', grantees: [clinic] })], 'clinic')
  expect(decide(base, ask, NOW)).toEqual({ decision: 'permit', by: { consent: 'c0', at: '' }, open: [] })
})

test('an opt-out denies everyone; a deny that has exceptions for some leaves the rest to other consents', () => {
  const other = permit({ actors: [{ connection: 'lab' }] })
  const own = permit({ actors: [clinic] })
  expect(decisionOf([other, own], ask)).toBe('permit')
  expect(decisionOf([consent({}), own], ask)).toBe('deny')
  expect(decisionOf([consent({ grantees: [{ connection: 'lab' }] }), own], ask)).toBe('permit')
  expect(decisionOf([consent({ grantees: [clinic] }), own], ask)).toBe('deny')
})

test('an exception to an exception: no research, but clinical trials', () => {
  const trials = provision({ purposes: [purpose('CLINTRCH')] })
  const research = provision({ purposes: [purpose('HRESCH')], provisions: [trials] })
  const all = [consent({ decision: 'permit', grantees: [clinic], provisions: [research] })]
  const forPurpose = (code: string): Effect => decisionOf(all, { ...ask, purpose: code })
  expect(forPurpose('TREAT')).toBe('permit')
  expect(forPurpose('HRESCH')).toBe('deny')
  expect(forPurpose('BIORCH')).toBe('deny')
  expect(forPurpose('CLINTRCH')).toBe('permit')
  expect(forPurpose('CLINTRCHPC')).toBe('deny')
})

test('a purpose permits to the letter, and denies what specialises it', () => {
  const treatment = permit({ actors: [clinic], purposes: [purpose('TREAT')] })
  expect(decisionOf([treatment], { ...ask, purpose: 'ETREAT' })).toBe('deny')
  const all = permit({ actors: [clinic] })
  const none = consent({
    decision: 'permit',
    grantees: [clinic],
    provisions: [provision({ purposes: [purpose('TREAT')] })],
  })
  expect(decisionOf([all, none], { ...ask, purpose: 'BTG' })).toBe('deny')
  expect(decisionOf([all, none], { ...ask, purpose: 'HPAYMT' })).toBe('permit')
})

test.each<[string, Partial<Provision>, Partial<Question['record']>, string]>([
  ['which record', { data: ['Observation/1'] }, { reference: 'Observation/2' }, 'reference'],
  ['its labels', { labels: [label('R')] }, { labels: [] }, 'labels'],
  ['its codes', { codes: [label('x')] }, { codes: [] }, 'codes'],
  ['its documents', { documentTypes: [label('x')] }, { documents: [] }, 'documentTypes'],
])('who leaves open %s is denied what a deny may be about', (_what, conditions, stated, name) => {
  const all = [permit({ actors: [clinic], provisions: [provision(conditions)] })]
  expect(decide(rulesFor(all, 'clinic'), ask, NOW)).toMatchObject({ decision: 'deny', open: [name] })
  expect(decisionOf(all, { ...ask, record: { ...ask.record, ...stated } })).toBe('permit')
  expect(decisionOf([permit({ actors: [clinic], ...conditions })], ask)).toBe('deny')
})

test('a name counts only at the connection that vouches for it, and silence is nobody', () => {
  const all = [permit({ actors: [wu] })]
  expect(decisionOf(all, { ...ask, name: 'Practitioner/wu' })).toBe('permit')
  expect(decisionOf(all, { ...ask, name: 'Practitioner/roe' })).toBe('deny')
  expect(decisionOf(all, ask)).toBe('deny')
  expect(decisionOf(all, { ...ask, connection: 'lab', name: 'Practitioner/wu' })).toBe('deny')
})

test('a consent ends with its period, and says until when', () => {
  const until = NOW + DAY_MS
  const all = [permit({ actors: [clinic], period: { end: instantText(until - 1) } })]
  const rules = rulesFor(all, 'clinic')
  expect(decisionOf(all, ask, until - 1)).toBe('permit')
  expect(decisionOf(all, ask, until)).toBe('deny')
  expect(holdsUntil(rules, [ask], NOW)).toBe(until)
  expect(holdsUntil(rules, [ask], until)).toBeUndefined()
  expect(rules.map(endOf)).toEqual([until])
})

test('where another consent goes on, the end of one is no turn', () => {
  const ending = permit({ actors: [clinic], period: { end: instantText(NOW + 999) } })
  expect(holdsUntil(rulesFor([ending, permit({ actors: [clinic] })], 'clinic'), [ask], NOW)).toBeUndefined()
})

test('where many rules are in question, the first end of any is told', () => {
  const days = Array.from({ length: 1_025 }, (_, index) => NOW + (index + 1) * DAY_MS)
  const all = days.map((end) => permit({ actors: [clinic], period: { end: instantText(end - 1) } }))
  expect(holdsUntil(rulesFor(all, 'clinic'), [ask], NOW)).toBe(NOW + DAY_MS)
  expect(holdsUntil(rulesFor(all, 'clinic'), [ask], NOW + DAY_MS)).toBe(NOW + 2 * DAY_MS)
  expect(holdsUntil(rulesFor(all.slice(0, 4), 'clinic'), [ask], NOW)).toBe(NOW + 4 * DAY_MS)
})

test('decides as a plain reading of the trees does, whoever is asked about', () => {
  fc.assert(
    fc.property(consents, asked, moment, (all, question, now) => {
      const leaves = all.flatMap((one) => read(one, question, now))
      const expected = leaves.length > 0 && leaves.every((leaf) => leaf === 'permit') ? 'permit' : 'deny'
      expect(decisionOf(all, question, now)).toBe(expected)
    }),
    { numRuns: 500 },
  )
})

test('deny overrides: whatever denies alone denies with everything else', () => {
  fc.assert(
    fc.property(anyConsent, consents, asked, (one, others, question) => {
      const alone = decide(rulesFor([one], question.connection), question, NOW)
      fc.pre(alone.decision === 'deny' && alone.by !== null)
      expect(decisionOf([...others, one], question)).toBe('deny')
    }),
  )
})

test('the order of consents and of what is in them does not matter', () => {
  fc.assert(
    fc.property(consents, asked, (all, question) => {
      const reversed = rulesFor(all, question.connection).toReversed().map(turned)
      const verdict = decide(rulesFor(all, question.connection), question, NOW)
      expect(decide(reversed, question, NOW)).toEqual(verdict)
    }),
  )
})

test('narrowing never widens: one more condition, a shorter time or a further exception permits nothing new', () => {
  const narrower: fc.Arbitrary<(one: Provision) => Provision> = fc.oneof(
    leaf(({ purposes }) => (purposes.length > 0 ? {} : { purposes: [purpose('TREAT')] })),
    leaf(({ actions }) => (actions.length > 0 ? {} : { actions: [action('use')] })),
    leaf(({ actors }) => (actors.length > 0 ? {} : { actors: [wu] })),
    leaf(({ data }) => (data.length > 0 ? {} : { data: ['Observation/1'] })),
    leaf(({ period }) => ({ period: { ...period, end: instantText(NOW - DAY_MS) } })),
    provisionsOf(1).map((more) => (one: Provision) => ({ ...one, provisions: [...one.provisions, ...more] })),
  )
  fc.assert(
    fc.property(provisionsOf(3), consents, asked, narrower, (provisions, others, question, narrow) => {
      fc.pre(decisionOf([...others, consent({ provisions: provisions.map(narrow) })], question) === 'permit')
      expect(decisionOf([...others, consent({ provisions })], question)).toBe('permit')
    }),
    { numRuns: 300 },
  )
})

test('silence never helps: what is permitted without a fact is permitted with it', () => {
  const facts = ['reference', 'labels', 'codes', 'documents'] as const
  fc.assert(
    fc.property(consents, asked, fc.subarray([...facts]), fc.boolean(), (all, question, left, isNameless) => {
      const record: Question['record'] = { ...question.record }
      for (const fact of left) Reflect.deleteProperty(record, fact)
      const { name, ...nameless } = question
      const less = { ...(isNameless ? nameless : { ...nameless, name }), record }
      fc.pre(decisionOf(all, less) === 'permit')
      expect(decisionOf(all, question)).toBe('permit')
    }),
    { numRuns: 300 },
  )
})

test('a decision holds until the moment that was told, and what is left out as irrelevant changes nothing', () => {
  fc.assert(
    fc.property(consents, asked, moment, fc.double({ min: 0, max: 1, noNaN: true }), (all, question, now, part) => {
      const rules = rulesFor(all, question.connection)
      const near = relevant(rules, [question])
      const until = holdsUntil(near, [question], now) ?? NOW + 100 * DAY_MS
      const later = Math.min(Math.floor(now + part * (until - now)), until - 1)
      expect(decide(near, question, later)).toEqual(decide(rules, question, later))
      expect(decide(near, question, later).decision).toBe(decide(near, question, now).decision)
    }),
    { numRuns: 300 },
  )
})

test('what is over stays over', () => {
  fc.assert(
    fc.property(anyConsent, asked, fc.nat(), (one, question, later) => {
      for (const rule of rulesFor([one], question.connection)) {
        const end = endOf(rule)
        if (end !== undefined) expect(decide([rule], question, end + later).by).toBeNull()
      }
    }),
  )
})

/** For provisions without exceptions: one with them also denies, and where it applies less, so do they. */
function leaf(change: (one: Provision) => Partial<Provision>): fc.Arbitrary<(one: Provision) => Provision> {
  return fc.constant((one) => (one.provisions.length > 0 ? one : { ...one, ...change(one) }))
}

/** The leaves of one consent, read off the consent itself: everything about the question is known. */
function read(one: Consent, question: Question, now: number): Effect[] {
  const { grantees, decision, provisions, period } = one
  const isMeant = grantees.length === 0 || holds(provision({ actors: grantees }), question, decision, now)
  if (!isMeant || !holds(provision({ ...(period && { period }) }), question, decision, now)) return []
  const exceptions = provisions.flatMap((nested) => readProvision(nested, opposite(decision), question, now))
  const isBase = grantees.length > 0 || provisions.length === 0
  if (!isBase || exceptions.includes(opposite(decision))) return exceptions
  return [decision, ...exceptions]
}

function readProvision(one: Provision, effect: Effect, question: Question, now: number): Effect[] {
  if (!holds(one, question, effect, now)) return []
  const exceptions = one.provisions.flatMap((nested) => readProvision(nested, opposite(effect), question, now))
  return exceptions.includes(opposite(effect)) ? exceptions : [effect, ...exceptions]
}

function holds(
  one: Provision,
  { connection, name, record, ...question }: Question,
  effect: Effect,
  now: number,
): boolean {
  const start = one.period?.start === undefined ? -Infinity : (spanOf(one.period.start)?.from ?? 0)
  const end = one.period?.end === undefined ? Infinity : (spanOf(one.period.end)?.to ?? 0)
  const purposes = effect === 'deny' ? lineOf(question.purpose) : [question.purpose]
  const pairs: readonly (readonly [readonly string[], readonly string[]])[] = [
    [one.actors.map(actorKey), [connection, `${connection} ${name}`]],
    [codes(one.actions), [question.action]],
    [codes(one.purposes), purposes],
    [codes(one.resourceTypes), [record.type]],
    [one.data, [record.reference ?? '']],
    [one.labels.map(token), record.labels ?? []],
    [one.codes.map(token), record.codes ?? []],
    [one.documentTypes.map(token), record.documents ?? []],
  ]
  const isNow = start <= now && now < end
  return (
    isNow && pairs.every(([wanted, stated]) => wanted.length === 0 || stated.some((value) => wanted.includes(value)))
  )
}

function codes(list: Provision['codes']): string[] {
  return list.map(({ code }) => code)
}

function opposite(effect: Effect): Effect {
  return effect === 'permit' ? 'deny' : 'permit'
}

/** The same rule with its lists and exceptions the other way round. */
function turned<T extends object>(part: T): T {
  const entries = Object.entries(part).map(([key, value]: [string, unknown]) => {
    if (key === 'but') return [key, (value as object[]).map(turned).toReversed()]
    return [key, Array.isArray(value) ? value.toReversed() : value]
  })
  return Object.fromEntries(entries) as T
}
