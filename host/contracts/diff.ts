/** What a new version asks for that the old one did not: the page the owner decides on. */
import type { Contract, ContractField, Tier } from './contract.ts'
import { retentionMs, retentionText } from './retention.ts'

/** One line of the page, for a person (`text`) and for a program (the rest). */
export interface Line {
  /** What it is about: `field email`, `event data.request`, `limit requests per hour`. */
  readonly what: string
  readonly before: string | null
  readonly after: string | null
  readonly text: string
  /** The new version reaches further here: a wider tier, a longer retention, a higher limit, anything new. */
  readonly widens: boolean
}

export interface ContractDiff {
  readonly added: readonly Line[]
  readonly removed: readonly Line[]
  readonly changed: readonly Line[]
}

/** One aspect of a term. `reach` orders it: more is wider; absent where no order exists (a name, a purpose). */
interface Facet {
  readonly shown: string
  readonly reach?: number
}

const MINUTE_MS = 60_000

/** From what the owner is asked for each time to what must be given to connect at all. */
const tierReach: Readonly<Record<Tier, number>> = { consent: 0, optional: 1, 'on-demand': 2, required: 3 }

/** Lines in the order of the contracts. Without a previous version everything is added. */
export function diffContracts(previous: Contract | undefined, next: Contract): ContractDiff {
  const before = previous === undefined ? new Map<string, readonly Facet[]>() : terms(previous)
  const after = terms(next)
  const added: Line[] = []
  const removed: Line[] = []
  const changed: Line[] = []
  for (const [what, facets] of after) {
    const old = before.get(what)
    if (old === undefined) added.push(addedLine(what, facets))
    else if (shown(old) !== shown(facets)) changed.push(changedLine(what, old, facets))
  }
  for (const [what, facets] of before) {
    if (!after.has(what)) removed.push(removedLine(what, facets))
  }
  return { added, removed, changed }
}

/** A contract as lines by name: the same name means the same line. */
function terms(contract: Contract): Map<string, readonly Facet[]> {
  const { service, permissions, limits } = contract
  const lines = new Map<string, readonly Facet[]>()
  lines.set('service name', [{ shown: service.name }])
  lines.set('service identity', [{ shown: service.identity.toHex() }])
  for (const [name, link] of Object.entries(service.links)) {
    if (link !== undefined) lines.set(`link ${name}`, [{ shown: link }])
  }
  for (const field of contract.fields) lines.set(`field ${field.name}`, fieldFacets(field))
  for (const event of permissions.events) lines.set(`event ${event}`, [allowed])
  if (permissions.messages) lines.set('permission to send messages', [allowed])
  if (permissions.authentication) lines.set('permission to request authentication', [allowed])
  if (permissions.payment) lines.set('permission to request payment', [allowed])
  if (permissions.store !== null) {
    lines.set('permission to store data', [bytes(permissions.store.bytesMax)])
    for (const category of permissions.store.categories) lines.set(`stored category ${category}`, [allowed])
  }
  lines.set('limit requests per hour', [{ shown: String(limits.requestsPerHour), reach: limits.requestsPerHour }])
  lines.set('limit storage', [bytes(limits.storageBytes)])
  // No reach: neither is a question that waits longer a wider one, nor one that waits shorter.
  if (limits.approvalMs !== undefined) {
    lines.set('limit time to answer a question', [{ shown: `${limits.approvalMs / MINUTE_MS} min` }])
  }
  return lines
}

const allowed: Facet = { shown: 'allowed', reach: 1 }

function bytes(count: number): Facet {
  return { shown: `${count} bytes`, reach: count }
}

function fieldFacets(field: ContractField): readonly Facet[] {
  return [
    { shown: field.tier, reach: tierReach[field.tier] },
    { shown: `kept ${retentionText(field.retention)}`, reach: retentionMs(field.retention) },
    { shown: `for "${field.purpose}"` },
  ]
}

function shown(facets: readonly Facet[]): string {
  return facets.map((facet) => facet.shown).join(', ')
}

function addedLine(what: string, facets: readonly Facet[]): Line {
  const after = shown(facets)
  const widens = facets.some((facet) => facet.reach !== undefined)
  return { what, before: null, after, text: `${what}: ${after}`, widens }
}

function removedLine(what: string, facets: readonly Facet[]): Line {
  const before = shown(facets)
  return { what, before, after: null, text: `${what}: ${before}`, widens: false }
}

/** Names what differs and nothing else, so that one word changed does not hide in a long line. */
function changedLine(what: string, old: readonly Facet[], facets: readonly Facet[]): Line {
  const steps: string[] = []
  let widens = false
  for (const [i, facet] of facets.entries()) {
    const from = old[i]
    if (from === undefined || from.shown === facet.shown) continue
    steps.push(`${from.shown} → ${facet.shown}`)
    if (from.reach !== undefined && facet.reach !== undefined && facet.reach > from.reach) widens = true
  }
  return { what, before: shown(old), after: shown(facets), text: `${what}: ${steps.join('; ')}`, widens }
}
