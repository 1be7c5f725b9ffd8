/**
 * Whether one event may reach a handler: (connection, request, now) -> verdict.
 *
 * The checks have one fixed order and each gives one reason (DESIGN §4): connection active → contract current → event
 * type supported → permission → body well-formed → field declared → tier → retention → rate. The first that fails
 * answers; what a later one would have said is not revealed.
 */
import { type RefusalCode, unreachable } from '#host/errors.ts'
import { FIELD_NAME_CHARS_MAX } from '#host/limits.ts'
import type { EventType } from '#host/wire/id.ts'

import type { Contract, ContractField } from './contract.ts'
import { type Bucket, takeToken } from './rate.ts'
import { grantEnds } from './retention.ts'

/** What the host knows of the connection that the event was opened for. */
export interface ConnectionFacts {
  readonly status: 'active' | 'severed' | 'proposed'
  /** The version the owner accepted. */
  readonly contract: Contract
  /** When the owner accepted it, in ms since the epoch. Retention counts from here. */
  readonly acceptedAt: number
  /** Optional fields the owner declined. */
  readonly declined: ReadonlySet<string>
  /** A newer published version the owner has not accepted. */
  readonly frozenBy: number | null
  readonly bucket: Bucket
}

/** The flag of the contract's permissions that a handler needs; `data` and `null` need none beyond the event type. */
export type Permission = 'data' | 'authentication' | 'store' | 'messages' | 'payment'

/** When the owner is asked. A manifest can add a question, never take away the one a consent field asks. */
export type Approval = 'never' | 'always' | 'by-tier'

/** What the event says and what its handler's manifest says. */
export interface RequestFacts {
  readonly type: EventType
  readonly contractVersion: number
  /** `undefined`: no handler answers this type. */
  readonly handler: { readonly permission: Permission | null; readonly approval: Approval } | undefined
  readonly body: { readonly fields: readonly string[] } | 'malformed'
  /** Resumed after the owner's yes to this very request, under this very contract version. */
  readonly approved: boolean
}

/** `bucket` is what to store, with the event's own commit. */
export type Verdict =
  | { readonly kind: 'admitted'; readonly fields: readonly ContractField[]; readonly bucket: Bucket }
  | {
      readonly kind: 'pending'
      readonly fields: readonly ContractField[]
      /** The consent fields among them; empty when the handler's manifest asks for the event itself. */
      readonly asking: readonly ContractField[]
      readonly bucket: Bucket
    }
  | {
      readonly kind: 'refused'
      readonly code: RefusalCode
      /** The field at fault, as the asker named it (cut to the length of a name). */
      readonly field?: string
      /** When the same request may succeed, in ms since the epoch. */
      readonly retryAt?: number
    }

/**
 * The one way to a handler. A question to the owner costs its token when it is asked: the approved request does not pay
 * again, and is checked anew for everything else.
 */
export function admit(connection: ConnectionFacts, request: RequestFacts, now: number): Verdict {
  const { contract } = connection
  if (connection.status !== 'active') return refused('connection-inactive')
  if (connection.frozenBy !== null) return refused('contract-frozen')
  if (request.contractVersion !== contract.version) return refused('contract-stale')
  if (request.handler === undefined) return refused('unsupported-event')
  if (!contract.permissions.events.includes(request.type)) return refused('not-permitted')
  if (!permits(contract, request.handler.permission)) return refused('not-permitted')
  if (request.body === 'malformed') return refused('malformed-request')

  const asked = declaredFields(contract, request.body.fields)
  if ('undeclared' in asked) return refused('field-undeclared', { field: asked.undeclared })
  const { fields } = asked
  const declined = fields.find((field) => connection.declined.has(field.name))
  if (declined !== undefined) return refused('field-declined', { field: declined.name })
  const over = fields.find((field) => now >= grantEnds(field.retention, connection.acceptedAt))
  if (over !== undefined) return refused('retention-expired', { field: over.name })

  if (request.approved) return { kind: 'admitted', fields, bucket: connection.bucket }
  const draw = takeToken(connection.bucket, { capacity: contract.limits.requestsPerHour }, now)
  if ('refusedUntil' in draw) return refused('rate-limited', { retryAt: draw.refusedUntil })
  const asking = fields.filter((field) => field.tier === 'consent')
  if (asking.length > 0 || request.handler.approval === 'always') {
    return { kind: 'pending', fields, asking, bucket: draw.bucket }
  }
  return { kind: 'admitted', fields, bucket: draw.bucket }
}

function refused(code: RefusalCode, details: { field?: string; retryAt?: number } = {}): Verdict {
  return { kind: 'refused', code, ...details }
}

/** Whether a contract has what a handler's manifest asks for beyond the event type. */
export function permits({ permissions }: Contract, needed: Permission | null): boolean {
  switch (needed) {
    case null:
    case 'data':
      return true
    case 'authentication':
      return permissions.authentication
    case 'store':
      return permissions.store !== null
    case 'messages':
      return permissions.messages
    case 'payment':
      return permissions.payment
    default:
      return unreachable(needed)
  }
}

/**
 * Names of all fields that the contract gives now: not those that were declined or whose retention is over. Under one
 * version it only becomes shorter: what the owner was asked for is never less than what is given after the yes.
 */
export function allFields({ contract, declined, acceptedAt }: ConnectionFacts, now: number): readonly string[] {
  const given = contract.fields.filter(
    ({ name, retention }) => !declined.has(name) && now < grantEnds(retention, acceptedAt),
  )
  return given.map(({ name }) => name)
}

/** The contract's own fields for the names asked, each once, or the first name that is not in it. */
function declaredFields(
  contract: Contract,
  names: readonly string[],
): { fields: readonly ContractField[] } | { undeclared: string } {
  const declared = new Map(contract.fields.map((field) => [field.name, field]))
  const fields = new Map<string, ContractField>()
  for (const name of names) {
    const field = declared.get(name)
    if (field === undefined) return { undeclared: name.slice(0, FIELD_NAME_CHARS_MAX) }
    fields.set(name, field)
  }
  return { fields: [...fields.values()] }
}
