/**
 * The consents of this vault, in the handler's own namespace:
 *
 * - `consent/<id>`: the consent and how it came about; revoked ones stay, with their end.
 * - `rule/<connection>/<id>`, `rule/<anyone>/<id>`: what is in force, by whom it concerns. A check reads two shelves.
 * - `count/<connection>`: how many rules are on a shelf.
 * - `from/<connection>/<id>`: what a connection brought in, and may read again.
 * - `emergency`: what the owner wants to happen in an emergency.
 */
import { type Namespace, open } from 'trellis:handler/store@0.1.0'

import { parseJson } from '../sdk/json.ts'
import { refuse } from '../sdk/refuse.ts'
import { encodeUtf8 } from '../sdk/utf8.ts'
import type { Fields } from './fields.ts'
import { ANYONE, compile, endOf, type Rule } from './rules.ts'
import { parseConsent } from './fhir.ts'

/** Rules on one shelf: a check reads them all, and an event may read 4,096 keys. */
const SHELF_RULES_MAX = 1_024
const PAGE_ITEMS = 256
/** Consents in one answer: each is 16 KiB at most. */
const READ_PAGE_ITEMS = 16

/** Who brought a consent in, when it was no connection. No connection has this id. */
export const OWNER = '*owner'

/** One consent as it is kept. */
export interface Entry {
  /** FHIR R5 Consent, as given, with the id it was given here. */
  readonly consent: Fields
  /** When it was recorded, ms since the epoch. */
  readonly at: number
  /** The connection that proposed it, or `OWNER`. */
  readonly from: string
  readonly revokedAt?: number
  /** Why it was granted in an emergency, and by what: the owner's word, or the policy that the owner left. */
  readonly emergency?: { readonly reason: string; readonly by: 'owner' | 'policy' }
}

/** What the owner wants to happen when a connection asks in an emergency and no consent decides. */
export type EmergencyPolicy =
  | { readonly mode: 'ask' | 'never' }
  | { readonly mode: 'named'; readonly connections: readonly string[]; readonly minutes: number }

export interface Ledger {
  entry(id: string): Entry | undefined
  /** Records a consent and puts its rules in force. @throws refusal `too-many-consents` */
  record(id: string, entry: Entry): void
  /** Takes its rules out of force, at once. */
  revoke(id: string, entry: Entry, now: number): void
  /** All that concerns a connection. @throws refusal `too-many-consents` */
  rulesFor(connection: string): readonly Rule[]
  /** A page of the ids that a connection brought in, or of all for the owner. */
  ids(from: string | undefined, after: string | undefined): { readonly ids: readonly string[]; readonly next?: string }
  policy(): EmergencyPolicy
  setPolicy(policy: EmergencyPolicy): void
}

export function openLedger(now: number): Ledger {
  const space = open('handler')
  const read = (key: string): unknown => valueOf(space.get(key)?.value)
  const write = (key: string, value: unknown): void => space.put(key, encodeUtf8(JSON.stringify(value)), undefined)
  const put = (id: string, shelf: string, rule: Rule): void => {
    let count = (read(`count/${shelf}`) as number | undefined) ?? 0
    if (count >= SHELF_RULES_MAX) count -= dropOver(space, { shelf, now })
    if (count >= SHELF_RULES_MAX) {
      refuse(
        'too-many-consents',
        `${SHELF_RULES_MAX} consents hold for one connection: revoke what is no longer needed`,
      )
    }
    write(`rule/${shelf}/${id}`, rule)
    write(`count/${shelf}`, count + 1)
  }
  return {
    entry: (id) => read(`consent/${id}`) as Entry | undefined,
    record(id, entry) {
      write(`consent/${id}`, entry)
      if (entry.from !== OWNER) write(`from/${entry.from}/${id}`, null)
      for (const [shelf, rule] of compile(parseConsent(entry.consent), id)) put(id, shelf, rule)
    },
    revoke(id, entry, now) {
      write(`consent/${id}`, { ...entry, consent: { ...entry.consent, status: 'inactive' }, revokedAt: now })
      for (const shelf of compile(parseConsent(entry.consent), id).keys()) {
        // A rule that was over may have been dropped to make room.
        if (space.get(`rule/${shelf}/${id}`) === null) continue
        space.delete(`rule/${shelf}/${id}`)
        write(`count/${shelf}`, (read(`count/${shelf}`) as number) - 1)
      }
    },
    rulesFor: (connection) => [connection, ANYONE].flatMap((shelf) => shelfOf(space, shelf)),
    ids(from, after) {
      const prefix = from === undefined ? 'consent/' : `from/${from}/`
      const page = space.scan(prefix, after === undefined ? undefined : `${prefix}${after}`, READ_PAGE_ITEMS)
      const ids = page.items.map(({ key }) => key.slice(prefix.length))
      return page.next === null ? { ids } : { ids, next: page.next.slice(prefix.length) }
    },
    policy: () => (read('emergency') as EmergencyPolicy | undefined) ?? { mode: 'ask' },
    setPolicy: (policy) => write('emergency', policy),
  }
}

function shelfOf(space: Namespace, shelf: string): Rule[] {
  const rules: Rule[] = []
  let after: string | undefined
  for (let read = 0; read < SHELF_RULES_MAX; read += PAGE_ITEMS) {
    const page = space.scan(`rule/${shelf}/`, after, PAGE_ITEMS)
    for (const { value } of page.items) rules.push(valueOf(value) as Rule)
    if (page.next === null) return rules
    after = page.next
  }
  // A deny may be among what was not read.
  return refuse('too-many-consents', 'more consents hold for this connection than can be read')
}

/** Makes room on a full shelf: rules whose time is over. @returns how many went */
function dropOver(space: Namespace, { shelf, now }: { shelf: string; now: number }): number {
  const over = shelfOf(space, shelf).filter((rule) => (endOf(rule) ?? Infinity) <= now)
  for (const { consent } of over) space.delete(`rule/${shelf}/${consent}`)
  return over.length
}

function valueOf(value: Uint8Array | undefined): unknown {
  return value === undefined ? undefined : parseJson(value)
}
