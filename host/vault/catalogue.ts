/**
 * What an active connection finds here: the event types it may use, beside the credentials that could answer for it. Of
 * a credential it learns the claims its own contract declares, and nothing of one that has none of them.
 */
import { eventsOf, type OfferedEvent, offersAmong } from '#host/contracts/offer.ts'
import type { Registry } from '#host/plugin/registry.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { admitOwn } from './admit.ts'
import { commit } from './commit.ts'
import { storedCredentials } from './credentials.ts'
import type { Opened } from './open.ts'
import type { Letter } from './outbox.ts'
import type { Connection } from './party.ts'
import { eventRow } from './rows.ts'
import type { Vault } from './vault.ts'

/** The event that asks; any body will do. */
export const CATALOGUE = 'catalogue.get'

/** @throws ContractRefusal as for any event: not active, frozen, stale, rate */
export async function catalogue(
  opened: Opened,
  connection: Connection,
  options: { registry: Registry; now: number; random: (length: number) => Uint8Array },
): Promise<readonly Letter[]> {
  const { vault, event } = opened
  const { registry, now, random } = options
  const { contract } = connection
  // It costs a token like any other event; every contract has it.
  const expected = admitOwn(opened, connection, now)
  if (!contract) throw new Error('admitted without a contract')
  const offered = offersAmong(eventsOf(registry.published()), {
    contract: contract.contract,
    declined: connection.record.declined,
  })
  const body = { events: offered.map(shownEvent), credentials: projected(vault, connection, now) }
  return commit({
    vault,
    now,
    random,
    opened,
    expected,
    answers: [{ to: connection, event, reply: { status: 'replied', body: encodeCbor(body) } }],
    rows: [eventRow(connection, event, { at: now, result: 'replied', fields: claimsOf(body.credentials) })],
  })
}

type Shown = ReturnType<typeof projected>[number]

/** Credentials that count now, each with the claims that this contract declares and the owner did not decline. */
function projected(vault: Vault, { contract, record }: Connection, now: number) {
  const declared = (contract?.contract.fields ?? []).filter(({ name }) => !record.declined.includes(name))
  const names = new Set(declared.map(({ name }) => name))
  return storedCredentials(vault).flatMap(({ metadata: { alias, kind, issuer, claims, expires } }) => {
    const shown = claims.filter((name) => names.has(name))
    const counts = expires === null || now < expires
    return counts && shown.length > 0 ? [{ alias, kind, issuer, claims: shown }] : []
  })
}

function claimsOf(credentials: readonly Shown[]): string[] {
  return [...new Set(credentials.flatMap(({ claims }) => claims))]
}

/** Schemas stay in the profile, which the connection has. */
function shownEvent({ type, handler, version, summary, asks }: OfferedEvent) {
  return { type, handler, version, summary, asks: asks.map(({ name, tier }) => ({ name, tier })) }
}
