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

/** Who asks. */
export interface Session {
  readonly connection: string
  readonly kind: 'service' | 'peer'
  readonly contractVersion: number
  readonly eventId: string
  readonly eventType: string
  readonly deadlineMs: number
  readonly approved: boolean
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
  readonly fields?: Readonly<Record<string, string>>
  readonly keys?: Readonly<Record<string, Key>>
  readonly session?: Session
  readonly credentials?: Readonly<Record<string, HeldCredential>>
  /** What the owner answered to this handler's question. */
  readonly answer?: { tag: 'none' } | { tag: 'yes' } | { tag: 'chosen'; val: string }
  /** Milliseconds since the epoch. */
  readonly now?: number
}

const acme: Session = {
  connection: 'acme',
  kind: 'service',
  contractVersion: 1,
  eventId: 'event-1',
  eventType: 'test.run',
  deadlineMs: 1_000,
  approved: false,
}

let current: Required<Grant>

/** Starts a new event with this grant, and nothing else. */
export function grant(granted: Grant): void {
  current = { session: acme, fields: {}, keys: {}, credentials: {}, answer: { tag: 'none' }, now: 0, ...granted }
}

grant({})

export function granted(): Required<Grant> {
  return current
}

/** What a host function throws for `err`: the payload is where QuickJS puts it. */
export function err(payload: unknown): Error {
  return Object.assign(new Error(String(payload)), { payload })
}
