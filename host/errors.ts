/**
 * The three ways a thing can go wrong.
 *
 * A **Refusal** is expected: it has a closed code, is thrown where it is known and caught in `deliver.ts` (or by the
 * command that was typed). A **Fault** is our bug: a plain Error, never caught; the process restarts and recovers.
 * A **Trap** is the handler's: `plugin/cell.ts` turns it into a Refusal.
 */

/** Every refusal there is. A code is a promise to its reader: it never changes its meaning. */
export const refusalCodes = [
  // wire: what cannot be read
  'malformed',
  'too-large',
  'unknown-suite',
  // crypto: who sent it
  'unknown-connection',
  'misrouted',
  'unopenable',
  'replayed',
  'expired',
  'handshake-failed',
  // contracts: may they
  'connection-inactive',
  'contract-invalid',
  'contract-stale',
  'contract-frozen',
  'unsupported-event',
  'not-permitted',
  'malformed-request',
  'field-undeclared',
  'field-declined',
  'retention-expired',
  'rate-limited',
  'category-undeclared',
  'storage-full',
  'consent-denied',
  'consent-expired',
  // plugin: the handler and its limits
  'manifest-invalid',
  'component-invalid',
  'not-granted',
  'handler-refused',
  'handler-trapped',
  'handler-deadline',
  'handler-fuel',
  'handler-memory',
  'handler-stack',
  'handler-calls',
  'handler-output',
  'handler-lied',
  'busy',
  // storage: what the disk says
  'conflict',
  'storage-failed',
  'journal-tampered',
  'journal-gap',
  'journal-foreign',
  'journal-behind',
  'key-missing',
  'audit-broken',
  'audit-unavailable',
  // credentials: what a proof is worth
  'proof-invalid',
  // entries: what devices sign
  'entry-invalid',
  'directory-invalid',
  'entry-distrusted',
  'recovery-invalid',
  // vault: the owner's side
  'vault-unknown',
  'vault-full',
  'filter-invalid',
  'backup-invalid',
  'device-unknown',
  'command-invalid',
  'second-factor-needed',
  'second-factor-wrong',
  // sealing: what opens only for measured code and its owner
  'vault-locked',
  'provision-invalid',
  'challenge-stale',
  'secret-wrong',
  'move-refused',
  // account: the owner's devices and what they sign
  'sign-ups-closed',
  'token-invalid',
  'device-inactive',
  'device-last',
  'device-signs-current',
  'device-vouches',
  'recipients-stale',
  'entry-full',
  // image: what may run
  'image-changed',
  'image-missing',
  'image-unlisted',
  'not-attested',
  'not-hardened',
  'release-refused',
  // messaging: the broker
  'bus-unavailable',
  // commands: a file that was named and cannot be used
  'input-invalid',
  // the author's path: what is typed beside a handler's source
  'source-invalid',
  'cases-invalid',
  'toolchain-missing',
] as const

export type RefusalCode = (typeof refusalCodes)[number]

const known: ReadonlySet<string> = new Set(refusalCodes)

/** Whether a code that somebody sent is one of ours. */
export function isRefusalCode(code: string): code is RefusalCode {
  return known.has(code)
}

/** An expected no. The message is lower case, names the thing, says what to do and holds no secret. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: RefusalCode

  constructor(code: RefusalCode, message: string = code, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}

/** Marks the arm of a switch that no value can reach. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`)
}
