/** A consent as this handler understands it: what `fhir.ts` reads and writes. */

export type Effect = 'permit' | 'deny'

/** FHIR Coding. */
export interface Coding {
  readonly system: string
  readonly code: string
  /** Kept for whoever wrote it. Never shown to the owner and never decided by: it need not fit the code. */
  readonly display?: string
}

/** FHIR Period, as written. Either end may be open. */
export interface Period {
  readonly start?: string
  readonly end?: string
}

/** A connection of this vault, or somebody whom that connection vouches for. */
export interface Actor {
  readonly connection: string
  /** The name the connection knows them by, for example `Practitioner/dr-wu`. */
  readonly name?: string
  /** FHIR Reference.reference and .display beside the identifier: kept, and decided nothing by. */
  readonly reference?: string
  readonly display?: string
  readonly role?: Coding
}

/** FHIR Reference to somebody whom nothing is decided by: the patient, the grantor. */
export interface Mention {
  readonly reference?: string
  readonly display?: string
}

/**
 * An exception to the level above it. All conditions must hold; of the values of one condition, any. An empty
 * condition always holds.
 */
export interface Provision {
  readonly period?: Period
  readonly actors: readonly Actor[]
  readonly actions: readonly Coding[]
  readonly labels: readonly Coding[]
  readonly purposes: readonly Coding[]
  readonly documentTypes: readonly Coding[]
  readonly resourceTypes: readonly Coding[]
  readonly codes: readonly Coding[]
  /** Single records: `Observation/123`. */
  readonly data: readonly string[]
  readonly provisions: readonly Provision[]
}

export interface Consent {
  readonly id?: string
  readonly status: 'active' | 'inactive'
  readonly categories: readonly Coding[]
  readonly subject?: Mention
  readonly date?: string
  readonly period?: Period
  readonly grantors: readonly Mention[]
  /** Whom the whole consent is about; empty when each provision says so itself. */
  readonly grantees: readonly Actor[]
  readonly decision: Effect
  readonly provisions: readonly Provision[]
}

export const systems = {
  /** `value` is the id of a connection of this vault. */
  connection: 'urn:vine:connection',
  /** The connection's id after it: `value` is somebody's name there. */
  actor: 'urn:vine:connection:',
  participation: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType',
  action: 'http://terminology.hl7.org/CodeSystem/consentaction',
  purpose: 'http://terminology.hl7.org/CodeSystem/v3-ActReason',
  resourceType: 'http://hl7.org/fhir/fhir-types',
  /** Categories this handler gives: `emergency`. */
  category: 'urn:vine:consent',
} as const

export const actions: readonly string[] = ['collect', 'access', 'use', 'disclose', 'correct']

/** `Type/id`, of this patient's record: no version, no other server. */
export function isRecordReference(text: string): boolean {
  return /^[A-Z][A-Za-z]{0,63}\/[A-Za-z0-9.-]{1,64}$/.test(text)
}

export function isResourceType(text: string): boolean {
  return /^[A-Z][A-Za-z]{0,63}$/.test(text)
}
