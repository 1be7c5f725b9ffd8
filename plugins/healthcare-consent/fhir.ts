/**
 * FHIR R5 Consent (https://hl7.org/fhir/R5/consent.html) in: the subset that this handler decides by.
 *
 * Whatever is outside is refused with its path, because an element that is skipped is a condition that does not hold.
 * What this reads, `fhir-print.ts` writes back as it was.
 */
import { fieldsOf, invalid, listOf, optionalText, present, textOf, unsupported, wordOf } from './fields.ts'
import {
  actions,
  type Actor,
  type Coding,
  type Consent,
  isRecordReference,
  isResourceType,
  type Mention,
  type Period,
  type Provision,
  systems,
} from './model.ts'
import { isPurpose } from './purposes.ts'
import { isDay, spanOf } from './time.ts'

const ITEMS_MAX = 16
const TEXT_CHARS_MAX = 256
const ID_CHARS_MAX = 64
/** Levels of provisions: a rule, its exception and the exception to that. */
const DEPTH_MAX = 3
/** Provisions of one consent, all levels: more is a form nobody reads. */
const PROVISIONS_MAX = 64

const consentElements = 'resourceType id status category subject date period grantor grantee decision provision'.split(
  ' ',
)
const provisionElements =
  'period actor action securityLabel purpose documentType resourceType code data provision'.split(' ')
/** Information recipient, in its two codes: a role that an asker has. Others (author, custodian) are about the data. */
const roles = ['IRCP', 'PRCP']

/** @throws refusal `fhir-invalid` or `fhir-unsupported`, naming the element */
export function parseConsent(value: unknown): Consent {
  const path = 'Consent'
  const fields = fieldsOf(value, path, consentElements)
  if (fields['resourceType'] !== 'Consent') return invalid(`${path}.resourceType`, 'must be Consent')
  const consent: Consent = present({
    id: optionalText(fields['id'], `${path}.id`, ID_CHARS_MAX),
    status: statusOf(fields['status'], `${path}.status`),
    categories: concepts(fields['category'], `${path}.category`),
    subject: fields['subject'] === undefined ? undefined : mentionOf(fields['subject'], `${path}.subject`),
    date: dateOf(fields['date'], `${path}.date`),
    period: periodOf(fields['period'], `${path}.period`),
    grantors: listOf(fields['grantor'], { path: `${path}.grantor`, max: ITEMS_MAX }, mentionOf),
    grantees: listOf(fields['grantee'], { path: `${path}.grantee`, max: ITEMS_MAX }, referenceOf),
    decision: decisionOf(fields['decision'], `${path}.decision`),
    provisions: provisionsOf(fields['provision'], { path: `${path}.provision`, depth: 1 }),
  })
  checkWhole(consent)
  return consent
}

/** What no single element shows. */
function checkWhole(consent: Consent): void {
  const { grantees, decision, provisions } = consent
  if (decision === 'permit' && grantees.length === 0) {
    unsupported('Consent.decision', 'permit without a grantee would permit everybody: name the grantee')
  }
  let count = 0
  const visit = (provision: Provision, path: string): void => {
    count += 1
    if (count > PROVISIONS_MAX) unsupported('Consent.provision', `has more than ${PROVISIONS_MAX} provisions`)
    for (const [index, actor] of provision.actors.entries()) {
      if (grantees.length === 0 || grantees.some((grantee) => includesActor(grantee, actor))) continue
      invalid(`${path}.actor[${index}]`, 'is no grantee of this consent, so it would have no effect')
    }
    provision.provisions.forEach((nested, index) => visit(nested, `${path}.provision[${index}]`))
  }
  provisions.forEach((provision, index) => visit(provision, `Consent.provision[${index}]`))
}

function includesActor(wide: Actor, narrow: Actor): boolean {
  return wide.connection === narrow.connection && (wide.name === undefined || wide.name === narrow.name)
}

function provisionsOf(value: unknown, place: { path: string; depth: number }): readonly Provision[] {
  if (value !== undefined && place.depth > DEPTH_MAX) unsupported(place.path, `nests deeper than ${DEPTH_MAX} levels`)
  return listOf(value, { path: place.path, max: PROVISIONS_MAX }, (item, path): Provision => {
    const fields = fieldsOf(item, path, provisionElements)
    return present({
      period: periodOf(fields['period'], `${path}.period`),
      actors: listOf(fields['actor'], { path: `${path}.actor`, max: ITEMS_MAX }, actorOf),
      actions: concepts(fields['action'], `${path}.action`, actionCode),
      labels: codings(fields['securityLabel'], `${path}.securityLabel`),
      purposes: codings(fields['purpose'], `${path}.purpose`, purposeCode),
      documentTypes: codings(fields['documentType'], `${path}.documentType`),
      resourceTypes: codings(fields['resourceType'], `${path}.resourceType`, resourceTypeCode),
      codes: concepts(fields['code'], `${path}.code`),
      data: listOf(fields['data'], { path: `${path}.data`, max: ITEMS_MAX }, dataOf),
      provisions: provisionsOf(fields['provision'], { path: `${path}.provision`, depth: place.depth + 1 }),
    })
  })
}

/** The checks that tell codes this handler knows from those it would have to guess at. */
type CodeCheck = (coding: Coding, path: string) => void

const actionCode: CodeCheck = ({ system, code }, path) => {
  if (system !== systems.action || !actions.includes(code)) unsupported(path, `is none of ${actions.join(', ')}`)
}
const purposeCode: CodeCheck = ({ system, code }, path) => {
  if (system !== systems.purpose || !isPurpose(code)) unsupported(path, 'is no purpose of use of v3-ActReason')
}
const resourceTypeCode: CodeCheck = ({ system, code }, path) => {
  if (system !== systems.resourceType || !isResourceType(code)) unsupported(path, 'is no FHIR resource type')
}
const roleCode: CodeCheck = ({ system, code }, path) => {
  if (system !== systems.participation || !roles.includes(code)) unsupported(path, `is none of ${roles.join(', ')}`)
}

function codings(value: unknown, path: string, check?: CodeCheck): readonly Coding[] {
  return listOf(value, { path, max: ITEMS_MAX }, (item, at) => codingOf(item, at, check))
}

/** CodeableConcepts of one coding each: two would be the same thing said twice, and nobody could tell. */
function concepts(value: unknown, path: string, check?: CodeCheck): readonly Coding[] {
  return listOf(value, { path, max: ITEMS_MAX }, (item, at) => conceptOf(item, at, check))
}

function conceptOf(value: unknown, path: string, check?: CodeCheck): Coding {
  const { coding } = fieldsOf(value, path, ['coding'])
  const [only] = listOf(coding, { path: `${path}.coding`, max: 1 }, (item, at) => codingOf(item, at, check))
  return only ?? invalid(`${path}.coding`, 'must hold one coding')
}

function codingOf(value: unknown, path: string, check?: CodeCheck): Coding {
  const fields = fieldsOf(value, path, ['system', 'code', 'display'])
  const coding: Coding = present({
    system: wordOf(fields['system'], `${path}.system`, TEXT_CHARS_MAX),
    code: wordOf(fields['code'], `${path}.code`, ID_CHARS_MAX),
    display: optionalText(fields['display'], `${path}.display`, TEXT_CHARS_MAX),
  })
  check?.(coding, path)
  return coding
}

function actorOf(value: unknown, path: string): Actor {
  const { role, reference } = fieldsOf(value, path, ['role', 'reference'])
  const actor = referenceOf(reference, `${path}.reference`)
  return role === undefined ? actor : { ...actor, role: conceptOf(role, `${path}.role`, roleCode) }
}

/** A Reference to somebody who can ask here: by the identifier of a connection, or of an actor at one. */
function referenceOf(value: unknown, path: string): Actor {
  const fields = fieldsOf(value, path, ['reference', 'identifier', 'display'])
  const at = `${path}.identifier`
  if (fields['identifier'] === undefined) {
    return unsupported(path, 'names nobody who can ask here: identify the connection')
  }
  const identifier = fieldsOf(fields['identifier'], at, ['system', 'value'])
  const system = textOf(identifier['system'], `${at}.system`, TEXT_CHARS_MAX)
  const name = wordOf(identifier['value'], `${at}.value`, ID_CHARS_MAX)
  const isConnection = system === systems.connection
  if (!isConnection && !system.startsWith(systems.actor)) return unsupported(`${at}.system`, 'is no connection')
  const connection = isConnection ? name : system.slice(systems.actor.length)
  if (!/^[a-z0-9_-]{1,64}$/.test(connection)) return invalid(at, 'is not the id of a connection')
  return present({
    connection,
    name: isConnection ? undefined : name,
    reference: optionalText(fields['reference'], `${path}.reference`, TEXT_CHARS_MAX),
    display: optionalText(fields['display'], `${path}.display`, TEXT_CHARS_MAX),
  })
}

function mentionOf(value: unknown, path: string): Mention {
  const fields = fieldsOf(value, path, ['reference', 'display'])
  return present({
    reference: optionalText(fields['reference'], `${path}.reference`, TEXT_CHARS_MAX),
    display: optionalText(fields['display'], `${path}.display`, TEXT_CHARS_MAX),
  })
}

function dataOf(value: unknown, path: string): string {
  const fields = fieldsOf(value, path, ['meaning', 'reference'])
  if (fields['meaning'] !== 'instance') return unsupported(`${path}.meaning`, 'must be instance')
  const { reference } = fieldsOf(fields['reference'], `${path}.reference`, ['reference'])
  const text = textOf(reference, `${path}.reference.reference`, TEXT_CHARS_MAX)
  return isRecordReference(text) ? text : unsupported(`${path}.reference.reference`, 'must be Type/id')
}

function periodOf(value: unknown, path: string): Period | undefined {
  if (value === undefined) return undefined
  const fields = fieldsOf(value, path, ['start', 'end'])
  const period: Period = present({
    start: timeOf(fields['start'], `${path}.start`),
    end: timeOf(fields['end'], `${path}.end`),
  })
  const from = period.start === undefined ? undefined : spanOf(period.start)?.from
  const to = period.end === undefined ? undefined : spanOf(period.end)?.to
  if (from !== undefined && to !== undefined && from >= to) return invalid(path, 'ends before it starts')
  return period
}

function timeOf(value: unknown, path: string): string | undefined {
  const text = optionalText(value, path, ID_CHARS_MAX)
  if (text !== undefined && spanOf(text) === undefined) {
    return unsupported(path, 'must be a day, or a time with seconds and zone')
  }
  return text
}

function dateOf(value: unknown, path: string): string | undefined {
  const text = optionalText(value, path, ID_CHARS_MAX)
  return text === undefined || isDay(text) ? text : unsupported(path, 'must be a day')
}

function statusOf(value: unknown, path: string): 'active' | 'inactive' {
  if (value === 'active' || value === 'inactive') return value
  return unsupported(path, 'must be active')
}

function decisionOf(value: unknown, path: string): 'permit' | 'deny' {
  if (value === 'permit' || value === 'deny') return value
  return unsupported(path, 'must be permit or deny')
}
