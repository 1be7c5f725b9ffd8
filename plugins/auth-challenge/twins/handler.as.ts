// `auth.challenge`: proves that this vault holds the connection's key, to this audience, for a few minutes.
import { Message, decodeBase64url, encodeBase64url, readJson } from './trellis/body.as'
import { Refused, Replied, bodyOf, now, publicKey, sign, textOf } from './trellis/world.as'
export { cabi_post_handle, cabi_realloc } from './trellis/world.as'

const KEY = 'connection'
const NONCE_BYTES_MIN = 16
const NONCE_BYTES_MAX = 64
// A signature that holds longer is a credential, not an answer.
const LIFE_MS_MAX: i64 = 10 * 60_000

export function handle(at: usize, size: usize): usize {
  const request = readJson(textOf(bodyOf(at, size)))
  const nonce = decodeBase64url(request.textOf('nonce'))
  if (nonce == null || nonce.length < NONCE_BYTES_MIN || nonce.length > NONCE_BYTES_MAX) {
    return Refused('nonce-invalid', 'send 16 to 64 random bytes as base64url')
  }
  const expires = request.wholeOf('expires', 0)
  if (expires <= <i64>now()) return Refused('challenge-expired', 'send a new challenge')
  if (expires > <i64>now() + LIFE_MS_MAX) return Refused('challenge-too-long', 'let it expire within ten minutes')
  const message = new Message('vine/1 auth.challenge').text(request.textOf('audience')).part(nonce).number(<u64>expires)
  const signature = sign(KEY, message.bytes)
  const key = publicKey(KEY)
  if (signature == null || key == null) return Refused('key-unavailable', 'this connection has no key to sign with')
  return Replied('{"algorithm":"Ed25519","publicKey":"' + encodeBase64url(key) + '","signature":"'
    + encodeBase64url(signature) + '"}')
}
