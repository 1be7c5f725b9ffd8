/** One event for a cell, from the host's side, and what of it goes into the cell. */
import type { Carried } from './calls.ts'
import { labelGrant } from './grant.ts'
import type { Effects, OwnerAnswer, SessionContext, Sources } from './port.ts'
import type { Kind } from './reads.ts'
import type { Registered } from './registry.ts'
import type { CellJob } from './report.ts'

/** One event for one handler. */
export interface Job {
  readonly registered: Registered
  /** Whose event it is: the vault. The pool is fair between tenants. */
  readonly tenant: string
  readonly sources: Sources
  readonly context: SessionContext
  readonly body: Uint8Array
  /** The owner's answer to what the handler asked in an earlier call for this event. */
  readonly answer?: OwnerAnswer
  /** When the host took the event up, in ms since the epoch: the handler's clock. */
  readonly now: number
}

/** A job, and who waits for its end. */
export interface Given {
  readonly job: Job
  readonly resolve: (effects: Effects) => void
  readonly reject: (error: unknown) => void
}

/** What its reads are remembered by. */
export function kindOf({ tenant, context }: Job): Kind {
  return { tenant, type: context.eventType, connection: context.connectionId }
}

/** Everything a cell is told of it. */
export function cellJobOf(
  { registered, sources, context, body, answer, now }: Job,
  sequence: number,
  carried: readonly Carried[],
): CellJob {
  return {
    sequence,
    handler: registered.index,
    body,
    answer,
    now,
    session: { ...context, deadlineMs: registered.manifest.limits.deadlineMs },
    namespaces: Array.from(sources.namespaces, labelGrant),
    fields: sources.fields,
    // Not the signers themselves: what is named here is all of a key that goes into a cell.
    keys: new Map(Array.from(sources.keys, ([alias, { algorithm, publicKey }]) => [alias, { algorithm, publicKey }])),
    credentials: Array.from(sources.credentials.values(), ({ metadata }) => metadata),
    outbox: [...sources.outbox],
    carried,
  }
}
