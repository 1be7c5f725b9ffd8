import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import type { RefusalCode } from '#host/errors.ts'
import { RATE_WINDOW_MS, SESSION_RETENTION_MS } from '#host/limits.ts'
import { parseEventType } from '#host/wire/id.ts'

import { admit, type ConnectionFacts, type Permission, type RequestFacts, type Verdict } from './admit.ts'
import { contractOf, fieldOf, NOW } from './contract.fixture.ts'
import type { Tier } from './contract.ts'
import { fullBucket } from './rate.ts'

const DAY_MS = 24 * 3_600_000

interface Facts {
  readonly connection: ConnectionFacts
  readonly request: RequestFacts
}

/** A request for the email that nothing speaks against. */
function sound(fields: readonly string[] = ['email']): Facts {
  const contract = contractOf({ permissions: { ...contractOf().permissions, payment: false } })
  return {
    connection: {
      status: 'active',
      contract,
      acceptedAt: NOW,
      declined: new Set(),
      frozenBy: null,
      bucket: fullBucket({ capacity: 100 }, NOW),
    },
    request: {
      type: parseEventType('data.request'),
      contractVersion: 1,
      handler: { permission: 'data', approval: 'by-tier' },
      body: { fields },
      approved: false,
    },
  }
}

function onConnection(facts: Facts, changes: Partial<ConnectionFacts>): Facts {
  return { ...facts, connection: { ...facts.connection, ...changes } }
}

function onRequest(facts: Facts, changes: Partial<RequestFacts>): Facts {
  return { ...facts, request: { ...facts.request, ...changes } }
}

/** Asks for one more field, first and last, so that the place in the list does not matter. */
function alsoAsk(facts: Facts, name: string): Facts {
  const { body } = facts.request
  return body === 'malformed' ? facts : onRequest(facts, { body: { fields: [name, ...body.fields, name] } })
}

function judge({ connection, request }: Facts, now: number = NOW): Verdict {
  return admit(connection, request, now)
}

function codeOf(verdict: Verdict): RefusalCode | Verdict['kind'] {
  return verdict.kind === 'refused' ? verdict.code : verdict.kind
}

/** One broken condition each, in the order in which they are judged. */
const violations: readonly { name: string; code: RefusalCode; breaks: (facts: Facts) => Facts }[] = [
  { name: 'severed', code: 'connection-inactive', breaks: (facts) => onConnection(facts, { status: 'severed' }) },
  { name: 'newer version', code: 'contract-frozen', breaks: (facts) => onConnection(facts, { frozenBy: 2 }) },
  { name: 'other version', code: 'contract-stale', breaks: (facts) => onRequest(facts, { contractVersion: 2 }) },
  { name: 'no handler', code: 'unsupported-event', breaks: (facts) => onRequest(facts, { handler: undefined }) },
  {
    name: 'event type',
    code: 'not-permitted',
    breaks: (facts) => onRequest(facts, { type: parseEventType('data.erase') }),
  },
  {
    name: 'flag',
    code: 'not-permitted',
    breaks: (facts) => onRequest(facts, { handler: { permission: 'payment', approval: 'by-tier' } }),
  },
  { name: 'body', code: 'malformed-request', breaks: (facts) => onRequest(facts, { body: 'malformed' }) },
  { name: 'undeclared', code: 'field-undeclared', breaks: (facts) => alsoAsk(facts, 'nickname') },
  {
    name: 'declined',
    code: 'field-declined',
    breaks: (facts) => alsoAsk(onConnection(facts, { declined: new Set(['phone']) }), 'phone'),
  },
  {
    name: 'retention',
    code: 'retention-expired',
    breaks: (facts) => alsoAsk(onConnection(facts, { acceptedAt: NOW - 30 * DAY_MS }), 'shipping_address'),
  },
  { name: 'rate', code: 'rate-limited', breaks: (facts) => onConnection(facts, { bucket: { left: 0, since: NOW } }) },
]

describe('the order', () => {
  test('nothing broken: admitted', () => {
    expect(codeOf(judge(sound()))).toBe('admitted')
  })

  test.each(violations)('$name alone: $code', ({ code, breaks }) => {
    expect(codeOf(judge(breaks(sound())))).toBe(code)
  })

  const pairs = violations.flatMap((first, i) => violations.slice(i + 1).map((second) => ({ first, second })))

  test.each(pairs)('$first.name before $second.name', ({ first, second }) => {
    expect(codeOf(judge(first.breaks(second.breaks(sound()))))).toBe(first.code)
  })

  test.each(violations)('$name is said before the owner is asked', ({ code, breaks }) => {
    expect(codeOf(judge(breaks(sound(['date_of_birth']))))).toBe(code)
  })

  test.each(violations.filter(({ name }) => name !== 'rate'))('$name is said although the owner approved', (broken) => {
    const approved = onRequest(sound(['date_of_birth']), { approved: true })
    expect(codeOf(judge(broken.breaks(approved)))).toBe(broken.code)
  })
})

describe('a contract version that is not accepted admits nothing', () => {
  test.each([
    ['proposed', onConnection(sound(), { status: 'proposed' }), 'connection-inactive'],
    ['published and not accepted', onConnection(sound(), { frozenBy: 2 }), 'contract-frozen'],
    ['asked under the new one', onRequest(sound(), { contractVersion: 2 }), 'contract-stale'],
    ['asked under the old one', onConnection(sound(), { contract: contractOf({ version: 2 }) }), 'contract-stale'],
  ] as const)('%s', (_name, facts, code) => {
    expect(codeOf(judge(facts))).toBe(code)
  })
})

describe('permission', () => {
  const cases: readonly [Permission, Partial<ReturnType<typeof contractOf>['permissions']>][] = [
    ['authentication', { authentication: false }],
    ['store', { store: null }],
    ['messages', { messages: false }],
    ['payment', { payment: false }],
  ]

  test.each(cases)('%s needs its flag', (permission, withdrawn) => {
    const facts = onRequest(sound(), { handler: { permission, approval: 'by-tier' } })
    const given = contractOf()
    const taken = contractOf({ permissions: { ...given.permissions, ...withdrawn } })
    expect(codeOf(judge(onConnection(facts, { contract: given })))).toBe('admitted')
    expect(codeOf(judge(onConnection(facts, { contract: taken })))).toBe('not-permitted')
  })

  test.each([null, 'data'] as const)('%s needs the event type alone', (permission) => {
    expect(codeOf(judge(onRequest(sound(), { handler: { permission, approval: 'never' } })))).toBe('admitted')
  })
})

describe('fields', () => {
  test('each asked field comes back once, as the contract has it', () => {
    const verdict = judge(sound(['shipping_address', 'email', 'email']))
    if (verdict.kind !== 'admitted') throw new Error(verdict.kind)
    expect(verdict.fields.map(({ name }) => name)).toEqual(['shipping_address', 'email'])
    expect(verdict.fields[1]).toEqual(fieldOf('email', 'required'))
  })

  test('the refusal names the field, cut to the length of a name', () => {
    expect(judge(sound(['email', 'nickname']))).toMatchObject({ code: 'field-undeclared', field: 'nickname' })
    expect(judge(sound(['n'.repeat(9_000)]))).toMatchObject({ field: 'n'.repeat(64) })
    const declined = onConnection(sound(['email', 'phone']), { declined: new Set(['phone']) })
    expect(judge(declined)).toMatchObject({ code: 'field-declined', field: 'phone' })
  })

  test.each(['constructor', '__proto__', 'toString', 'Email', 'email '])('%j is no field', (name) => {
    expect(codeOf(judge(sound([name])))).toBe('field-undeclared')
  })

  test('an optional field that was not declined is given', () => {
    expect(codeOf(judge(sound(['phone'])))).toBe('admitted')
  })
})

describe('retention', () => {
  test.each([
    ['phone', SESSION_RETENTION_MS],
    ['shipping_address', 30 * DAY_MS],
  ])('%s is given until the last millisecond', (name, lifeMs) => {
    expect(codeOf(judge(sound([name]), NOW + lifeMs - 1))).toBe('admitted')
    expect(judge(sound([name]), NOW + lifeMs)).toMatchObject({ code: 'retention-expired', field: name })
    expect(codeOf(judge(sound([name]), NOW + lifeMs + 1))).toBe('retention-expired')
  })

  test('until revoked has no end', () => {
    expect(codeOf(judge(sound(['email']), NOW + 10_000 * DAY_MS))).toBe('admitted')
  })
})

describe('rate', () => {
  test('the 101st request in the hour is refused and says when to come back', () => {
    let facts = sound()
    for (let i = 0; i < 100; i++) {
      const verdict = judge(facts, NOW + i)
      if (verdict.kind !== 'admitted') throw new Error(`request ${i + 1}: ${verdict.kind}`)
      facts = onConnection(facts, { bucket: verdict.bucket })
    }
    const refused = { kind: 'refused', code: 'rate-limited', retryAt: NOW + RATE_WINDOW_MS }
    expect(judge(facts, NOW + 100)).toEqual(refused)
    expect(codeOf(judge(facts, NOW + RATE_WINDOW_MS))).toBe('admitted')
  })

  test('a question costs its token when asked, and the approved request does not pay again', () => {
    const pending = judge(sound(['date_of_birth']))
    if (pending.kind !== 'pending') throw new Error(pending.kind)
    expect(pending.bucket).toEqual({ left: 99, since: NOW })
    const empty = { left: 0, since: NOW }
    const resumed = onRequest(onConnection(sound(['date_of_birth']), { bucket: empty }), { approved: true })
    expect(judge(resumed)).toMatchObject({ kind: 'admitted', bucket: empty })
  })
})

describe('consent', () => {
  test('the owner is asked for the consent fields and shown all of them', () => {
    const verdict = judge(sound(['email', 'date_of_birth']))
    if (verdict.kind !== 'pending') throw new Error(verdict.kind)
    expect(verdict.fields.map(({ name }) => name)).toEqual(['email', 'date_of_birth'])
    expect(verdict.asking.map(({ name }) => name)).toEqual(['date_of_birth'])
  })

  test('no manifest takes the question away', () => {
    const handler = { permission: 'data', approval: 'never' } as const
    expect(codeOf(judge(onRequest(sound(['date_of_birth']), { handler })))).toBe('pending')
  })

  test('a manifest may ask for the event itself', () => {
    const handler = { permission: 'authentication', approval: 'always' } as const
    const facts = onRequest(sound([]), { handler })
    expect(judge(facts)).toMatchObject({ kind: 'pending', fields: [], asking: [] })
    expect(codeOf(judge(onRequest(facts, { approved: true })))).toBe('admitted')
  })
})

describe('properties', () => {
  const tier = fc.constantFrom<Tier>('required', 'optional', 'on-demand', 'consent')
  const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,3}$/)
  const declaredFields = fc.uniqueArray(fc.record({ name, tier }), { selector: ({ name }) => name, maxLength: 8 })
  const asked = fc.array(fc.oneof(name, fc.string(), fc.constantFrom('constructor', '__proto__')), { maxLength: 5 })

  test('what is not declared is never admitted, and consent is never skipped', () => {
    fc.assert(
      fc.property(declaredFields, asked, fc.boolean(), fc.nat(), (declared, asked, approved, pick) => {
        const known = declared.map(({ name }) => name)
        const names = pick % 2 === 0 ? [...known.slice(0, pick % 5), ...asked] : known.slice(0, pick % 9)
        const contract = contractOf({ fields: declared.map(({ name, tier }) => fieldOf(name, tier)) })
        const verdict = judge(onRequest(onConnection(sound(names), { contract }), { approved }))
        const allDeclared = names.every((name) => known.includes(name))
        const consent = declared.some(({ name, tier }) => tier === 'consent' && names.includes(name))
        expect(codeOf(verdict)).toBe(!allDeclared ? 'field-undeclared' : consent && !approved ? 'pending' : 'admitted')
        if (verdict.kind === 'refused') return
        expect(verdict.fields.map(({ name }) => name)).toEqual([...new Set(names)])
      }),
      { numRuns: 500 },
    )
  })
})
