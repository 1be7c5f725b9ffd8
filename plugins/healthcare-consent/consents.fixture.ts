/** Consents to test with, in FHIR, and arbitrary ones within the subset. */
import * as fc from 'fast-check'

import { printConsent } from './fhir-print.ts'
import type { Actor, Coding, Consent, Mention, Period, Provision } from './model.ts'
import { actions, systems } from './model.ts'
import { instantText } from './time.ts'

export const NOW = 1_800_000_000_000
export const DAY_MS = 24 * 3_600_000

export const purpose = (code: string): Coding => ({ system: systems.purpose, code })
export const type = (code: string): Coding => ({ system: systems.resourceType, code })
export const action = (code: string): Coding => ({ system: systems.action, code })
export const label = (code: string): Coding => ({
  system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality',
  code,
})

const empty: Provision = {
  actors: [],
  actions: [],
  labels: [],
  purposes: [],
  documentTypes: [],
  resourceTypes: [],
  codes: [],
  data: [],
  provisions: [],
}

/** A provision with these conditions and no others. */
export function provision(conditions: Partial<Provision>): Provision {
  return { ...empty, ...conditions }
}

/** A consent with these parts; deny, and so nothing but its provisions, unless it says otherwise. */
export function consent(parts: Partial<Consent>): Consent {
  return { status: 'active', categories: [], grantors: [], grantees: [], decision: 'deny', provisions: [], ...parts }
}

/** The same in FHIR. */
export function fhir(parts: Partial<Consent>): Readonly<Record<string, unknown>> {
  return printConsent(consent(parts))
}

// Few values, so that they meet.
const connection = fc.constantFrom('clinic', 'lab')
const personName = fc.constantFrom('Practitioner/wu', 'Practitioner/roe')
const display = fc.option(fc.constant('as the clinic calls it'), { nil: undefined })
const mention: fc.Arbitrary<Mention> = fc.constantFrom({ reference: 'Patient/1' }, { display: 'Alice' })
const role: Coding = { system: systems.participation, code: 'IRCP' }

const actor: fc.Arbitrary<Actor> = fc
  .record({
    connection,
    name: fc.option(personName, { nil: undefined }),
    display,
    role: fc.constantFrom(role, undefined),
  })
  .map((fields) => defined<Actor>(fields))

function coding(system: string, codes: readonly string[]): fc.Arbitrary<Coding> {
  return fc
    .record({ system: fc.constant(system), code: fc.constantFrom(...codes), display })
    .map((fields) => defined<Coding>(fields))
}

const day = fc.integer({ min: -3, max: 3 }).map((days) => NOW + days * DAY_MS)
const period: fc.Arbitrary<Period> = fc
  .tuple(fc.option(day, { nil: undefined }), fc.option(day, { nil: undefined }))
  .filter(([start, end]) => (start ?? end) !== undefined && (start === undefined || end === undefined || start <= end))
  .map(([start, end]) => defined<Period>({ start: start && instantText(start), end: end && instantText(end) }))

const purposes = ['TREAT', 'ETREAT', 'BTG', 'HPAYMT', 'HRESCH'] as const
const types = ['Observation', 'Condition'] as const

function few<T>(item: fc.Arbitrary<T>): fc.Arbitrary<readonly T[]> {
  return fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.array(item, { maxLength: 2 }) })
}

/** Provisions up to `depth` levels. */
export function provisionsOf(depth: number): fc.Arbitrary<readonly Provision[]> {
  const one = fc
    .record({
      period: fc.option(period, { nil: undefined, freq: 3 }),
      actors: few(actor),
      actions: few(coding(systems.action, actions.slice(0, 2))),
      labels: few(coding(label('R').system, ['R', 'N'])),
      purposes: few(coding(systems.purpose, purposes)),
      documentTypes: few(coding('http://loinc.org', ['18842-5'])),
      resourceTypes: few(coding(systems.resourceType, types)),
      codes: few(coding('http://loinc.org', ['1', '2'])),
      data: few(fc.constantFrom('Observation/1', 'Condition/1')),
      provisions: depth > 1 ? provisionsOf(depth - 1) : fc.constant([]),
    })
    .map((fields) => defined<Provision>(fields))
    // FHIR has no element without content.
    .filter((fields) => Object.values(fields).some((value) => !Array.isArray(value) || value.length > 0))
  return fc.array(one, { maxLength: 2 })
}

/** A consent that `parseConsent` takes. */
export const anyConsent: fc.Arbitrary<Consent> = fc
  .record({
    id: fc.option(fc.constantFrom('c-1', 'c-2'), { nil: undefined }),
    status: fc.constantFrom('active' as const, 'inactive' as const),
    categories: few(coding('http://loinc.org', ['59284-0'])),
    subject: fc.option(mention, { nil: undefined }),
    date: fc.constantFrom('2027-01-15', undefined),
    period: fc.option(period, { nil: undefined }),
    grantors: few(mention),
    grantees: few(actor.map(({ role: _role, ...grantee }) => grantee)),
    decision: fc.constantFrom('permit' as const, 'deny' as const),
    provisions: provisionsOf(3),
  })
  .map((fields) => defined<Consent>(fields))
  .filter(({ decision, grantees }) => decision === 'deny' || grantees.length > 0)
  .map((made) => (made.grantees.length === 0 ? made : withoutActors(made)))

/** With grantees, provisions may only name some of them. */
function withoutActors(made: Consent): Consent {
  return { ...made, provisions: made.provisions.map(withoutActor) }
}

function withoutActor(made: Provision): Provision {
  return { ...made, actors: [], resourceTypes: [type('Observation')], provisions: made.provisions.map(withoutActor) }
}

/** What is asked about one record: all of it stated. */
export const asked = fc.record({
  connection,
  name: personName,
  action: fc.constantFrom(...actions.slice(0, 2)),
  purpose: fc.constantFrom(...purposes),
  record: fc.constantFrom(...types).chain((type) =>
    fc.record({
      type: fc.constant(type),
      reference: fc.constantFrom(`${type}/1`, `${type}/2`),
      documents: few(fc.constant('http://loinc.org|18842-5')),
      labels: few(fc.constantFrom('R', 'N').map((code) => `${label(code).system}|${code}`)),
      codes: few(fc.constantFrom('http://loinc.org|1', 'http://loinc.org|2')),
    }),
  ),
})

/** A moment around `NOW`, some of them where periods turn. */
export const moment = fc.oneof(day, fc.integer({ min: NOW - 4 * DAY_MS, max: NOW + 4 * DAY_MS }))

function defined<T extends object>(fields: { [K in keyof T]: T[K] | undefined } | object): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T
}
