/**
 * The consents of this vault, in the handler's own namespace:
 *
 * - `consent/<id>`: the consent and how it came about; revoked ones stay, with their end.
 * - `rule/<connection>/<0-f>`, `rule/<anyone>/<0-f>`: the rules in force, by whom they concern, spread by the id's last
 *   digit. A check reads two shelves, whatever else is there.
 * - `from/<connection>/<id>`: what a connection brought in, and may read again.
 * - `emergency`: what the owner wants to happen in an emergency.
 */
import { type Namespace, open, type Page } from 'trellis:handler/store@0.1.0'

import { parseJson } from '../sdk/json.ts'
import { refuse } from '../sdk/refuse.ts'
import { encodeUtf8 } from '../sdk/utf8.ts'
import type { Fields } from './fields.ts'
import { ANYONE, compile, endOf, type Rule } from './rules.ts'
import { parseConsent } from './fhir.ts'

/** All rules of one shelf as JSON: some thousand of one provision each, which a check reads in 20 ms. */
const SHELF_BYTES_MAX = 262_144
/** Parts of a shelf, one for each last digit of an id. */
const SHELF_PARTS = 16
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
  /** All that concerns a connection. */
  rulesFor(connection: string): readonly Rule[]
  /** A page of the ids that a connection brought in, or of all for the owner. */
  ids(from: string | undefined, after: string | undefined): { readonly ids: readonly string[]; readonly next?: string }
  policy(): EmergencyPolicy
  setPolicy(policy: EmergencyPolicy): void
}

export function openLedger(now: number): Ledger {
  const space = open('handler')
  const read = (key: string): unknown => valueOf(space.get(key)?.value)
  const write = (key: string, value: unknown): void => {
    space.put(key, encodeUtf8(JSON.stringify(value)), undefined, undefined)
  }
  const dropOver = (shelf: string): void => {
    for (const { key, value } of partsOf(space, shelf)) {
      write(
        key,
        (valueOf(value) as readonly Rule[]).filter((rule) => (endOf(rule) ?? Infinity) > now),
      )
    }
  }
  return {
    entry: (id) => read(`consent/${id}`) as Entry | undefined,
    record(id, entry) {
      write(`consent/${id}`, entry)
      if (entry.from !== OWNER) write(`from/${entry.from}/${id}`, null)
      for (const [shelf, rule] of compile(parseConsent(entry.consent), id)) {
        write(partOf(shelf, id), [...rulesIn(space, partOf(shelf, id)), rule])
        if (bytesOf(space, shelf) > SHELF_BYTES_MAX) dropOver(shelf)
        if (bytesOf(space, shelf) > SHELF_BYTES_MAX) {
          refuse('too-many-consents', 'no more consents fit for this connection: the owner has to revoke some')
        }
      }
    },
    revoke(id, entry, at) {
      write(`consent/${id}`, { ...entry, consent: { ...entry.consent, status: 'inactive' }, revokedAt: at })
      for (const shelf of compile(parseConsent(entry.consent), id).keys()) {
        const part = rulesIn(space, partOf(shelf, id))
        write(
          partOf(shelf, id),
          part.filter(({ consent }) => consent !== id),
        )
      }
    },
    rulesFor: (connection) =>
      [connection, ANYONE].flatMap((shelf) => partsOf(space, shelf).flatMap(({ value }) => valueOf(value) as Rule[])),
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

function partOf(shelf: string, id: string): string {
  return `rule/${shelf}/${id.slice(-1)}`
}

function rulesIn(space: Namespace, key: string): readonly Rule[] {
  return (valueOf(space.get(key)?.value) as readonly Rule[] | undefined) ?? []
}

function partsOf(space: Namespace, shelf: string): Page['items'] {
  return space.scan(`rule/${shelf}/`, undefined, SHELF_PARTS).items
}

/** Writes of this call count: a refusal drops them all. */
function bytesOf(space: Namespace, shelf: string): number {
  return partsOf(space, shelf).reduce((sum, { value }) => sum + value.length, 0)
}

function valueOf(value: Uint8Array | undefined): unknown {
  return value === undefined ? undefined : parseJson(value)
}
