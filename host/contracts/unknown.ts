/**
 * What a vault says, unsealed, of a device's message that is of no session it has: how far it is itself. A vault that
 * was put back to an older copy knows no session that was begun or renewed since, and could answer in none:
 * `['vine/1 session unknown', payload, signature]`.
 *
 * It names the message, so that it says nothing of any other; the device that sent it compares, and nobody else can.
 */
import type { SigningKey, Suite } from '#host/crypto/port.ts'
import { bytesOf, check, z } from '#host/schema.ts'

import { UNKNOWN_BYTES_MAX } from './limits.ts'
import { openSigned, type SignedKind, signValue } from './signed.ts'

export interface UnknownSession {
  readonly vault: string
  /** 16 bytes: the envelope's own id. */
  readonly mid: Uint8Array
  /** The last commit that is durable, as an anchor (`docs/storage.md`). */
  readonly anchor: { readonly sequence: number; readonly chain: Uint8Array; readonly epoch: number }
}

const kind: SignedKind = {
  label: 'vine/1 session unknown',
  what: 'session unknown',
  code: 'malformed',
  bytesMax: UNKNOWN_BYTES_MAX,
  itemsMax: 16,
}

const count = z.int().min(0)
const schema: z.ZodType<UnknownSession> = z.strictObject({
  vault: z.string().max(64),
  mid: bytesOf(16),
  anchor: z.strictObject({ sequence: count, chain: bytesOf(32), epoch: count }),
})

export function signUnknown({ vault, mid, anchor }: UnknownSession, key: SigningKey): Uint8Array {
  return signValue(kind, { vault, mid, anchor: { ...anchor } }, key)
}

/**
 * @param vaultKey raw composite verify key of the vault, 1,984 bytes
 * @throws Refusal `malformed`
 */
export function verifyUnknown(crypto: Suite, bytes: Uint8Array, vaultKey: Uint8Array): UnknownSession {
  return check(schema, openSigned(crypto, kind, { bytes, by: vaultKey }).value, 'malformed', kind.what)
}
