// `auth.challenge`: proves that this vault holds the connection's key, to this audience, for a few minutes, once.
import { Json, Message, decodeBase64url, encodeBase64url, readJson } from './trellis/body.as'
import {
  Item, Namespace, Refused, Replied, bodyOf, currentSession, jsonText, now, publicKey, sign, textOf, toBytes,
} from './trellis/world.as'
export { cabi_post_handle, cabi_realloc } from './trellis/world.as'

const KEY = 'connection'
const NONCE_BYTES_MIN = 16
const NONCE_BYTES_MAX = 64
// A signature that holds longer is a credential, not an answer.
const LIFE_MS_MAX: i64 = 10 * 60_000
// Of one connection at one time: a bound on what a flood of challenges leaves behind.
const LIVE_MAX = 64
const PREFIX = 'signed/'

export function handle(at: usize, size: usize): usize {
  const request = readJson(textOf(bodyOf(at, size)))
  const nonce = decodeBase64url(request.textOf('nonce'))
  if (nonce == null || nonce.length < NONCE_BYTES_MIN || nonce.length > NONCE_BYTES_MAX) {
    return Refused('nonce-invalid', 'send 16 to 64 random bytes as base64url')
  }
  const expires = request.wholeOf('expires', 0)
  const time = <i64>now()
  if (expires <= time) return Refused('challenge-expired', 'send a new challenge')
  if (expires > time + LIFE_MS_MAX) return Refused('challenge-too-long', 'let it expire within ten minutes')

  const space = Namespace.open('handler')!
  const own = PREFIX + currentSession().connectionId
  const live = living(space.get(own), time)
  for (let index = 0; index < live.length; index++) {
    if (live[index].textOf('nonce') == request.textOf('nonce')) {
      return Refused('nonce-used', 'this nonce was signed already: draw a new one for each challenge')
    }
  }
  if (live.length >= LIVE_MAX) return Refused('too-many-challenges', 'let earlier challenges expire first', true)
  if (!keep(space, own, live, request.textOf('nonce'), expires)) {
    return Refused('not-kept', 'this vault cannot write down a challenge now', true)
  }
  sweep(space, own, time)

  const message = new Message('vine/1 auth.challenge').text(request.textOf('audience')).part(nonce).number(<u64>expires)
  const signature = sign(KEY, message.bytes)
  const key = publicKey(KEY)
  if (signature == null || key == null) return Refused('key-unavailable', 'this connection has no key to sign with')
  return Replied('{"algorithm":"Ed25519","publicKey":"' + encodeBase64url(key) + '","signature":"'
    + encodeBase64url(signature) + '"}')
}

/** Those of a connection's list that hold still. */
function living(item: Item | null, time: i64): Json[] {
  const live: Json[] = []
  if (item == null) return live
  const kept = readJson(textOf(item.value)).items
  for (let at = 0; at < kept.length; at++) if (time < kept[at].wholeOf('expires', 0)) live.push(kept[at])
  return live
}

function keep(space: Namespace, own: string, live: Json[], nonce: string, expires: i64): bool {
  const texts: string[] = []
  for (let at = 0; at < live.length; at++) texts.push(live[at].write())
  texts.push('{"nonce":' + jsonText(nonce) + ',"expires":' + expires.toString() + '}')
  return space.put(own, toBytes('[' + texts.join(',') + ']'))
}

/** The list of the connection after this one goes when nothing of it holds any longer. */
function sweep(space: Namespace, own: string, time: i64): void {
  let found = space.scan(PREFIX, 1, own)!.items
  if (found.length == 0) found = space.scan(PREFIX, 1)!.items
  if (found.length > 0 && found[0].key != own && living(found[0], time).length == 0) space.delete(found[0].key)
}
