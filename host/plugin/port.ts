/** What one invocation reads through, and what it leaves behind. */
import type { Change, Expectation, Namespace } from '#host/storage/port.ts'

/** Who asks and under what, as the handler's `session` interface shows it. */
export interface SessionContext {
  readonly connection: string
  /** `owner`: one of the owner's devices runs the handler on its own vault. */
  readonly kind: 'service' | 'peer' | 'owner'
  readonly contractVersion: number
  readonly eventId: string
  readonly eventType: string
  readonly approved: boolean
  /** Stays the same when the owner renames the connection. */
  readonly connectionId: string
}

/**
 * The live things behind a grant. The host makes one per invocation from the grant alone, so that a label, field or
 * alias that is not in it cannot be reached: absent and forbidden look alike.
 */
export interface Sources {
  /** Admitted personal fields by name. */
  readonly fields: ReadonlyMap<string, string>
  /** Granted namespaces by label (`connection`, `handler`), each with its right. */
  readonly namespaces: ReadonlyMap<string, { readonly namespace: Namespace; readonly writable: boolean }>
  /** Granted keys by alias. The secret stays behind `sign`. */
  readonly keys: ReadonlyMap<string, { readonly publicKey: Uint8Array; sign(message: Uint8Array): Uint8Array }>
  /** Granted outgoing targets. */
  readonly outbox: ReadonlySet<Target>
  /** Whether an event of this type may leave to the connection of this alias; asked anew for every event sent. */
  readonly reaches?: (to: string, type: string) => boolean
}

/** `connections`: another connection than the one that asked, by the owner's alias. */
export type Target = 'owner' | 'connection' | 'connections'

/** What a handler asks the owner, about the request it was called for. */
export interface OwnerQuestion {
  readonly text: string
  /** What may be answered besides no; empty for a plain yes or no. */
  readonly choices: readonly string[]
}

/** The owner's yes, or the choice that was made; `undefined` when nobody was asked. */
export type OwnerAnswer = { readonly choice: string | null } | undefined

export interface Outgoing {
  readonly to: Target
  /** Which of the `connections`, and there only. */
  readonly alias?: string
  readonly type: string
  readonly body: Uint8Array
}

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
}

/** What a call that ended well leaves: nothing of it has happened yet. */
export interface Effects {
  /** The owner is to be asked first: then there is nothing else. */
  readonly question: OwnerQuestion | undefined
  /** The reply body, or `undefined` for `accepted`. */
  readonly reply: Uint8Array | undefined
  readonly changes: readonly Change[]
  /** Revisions the handler read or relied on. */
  readonly expected: readonly Expectation[]
  readonly outgoing: readonly Outgoing[]
  readonly log: readonly LogLine[]
  readonly hostCalls: number
}
