/** Emergency access: a consent like any other, granted on the spot for a short time. */
import type { Asked, AskedRecord } from './decide.ts'
import { type Coding, type Consent, type Provision, systems } from './model.ts'
import { instantText } from './time.ts'

const HOUR_MS = 3_600_000

/** What the owner may answer, in hours. A longer time is a consent to be given in peace. */
const hours: ReadonlyMap<string, number> = new Map([
  ['1 hour', 1],
  ['4 hours', 4],
  ['24 hours', 24],
])

export const emergencyChoices: readonly string[] = [...hours.keys()]

/** Undefined for what was no choice. */
export function chosenMs(choice: string): number | undefined {
  const chosen = hours.get(choice)
  return chosen === undefined ? undefined : chosen * HOUR_MS
}

/**
 * The consent to ask for, or to record: these records, this asker, action and purpose, and no more.
 *
 * @param life when it holds, ms since the epoch, `until` not included; left out while it is only asked for
 */
export function emergencyConsent(
  asked: Asked,
  records: readonly AskedRecord[],
  life?: { readonly now: number; readonly until: number },
): Consent {
  const period = life && { start: instantText(life.now), end: instantText(life.until - 1) }
  return {
    status: 'active',
    categories: [{ system: systems.category, code: 'emergency' }],
    ...(life && { date: instantText(life.now).slice(0, 10) }),
    grantors: [],
    grantees: [],
    decision: 'deny',
    provisions: records.map((record) => ({ ...provisionFor(asked, record), ...(period && { period }) })),
  }
}

function provisionFor({ connection, name, action, purpose }: Asked, record: AskedRecord): Provision {
  return {
    actors: [name === undefined ? { connection } : { connection, name }],
    actions: [{ system: systems.action, code: action }],
    purposes: [{ system: systems.purpose, code: purpose }],
    resourceTypes: [{ system: systems.resourceType, code: record.type }],
    data: record.reference === undefined ? [] : [record.reference],
    codes: (record.codes ?? []).map(codingOf),
    labels: (record.labels ?? []).map(codingOf),
    documentTypes: (record.documents ?? []).map(codingOf),
    provisions: [],
  }
}

function codingOf(token: string): Coding {
  const at = token.lastIndexOf('|')
  return { system: token.slice(0, at), code: token.slice(at + 1) }
}
