/** What the connection's key signs. */
import { statementOf } from '../sdk/statement.ts'

/** No other message signed with this key begins like this one. */
const domain = 'vine/1 auth.challenge'

/**
 * `lp(domain) ‖ lp(audience) ‖ lp(nonce) ‖ u64be(expires)`, where `lp` puts a u32be length before the bytes and
 * `expires` is in ms since the epoch. No two challenges give the same bytes.
 */
export function challengeMessage(challenge: { audience: string; nonce: Uint8Array; expires: number }): Uint8Array {
  return statementOf([domain, challenge.audience, challenge.nonce, challenge.expires])
}
