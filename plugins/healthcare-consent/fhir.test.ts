import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { anyConsent, fhir, provision, purpose, type } from './consents.fixture.ts'
import { parseConsent } from './fhir.ts'
import { printConsent } from './fhir-print.ts'
import { type Actor, systems } from './model.ts'

/** All of the subset, as a hospital might send it. */
const whole = {
  resourceType: 'Consent',
  id: 'consent-1',
  status: 'active',
  category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0', display: 'Consent Document' }] }],
  subject: { reference: 'Patient/f001', display: 'P. van de Heuvel' },
  date: '2026-11-18',
  period: { start: '2026-11-18', end: '2027-11-18T12:00:00.5+01:00' },
  grantor: [{ reference: 'Patient/f001' }],
  decision: 'deny',
  provision: [
    {
      period: { end: '2027-01-01' },
      actor: [
        {
          role: { coding: [{ system: systems.participation, code: 'IRCP' }] },
          reference: {
            reference: 'Organization/f001',
            identifier: { system: 'urn:vine:connection', value: 'good-health' },
            display: 'Good Health Clinic',
          },
        },
        { reference: { identifier: { system: 'urn:vine:connection:good-health', value: 'Practitioner/dr-wu' } } },
      ],
      action: [{ coding: [{ system: systems.action, code: 'access' }] }],
      securityLabel: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'N' }],
      purpose: [{ system: systems.purpose, code: 'TREAT', display: 'treatment' }],
      documentType: [{ system: 'http://loinc.org', code: '18842-5' }],
      resourceType: [{ system: systems.resourceType, code: 'Observation' }],
      code: [{ coding: [{ system: 'http://loinc.org', code: '718-7' }] }],
      data: [{ meaning: 'instance', reference: { reference: 'Observation/hb-1' } }],
      provision: [{ purpose: [{ system: systems.purpose, code: 'HRESCH' }] }],
    },
  ],
}

test('what is read is written back as it was', () => {
  expect(printConsent(parseConsent(whole))).toEqual(whole)
  fc.assert(
    fc.property(anyConsent, (consent) => {
      const printed = printConsent(consent)
      expect(parseConsent(printed)).toEqual(consent)
      expect(printConsent(parseConsent(JSON.parse(JSON.stringify(printed))))).toEqual(printed)
    }),
  )
})

const first = whole.provision[0]
const inFirst = (change: object): object => ({ ...whole, provision: [{ ...first, ...change }] })
const actor = (change: object): object => inFirst({ actor: [{ ...first?.actor[0], ...change }] })

test.each<[string, unknown, string, string]>([
  ['no Consent', { ...whole, resourceType: 'Contract' }, 'fhir-invalid', 'Consent.resourceType'],
  ['a list', [whole], 'fhir-invalid', 'Consent:'],
  ['a modifier extension', { ...whole, modifierExtension: [{ url: 'x' }] }, 'fhir-unsupported', 'changes the meaning'],
  [
    'implicit rules',
    { ...whole, implicitRules: 'x' },
    'fhir-unsupported',
    'Consent.implicitRules: changes the meaning',
  ],
  ['an extension', { ...whole, extension: [{ url: 'x' }] }, 'fhir-unsupported', 'Consent.extension'],
  ['a backing policy', { ...whole, policyBasis: { url: 'x' } }, 'fhir-unsupported', 'Consent.policyBasis'],
  ['verification', { ...whole, verification: [{ verified: false }] }, 'fhir-unsupported', 'Consent.verification'],
  ['an extension of a primitive', { ...whole, _status: { id: 'x' } }, 'fhir-unsupported', 'Consent._status'],
  ['a draft', { ...whole, status: 'draft' }, 'fhir-unsupported', 'Consent.status'],
  ['no decision', { ...whole, decision: undefined }, 'fhir-unsupported', 'Consent.decision'],
  ['permit for everybody', { ...whole, decision: 'permit' }, 'fhir-unsupported', 'name the grantee'],
  ['an empty list', { ...whole, provision: [] }, 'fhir-invalid', 'Consent.provision'],
  ['null', { ...whole, period: null }, 'fhir-invalid', 'Consent.period'],
  ['a time without a zone', { ...whole, period: { end: '2027-01-01T00:00:00' } }, 'fhir-unsupported', 'period.end'],
  ['a month', { ...whole, date: '2027-01' }, 'fhir-unsupported', 'Consent.date'],
  [
    'a period that ends first',
    { ...whole, period: { start: '2027-01-02', end: '2027-01-01' } },
    'fhir-invalid',
    'ends',
  ],
  ['a provision without content', { ...whole, provision: [{}] }, 'fhir-invalid', 'provision[0]'],
  ['R4’s type of a provision', inFirst({ type: 'permit' }), 'fhir-unsupported', 'provision[0].type'],
  ['an expression', inFirst({ expression: { language: 'x' } }), 'fhir-unsupported', 'provision[0].expression'],
  ['a data period', inFirst({ dataPeriod: { end: '2020-01-01' } }), 'fhir-unsupported', 'provision[0].dataPeriod'],
  ['a modifier extension inside', inFirst({ modifierExtension: [{}] }), 'fhir-unsupported', 'changes the meaning'],
  ['a modifier extension of an actor', actor({ modifierExtension: [{}] }), 'fhir-unsupported', 'changes the meaning'],
  ['the role of an author', actor({ role: concept(systems.participation, 'AUT') }), 'fhir-unsupported', 'IRCP, PRCP'],
  [
    'an actor nobody can prove to be',
    actor({ reference: { reference: 'Organization/1' } }),
    'fhir-unsupported',
    'identify',
  ],
  ['an actor of another system', identified('urn:oid:1', 'x'), 'fhir-unsupported', 'identifier.system'],
  ['an actor with words for a name', identified('urn:vine:connection:a', 'a b'), 'fhir-unsupported', 'spaces'],
  ['no connection’s id', identified('urn:vine:connection', 'A'), 'fhir-invalid', 'id of a connection'],
  ['everyone’s shelf', identified('urn:vine:connection', '*'), 'fhir-invalid', 'id of a connection'],
  ['an unknown action', inFirst({ action: [concept(systems.action, 'delete')] }), 'fhir-unsupported', 'action[0]'],
  ['an unknown purpose', inFirst({ purpose: [purpose('FUN')] }), 'fhir-unsupported', 'purpose[0]'],
  [
    'a purpose of another system',
    inFirst({ purpose: [{ system: 'x', code: 'TREAT' }] }),
    'fhir-unsupported',
    'purpose',
  ],
  ['no resource type', inFirst({ resourceType: [type('obs')] }), 'fhir-unsupported', 'resourceType[0]'],
  ['related records', inFirst({ data: [data('related', 'Observation/1')] }), 'fhir-unsupported', 'must be instance'],
  [
    'a record elsewhere',
    inFirst({ data: [data('instance', 'https://x/Observation/1')] }),
    'fhir-unsupported',
    'Type/id',
  ],
  ['a code in words', inFirst({ code: [concept('x', 'a b')] }), 'fhir-unsupported', 'spaces'],
  ['a code that turns the line around', inFirst({ code: [concept('x', 'a\u202eb')] }), 'fhir-unsupported', 'invisible'],
  [
    'two codings of one concept',
    inFirst({ code: [{ coding: [type('A'), type('B')] }] }),
    'fhir-unsupported',
    'code[0]',
  ],
])('refuses %s', (_name, value, code, text) => {
  expect(() => parseConsent(JSON.parse(JSON.stringify(value)))).toThrow(
    expect.objectContaining({ code, message: expect.stringContaining(text) }),
  )
})

test('refuses what is too much to read', () => {
  const deep = { provisions: [provision({ data: ['A/1'] })] }
  const four = fhir({ provisions: [provision({ provisions: [provision({ provisions: [provision(deep)] })] })] })
  expect(() => parseConsent(four)).toThrow(
    expect.objectContaining({ message: expect.stringContaining('deeper than 3') }),
  )
  const nine = Array.from({ length: 9 }, () => provision({ data: ['A/1'] }))
  const wide = fhir({ provisions: nine.map(() => provision({ provisions: nine })) })
  expect(() => parseConsent(wide)).toThrow(
    expect.objectContaining({ message: expect.stringContaining('more than 64') }),
  )
})

test('refuses a provision for somebody who is no grantee: it would have no effect', () => {
  const clinic = { connection: 'clinic' }
  const named = { connection: 'clinic', name: 'Practitioner/wu' }
  expect(parseConsent(withProvision(named, clinic)).provisions).toHaveLength(1)
  for (const [actor, grantee] of [
    [{ connection: 'lab' }, clinic],
    [clinic, named],
  ] as const) {
    expect(() => parseConsent(withProvision(actor, grantee))).toThrow(
      expect.objectContaining({ message: expect.stringContaining('is no grantee') }),
    )
  }
})

function withProvision(actor: Actor, grantee: Actor): unknown {
  return fhir({ decision: 'permit', grantees: [grantee], provisions: [provision({ actors: [actor] })] })
}

function concept(system: string, code: string): object {
  return { coding: [{ system, code }] }
}

function data(meaning: string, reference: string): object {
  return { meaning, reference: { reference } }
}

function identified(system: string, value: string): object {
  return actor({ reference: { identifier: { system, value } } })
}
