/**
 * Another image than the last time: every connection whose offer it changes is told, and the owner of all of it, in the
 * commit that remembers the new one.
 */
import { permitsEvent } from '#host/contracts/offer.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { parseEventType } from '#host/wire/id.ts'
import { commit, type Outgoing } from './commit.ts'
import { notices } from './notice.ts'
import type { Connection } from './party.ts'
import { type Published, PUBLISHED_KEY, publishedChange } from './published.ts'
import { decodeRecord, type PublishedRecord } from './records.ts'
import { row } from './rows.ts'
import type { Vault } from './vault.ts'

/** What the vault tells about its handlers: `profile.get` has the new manifests. */
const CHANGED = 'profile.changed'

type Shown = PublishedRecord['events'][string]

interface Difference {
  readonly type: string
  readonly before: Shown | undefined
  readonly after: Shown | undefined
}

/** Tells what a new set of handlers changes; nothing when it is the one of the last time. */
export async function announce(
  vault: Vault,
  options: { readonly published: Published; readonly now: number; readonly random: (length: number) => Uint8Array },
): Promise<void> {
  const { published, now, random } = options
  const stored = vault.system.get(PUBLISHED_KEY)
  // A vault that no host has had yet told nobody anything.
  if (!stored) return void (await commit({ vault, now, random, changes: [publishedChange(published)], rows: [] }))
  const found = differences(decodeRecord('published', stored.value).events, published.events)
  if (found.length === 0) return
  const told = [...vault.connections.values()].flatMap((connection) => news(vault, connection, found))
  await commit({
    vault,
    now,
    random,
    changes: [publishedChange(published)],
    outgoing: [...told, ...notices(vault, CHANGED, { profile: vault.profile.hash, ...sorted(found) })],
    rows: [row({ at: now, who: 'host', eventType: CHANGED, result: 'changed', reason: summary(found) })],
  })
}

/** What of it a connection may know: types that its contract permits, before or now. */
function news(vault: Vault, connection: Connection, found: readonly Difference[]): Outgoing[] {
  const { record, contract } = connection
  if (record.status !== 'active' || !contract) return []
  const permitted = (type: string, side: Shown | undefined): boolean =>
    side !== undefined && permitsEvent(contract.contract, { type, permission: side.permission })
  const own = found.filter(({ type, before, after }) => permitted(type, before) || permitted(type, after))
  if (own.length === 0) return []
  const body = encodeCbor({ profile: vault.profile.hash, ...sorted(own) })
  return [{ to: connection, type: parseEventType(CHANGED), body, causation: null }]
}

function differences(before: PublishedRecord['events'], after: PublishedRecord['events']): Difference[] {
  const types = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
  return types
    .map((type) => ({ type, before: before[type], after: after[type] }))
    .filter((found) => found.before?.hash !== found.after?.hash)
}

function sorted(found: readonly Difference[]) {
  return {
    added: found.filter(({ before }) => !before).map(({ type }) => type),
    removed: found.filter(({ after }) => !after).map(({ type }) => type),
    changed: found.flatMap(({ type, before, after }) =>
      before && after ? [{ type, from: before.version, to: after.version }] : [],
    ),
  }
}

function summary(found: readonly Difference[]): string {
  const { added, removed, changed } = sorted(found)
  return `${added.length} added, ${removed.length} removed, ${changed.length} changed`
}
