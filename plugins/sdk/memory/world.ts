/**
 * The handler's world in memory, for tests of handlers: vitest resolves `trellis:handler/*` to the files beside this
 * one. A test says what is granted, then calls `handle`.
 */

/** A key of the grant: Ed25519 unless it says otherwise. */
export interface Key {
  readonly algorithm?: 'ed25519' | 'ecdsa-secp256k1' | 'bip340'
  readonly publicKey: Uint8Array
  sign(message: Uint8Array): Uint8Array
}

/** What a namespace holds at a key. */
export interface MemoryItem {
  readonly value: Uint8Array
  readonly revision: number
  readonly visibility: 'transparent' | 'opaque'
  readonly category: string | null
  /** How sensitive it was declared, if it was: a handler does not read it. */
  readonly sensitivity?: 'data' | 'secret' | 'critical'
}

/** WIT `session.context`. */
export interface MemorySession {
  readonly connection: string
  readonly kind: 'service' | 'peer' | 'owner'
  readonly contractVersion: number
  readonly eventId: string
  readonly eventType: string
  readonly deadlineMs: number
  readonly approved: boolean
  readonly connectionId: string
}

/** A granted namespace. Its map lives on from event to event; a test reads it and fills it. */
export interface MemoryNamespace {
  readonly items: Map<string, MemoryItem>
  readonly writable: boolean
  /** What the contract lists; any when it is left out. */
  readonly categories?: readonly string[]
  /** Of keys and values; without end when it is left out. */
  readonly bytesMax?: number
}

/** A credential of the grant: `claims` are those the event was admitted for. */
export interface HeldCredential {
  readonly kind: string
  readonly issuer: string
  readonly label: string
  readonly claims: string[]
  /** Milliseconds since the epoch; null for never. */
  readonly expires: number | null
  prove(disclose: readonly string[], nonce: Uint8Array): Uint8Array
}

export interface Grant {
  readonly session?: Partial<MemorySession>
  /** By label: `connection`, `handler`, `sandbox/<id>/mutual`, `sandbox/<id>/own`. */
  readonly namespaces?: Readonly<Record<string, MemoryNamespace>>
  readonly fields?: Readonly<Record<string, string>>
  readonly keys?: Readonly<Record<string, Key>>
  readonly credentials?: Readonly<Record<string, HeldCredential>>
  /** Other connections by alias, with the event types that each takes. */
  readonly reaches?: Readonly<Record<string, readonly string[]>>
  /** Takes what is sent. */
  readonly sent?: { readonly to: string; readonly type: string; readonly body: unknown }[]
  /** What the owner answered to this handler's question. */
  readonly answer?: { tag: 'none' } | { tag: 'yes' } | { tag: 'chosen'; val: string }
  /** Milliseconds since the epoch. */
  readonly now?: number
  readonly random?: (length: number) => Uint8Array
}

let current: Required<Grant> & { readonly session: MemorySession }

const session: MemorySession = {
  connection: 'acme',
  kind: 'service',
  contractVersion: 1,
  eventId: 'event-1',
  eventType: 'test.run',
  deadlineMs: 1_000,
  approved: false,
  connectionId: 'acme-1',
}

/** Starts a new event with this grant, and nothing else. */
export function grant(granted: Grant): void {
  const nothing = {
    namespaces: {},
    fields: {},
    keys: {},
    credentials: {},
    reaches: {},
    answer: { tag: 'none' },
    now: 0,
  } as const
  current = { ...nothing, sent: [], random: noRandom, ...granted, session: { ...session, ...granted.session } }
}

function noRandom(): never {
  throw new Error('the test gives no random bytes')
}

grant({})

export function granted(): typeof current {
  return current
}

/** What a host function throws for `err`: the payload is where QuickJS puts it. */
export function err(payload: unknown): Error {
  return Object.assign(new Error(String(payload)), { payload })
}
