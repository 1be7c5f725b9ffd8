/** What a connection can do at a vault: its contract ∩ the manifests in the vault's profile. */
import { Refusal } from '#host/errors.ts'
import { PROFILE_BYTES_MAX } from '#host/limits.ts'
import { check, z } from '#host/schema.ts'

import { type Approval, type Permission, permits } from './admit.ts'
import type { Contract, Tier } from './contract.ts'

/** One event type as a profile publishes it. */
export interface PublishedEvent {
  readonly type: string
  readonly handler: string
  /** Of the handler. */
  readonly version: string
  readonly summary: string
  readonly delivery: 'critical' | 'best-effort'
  readonly permission: Permission | null
  /** When the owner is asked, beyond what the contract's tiers ask. */
  readonly approval: Approval
  /** JSON pointer to the list of field names in a request; null when it asks for none. */
  readonly fields: string | null
  /** JSON Schemas of request and reply. */
  readonly request: unknown
  readonly reply: unknown
}

/** An event type that a contract permits. */
export interface OfferedEvent extends PublishedEvent {
  /** Fields that it may name, each with its tier; those the owner declined are not among them. */
  readonly asks: readonly { readonly name: string; readonly tier: Tier }[]
}

// Open to keys of later versions: a reader takes what it knows.
const published = z.array(
  z.object({
    handler: z.string(),
    version: z.string(),
    summary: z.string(),
    events: z.array(
      z.object({
        type: z.string(),
        delivery: z.enum(['critical', 'best-effort']),
        permission: z.enum(['data', 'authentication', 'store', 'messages', 'payment']).nullable(),
        approval: z.enum(['never', 'always', 'by-tier']),
        fields: z.string().nullable(),
        request: z.unknown(),
        reply: z.unknown(),
      }),
    ),
  }),
)

/**
 * The event types of a profile's `handlers`.
 *
 * @throws Refusal `handshake-failed` when they are no published manifests
 */
export function publishedEvents(handlers: unknown): readonly PublishedEvent[] {
  return eventsOf(check(published, parse(handlers), 'handshake-failed', 'the profile’s manifests'))
}

/** One by one, with the handler each belongs to. */
export function eventsOf(
  manifests: readonly (Pick<PublishedEvent, 'handler' | 'version' | 'summary'> & {
    readonly events: readonly Omit<PublishedEvent, 'handler' | 'version' | 'summary'>[]
  })[],
): readonly PublishedEvent[] {
  return manifests.flatMap(({ events, handler, version, summary }) =>
    events.map((event) => ({ ...event, handler, version, summary })),
  )
}

/** What the host would admit of a contract's requests, before it looks at any one of them. */
export function offeredEvents(
  contract: Contract,
  { handlers, declined }: { readonly handlers: unknown; readonly declined: readonly string[] },
): readonly OfferedEvent[] {
  return offersAmong(publishedEvents(handlers), { contract, declined })
}

/** The same of events that are read already. */
export function offersAmong(
  events: readonly PublishedEvent[],
  { contract, declined }: { readonly contract: Contract; readonly declined: readonly string[] },
): readonly OfferedEvent[] {
  const given = contract.fields.filter(({ name }) => !declined.includes(name))
  const asks = given.map(({ name, tier }) => ({ name, tier }))
  return events
    .filter(({ type, permission }) => permitsEvent(contract, { type, permission }))
    .map((event) => Object.assign({}, event, { asks: event.fields === null ? [] : asks }))
}

/** Whether a contract lets its holder send events of a type that needs a permission. */
export function permitsEvent(
  contract: Contract,
  { type, permission }: { readonly type: string; readonly permission: Permission | null },
): boolean {
  return contract.permissions.events.includes(type) && permits(contract, permission)
}

function parse(handlers: unknown): unknown {
  if (typeof handlers !== 'string' || handlers.length > PROFILE_BYTES_MAX) {
    throw new Refusal('handshake-failed', 'the profile’s manifests are not JSON text')
  }
  try {
    return JSON.parse(handlers)
  } catch (cause) {
    throw new Refusal('handshake-failed', 'the profile’s manifests are not JSON text', { cause })
  }
}
