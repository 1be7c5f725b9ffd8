/** FHIR R5 Consent out: the inverse of `fhir.ts`. */
import { type Fields, present } from './fields.ts'
import { type Actor, type Coding, type Consent, type Provision, systems } from './model.ts'

export function printConsent(consent: Consent): Fields {
  const { id, status, categories, subject, date, period, grantors, grantees, decision, provisions } = consent
  return present({
    resourceType: 'Consent',
    id,
    status,
    category: some(categories, printConcept),
    subject,
    date,
    period,
    grantor: some(grantors, (grantor) => grantor),
    grantee: some(grantees, printReference),
    decision,
    provision: some(provisions, printProvision),
  })
}

function printProvision(provision: Provision): Fields {
  return present({
    period: provision.period,
    actor: some(provision.actors, printActor),
    action: some(provision.actions, printConcept),
    securityLabel: some(provision.labels, (label) => label),
    purpose: some(provision.purposes, (purpose) => purpose),
    documentType: some(provision.documentTypes, (type) => type),
    resourceType: some(provision.resourceTypes, (type) => type),
    code: some(provision.codes, printConcept),
    data: some(provision.data, (reference) => ({ meaning: 'instance', reference: { reference } })),
    provision: some(provision.provisions, printProvision),
  })
}

function printActor(actor: Actor): Fields {
  const { role } = actor
  return present({ role: role === undefined ? undefined : printConcept(role), reference: printReference(actor) })
}

function printReference({ connection, name, reference, display }: Actor): Fields {
  const identifier =
    name === undefined
      ? { system: systems.connection, value: connection }
      : { system: `${systems.actor}${connection}`, value: name }
  return present({ reference, identifier, display })
}

function printConcept(coding: Coding): Fields {
  return { coding: [coding] }
}

/** FHIR knows no empty list: undefined for one. */
function some<T, U>(items: readonly T[], print: (item: T) => U): readonly U[] | undefined {
  return items.length === 0 ? undefined : items.map(print)
}
