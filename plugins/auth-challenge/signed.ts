/** Which nonces were signed and may still be taken: a list for each connection, in the handler's own namespace. */
import type { Item, Namespace } from 'trellis:handler/store@0.1.0'

import { parseJson } from '../sdk/json.ts'
import { refuse } from '../sdk/refuse.ts'
import { openShelf } from '../sdk/shelf.ts'
import { encodeUtf8 } from '../sdk/utf8.ts'

interface Signed {
  /** Base64url, which has one form for the same bytes. */
  readonly nonce: string
  /** Milliseconds since the epoch: the signature holds until then, and not longer. */
  readonly expires: number
}

/** Of one connection at one time: a bound on what a flood of challenges leaves behind. */
const LIVE_MAX = 64
const PREFIX = 'signed/'

const shelf = openShelf({ code: 'not-kept', message: 'this vault cannot write down a challenge now' })

/**
 * Writes the nonce down for this connection. Of lists, what holds no longer goes: from this one's own, and that of the
 * connection after it, once nothing of it holds.
 *
 * Ends the call with the refusal `nonce-used`, `too-many-challenges` or `not-kept`.
 */
export function signOnce(connection: string, challenge: Signed, now: number): void {
  shelf.attempt((space) => {
    const own = `${PREFIX}${connection}`
    const live = living(space.get(own), now)
    if (live.some(({ nonce }) => nonce === challenge.nonce)) {
      return refuse('nonce-used', 'this nonce was signed already: draw a new one for each challenge')
    }
    if (live.length >= LIVE_MAX) {
      return refuse('too-many-challenges', 'let earlier challenges expire first', { retry: true })
    }
    space.put(own, encodeUtf8(JSON.stringify([...live, challenge])), undefined, undefined)
    const next = first(space, own) ?? first(space)
    if (next !== undefined && next.key !== own && living(next, now).length === 0) space.delete(next.key)
  })
}

function first(space: Namespace, after?: string): Item | undefined {
  return space.scan(PREFIX, after, 1).items[0]
}

function living(item: Item | null, now: number): Signed[] {
  const kept = item === null ? [] : (parseJson(item.value) as Signed[])
  return kept.filter(({ expires }) => now < expires)
}
