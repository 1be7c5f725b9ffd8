/** What one invocation reads through, and what it leaves behind. */
import type { Signer } from '#host/crypto/signer.ts'
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

/** What a namespace may hold: the contract's word for a connection's, a fixed bound for a handler's own. */
export interface Cap {
  /** Categories an item may be of; `null` for any. An item of none is the handler's own book-keeping. */
  readonly categories: readonly string[] | null
  /** Keys and values together. */
  readonly bytesMax: number
}

export interface GrantedNamespace {
  readonly namespace: Namespace
  readonly writable: boolean
  readonly cap?: Cap
  /** Whether reading this key asks more than the grant: it is not read ahead of the handler's asking. */
  readonly isGuarded?: (key: string) => boolean
}

/** A sandbox that the asker shares and this vault hosts: of its areas those that the terms let this vault see. */
export interface SharedSandbox {
  readonly id: string
  readonly areas: Readonly<Partial<Record<'mutual' | 'own', GrantedNamespace>>>
}

export interface GrantedKey extends Pick<Signer, 'algorithm' | 'publicKey'> {
  /** `undefined` while it waits for the owner: the event comes to nothing then. */
  sign(message: Uint8Array): Uint8Array | undefined
}

/** What may be known of a credential without a proof. */
export interface CredentialMetadata {
  readonly alias: string
  readonly kind: string
  /** `issuerName` of the key that signed it. */
  readonly issuer: string
  readonly label: string
  readonly claims: readonly string[]
  /** Milliseconds since the epoch. */
  readonly expires: number | null
}

/** What a handler asks to prove. */
export interface ProofRequest {
  readonly disclose: readonly string[]
  readonly nonce: Uint8Array
}

export interface GrantedCredential {
  readonly metadata: CredentialMetadata
  /** A presentation, made on another thread; `undefined` when not all of these claims are granted. */
  prove(request: ProofRequest): Promise<Uint8Array> | undefined
}

/**
 * The live things behind a grant. The host makes one per invocation from the grant alone, so that a label, field or
 * alias that is not in it cannot be reached: absent and forbidden look alike.
 */
export interface Sources {
  /** Admitted personal fields by name. */
  readonly fields: ReadonlyMap<string, string>
  /** Granted namespaces by label (`connection`, `handler`, `sandbox/<sandbox>/mutual`), each with its right. */
  readonly namespaces: ReadonlyMap<string, GrantedNamespace>
  /** Granted keys by alias. The secret stays behind `sign`. */
  readonly keys: ReadonlyMap<string, GrantedKey>
  /** Granted credentials by alias. Values and signatures stay behind `prove`. */
  readonly credentials: ReadonlyMap<string, GrantedCredential>
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
  /** Raw: what goes to a sandbox is a wish that its terms judge. */
  readonly changes: readonly Change[]
  /** Revisions the handler read or relied on. */
  readonly expected: readonly Expectation[]
  readonly outgoing: readonly Outgoing[]
  /** The handler's own words for the audit trail. */
  readonly facts: readonly string[]
  readonly log: readonly LogLine[]
  readonly hostCalls: number
}
