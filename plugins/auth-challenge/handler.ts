/** `auth.challenge`: proves that this vault holds the connection's key, to this audience, for a few minutes, once. */
import { now } from 'trellis:handler/clock@0.1.0'
import { publicKey, sign } from 'trellis:handler/keys@0.1.0'
import { current } from 'trellis:handler/session@0.1.0'
import type { Outcome } from 'trellis:handler/types@0.1.0'

import { decodeBase64url, encodeBase64url } from '../sdk/base64url.ts'
import { parseJson, reply } from '../sdk/json.ts'
import { payloadOf, refuse } from '../sdk/refuse.ts'
import { challengeMessage } from './message.ts'
import { signOnce } from './signed.ts'

interface Challenge {
  readonly nonce: string
  readonly audience: string
  readonly expires: number
}

const NONCE_BYTES_MIN = 16
const NONCE_BYTES_MAX = 64
/** A signature that holds longer is a credential, not an answer. */
const LIFE_MS_MAX = 10 * 60_000

export function handle(body: Uint8Array): Outcome {
  const { nonce: encoded, audience, expires } = parseJson(body) as Challenge
  const nonce = decodeBase64url(encoded)
  if (nonce === undefined || nonce.length < NONCE_BYTES_MIN || nonce.length > NONCE_BYTES_MAX) {
    return refuse('nonce-invalid', `send ${NONCE_BYTES_MIN} to ${NONCE_BYTES_MAX} random bytes as base64url`)
  }
  const at = now()
  if (expires <= at) return refuse('challenge-expired', 'send a new challenge')
  if (expires > at + LIFE_MS_MAX) return refuse('challenge-too-long', 'let it expire within ten minutes')
  signOnce(current().connectionId, { nonce: encoded, expires }, at)
  try {
    const signature = sign('connection', challengeMessage({ audience, nonce, expires }))
    const key = publicKey('connection')
    return reply({ algorithm: 'Ed25519', publicKey: encodeBase64url(key), signature: encodeBase64url(signature) })
  } catch (error) {
    if (payloadOf(error) === undefined) throw error
    return refuse('key-unavailable', 'this connection has no key to sign with')
  }
}
