/** Audit rows as the vault writes them: one place for their columns. */
import type { AuditEntry, AuditRow } from '#host/storage/audit-row.ts'
import type { VineEvent } from '#host/wire/event.ts'
import type { Party } from './party.ts'

type Given = Pick<AuditEntry, 'at' | 'who' | 'result'> & Partial<AuditEntry>

/** A row; a column that is not given is unknown or does not apply. */
export function row(given: Given): AuditEntry {
  return {
    connection: null,
    eventId: null,
    eventType: null,
    fields: [],
    purpose: null,
    contractVersion: null,
    reason: null,
    askedAt: given.at,
    answeredAt: given.at,
    link: null,
    count: 1,
    ...given,
  }
}

/** A row about one event of one party. */
export function eventRow(party: Party, event: VineEvent, given: Omit<Given, 'who'>): AuditEntry {
  const whose =
    party.party === 'connection'
      ? { connection: party.id, who: party.record.alias, contractVersion: event.contractVersion }
      : { who: party.record.label }
  return row({ ...whose, eventId: event.id, eventType: event.type, askedAt: event.ts, ...given })
}

/** What a handler says about its event. */
export interface Facts {
  readonly handler: string
  readonly facts: readonly string[]
}

/** The handler's own words, marked as such (`noted`, by `handler/<id>`) and linked to the row of the event. */
export function factRows({ sequence, ...about }: AuditRow, said: Facts | undefined): AuditEntry[] {
  return (said?.facts ?? []).map((fact) =>
    row({
      at: about.at,
      who: `handler/${said?.handler}`,
      connection: about.connection,
      eventId: about.eventId,
      eventType: about.eventType,
      result: 'noted',
      reason: fact,
      link: sequence,
    }),
  )
}

/** Purposes of fields, as the contract states them. */
export function purposeOf(fields: readonly { readonly purpose: string }[]): string | null {
  const purposes = new Set(fields.map((field) => field.purpose))
  return purposes.size === 0 ? null : [...purposes].join('; ')
}
