/** What the connection's key signs. */
import { encodeUtf8 } from '../sdk/utf8.ts'

/** No other message signed with this key begins like this one. */
const domain = 'vine/1 auth.challenge'

/**
 * `lp(domain) ‖ lp(audience) ‖ lp(nonce) ‖ u64be(expires)`, where `lp` puts a u32be length before the bytes and
 * `expires` is in ms since the epoch. No two challenges give the same bytes.
 */
export function challengeMessage(challenge: { audience: string; nonce: Uint8Array; expires: number }): Uint8Array {
  const parts = [encodeUtf8(domain), encodeUtf8(challenge.audience), challenge.nonce]
  const message = new Uint8Array(parts.reduce((size, part) => size + 4 + part.length, 8))
  const view = new DataView(message.buffer)
  let at = 0
  for (const part of parts) {
    view.setUint32(at, part.length)
    message.set(part, at + 4)
    at += 4 + part.length
  }
  view.setUint32(at, Math.floor(challenge.expires / 0x1_0000_0000))
  view.setUint32(at + 4, challenge.expires % 0x1_0000_0000)
  return message
}
