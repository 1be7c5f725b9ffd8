/** A service's side of `auth.challenge`: what it sends, and what must have been signed (`plugins/auth-challenge`). */
import { importEd25519, verifyEd25519 } from '#host/crypto/ed25519.ts'

const DOMAIN = 'vine/1 auth.challenge'
const LIFE_MS = 5 * 60_000
const utf8 = new TextEncoder()

export interface Challenge {
  readonly audience: string
  readonly nonce: Uint8Array
  readonly expires: number
}

/** A fresh challenge and the request that carries it. */
export function newChallenge(
  audience: string,
  { now, random }: { now: () => number; random: (length: number) => Uint8Array },
): { challenge: Challenge; body: { nonce: string; audience: string; expires: number } } {
  const challenge = { audience, nonce: random(32), expires: now() + LIFE_MS }
  return {
    challenge,
    body: { ...challenge, nonce: challenge.nonce.toBase64({ alphabet: 'base64url', omitPadding: true }) },
  }
}

/** Whether the reply is this challenge signed with the connection's key, as the handshake named it. */
export function verifyChallenge(
  { audience, nonce, expires }: Challenge,
  reply: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  const { signature } = JSON.parse(new TextDecoder().decode(reply)) as { signature?: unknown }
  if (typeof signature !== 'string') return false
  const parts = [utf8.encode(DOMAIN), utf8.encode(audience), nonce]
  const message = Buffer.concat([...parts.flatMap((part) => [uint32(part.length), part]), uint64(expires)])
  const bytes = Uint8Array.fromBase64(signature, { alphabet: 'base64url' })
  return verifyEd25519(importEd25519(publicKey), { message, signature: bytes })
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

function uint64(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value))
  return bytes
}
