/**
 * Session tokens: who said within the last quarter of an hour, by a signature, that they hold a device's key.
 *
 * A device asks for a challenge, signs it, and gets a token that only this host opens: `vt1.` and base64url of
 * `salt 32 | AES-256-GCM(key, [vault, user, device, audience, issued, expires])`, key = HKDF-Expand(token key, salt).
 * Each token has a key of its own, so its nonce is zero. A token proves nothing by itself: whoever takes one looks
 * whether its device is active still.
 */
import { openAead, sealAead } from '#host/crypto/aead.ts'
import { expand } from '#host/crypto/derive.ts'
import type { SecretKey } from '#host/crypto/port.ts'
import { NONCE_BYTES } from '#host/crypto/sizes.ts'
import { Refusal } from '#host/errors.ts'
import { bytesOf, check, timestamp, z } from '#host/schema.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { TOKEN_CHARS_MAX, TOKEN_LIFE_MS } from './limits.ts'

/** What a token says. */
export interface Claims {
  readonly vault: string
  /** 32 bytes each. */
  readonly user: Uint8Array
  readonly device: Uint8Array
  readonly audience: string
  /** Milliseconds since the epoch. */
  readonly issued: number
  readonly expires: number
}

const PREFIX = 'vt1.'
const SALT_BYTES = 32
const LABEL = 'session token'
const aad = new TextEncoder().encode('vine/1 session token')
const nonce = new Uint8Array(NONCE_BYTES)
const alphabet = 'base64url'
const claims = z.tuple([z.string(), bytesOf(32), bytesOf(32), z.string(), timestamp, timestamp])

/** A token for 15 minutes, sealed: its bearer reads nothing of it. `expires` is in milliseconds since the epoch. */
export function issueToken(
  whose: Omit<Claims, 'issued' | 'expires'>,
  { key, now, random }: { key: SecretKey; now: number; random: (length: number) => Uint8Array },
): { readonly token: string; readonly expires: number } {
  const expires = now + TOKEN_LIFE_MS
  const salt = random(SALT_BYTES)
  const said = encodeCbor([whose.vault, whose.user, whose.device, whose.audience, now, expires])
  const sealed = sealAead(expand(key, LABEL, salt), { nonce, aad }, said)
  const bytes = new Uint8Array([...salt, ...sealed])
  return { token: PREFIX + bytes.toBase64({ alphabet, omitPadding: true }), expires }
}

/**
 * What a token of this host says, if it is for this audience and still good.
 *
 * @throws Refusal `token-invalid`, the same for each reason: a bearer learns only that it is none
 */
export function readToken(
  token: string,
  { key, now, audience }: { key: SecretKey; now: number; audience: string },
): Claims {
  const said = opened(token, key)
  if (!said || said.audience !== audience || said.issued > now || said.expires <= now) throw invalidToken()
  return said
}

export function invalidToken(): Refusal {
  return new Refusal('token-invalid', 'no token of this host, for another audience, or over: ask for a challenge')
}

function opened(token: string, key: SecretKey): Claims | undefined {
  if (!token.startsWith(PREFIX) || token.length > TOKEN_CHARS_MAX) return undefined
  try {
    const bytes = Uint8Array.fromBase64(token.slice(PREFIX.length), { alphabet })
    const salt = bytes.subarray(0, SALT_BYTES)
    const said = openAead(expand(key, LABEL, salt), { nonce, aad }, bytes.subarray(SALT_BYTES))
    const [vault, user, device, audience, issued, expires] = check(claims, decodeCbor(said), 'token-invalid', 'token')
    return { vault, user, device, audience, issued, expires }
  } catch (error) {
    if (error instanceof Refusal || error instanceof SyntaxError) return undefined
    throw error
  }
}
