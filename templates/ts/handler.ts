/** `__name__.greet`: who asks, and for which fields, is settled before this runs. */
import { get } from 'trellis:handler/fields@0.1.0'
import { open } from 'trellis:handler/store@0.1.0'
import type { Outcome } from 'trellis:handler/types@0.1.0'

import type { Reply } from './trellis/events.ts'
import { reply } from './trellis/json.ts'
import { payloadOf, refuse } from './trellis/refuse.ts'
import { decodeUtf8, encodeUtf8 } from './trellis/utf8.ts'

export function handle(): Outcome {
  const name = readName()
  const visits = countVisit()
  const answer: Reply<'__name__.greet'> = { greeting: `Hello, ${name}!`, visits }
  return reply(answer)
}

function readName(): string {
  try {
    return get('name')
  } catch (error) {
    if (payloadOf(error) === undefined) throw error
    return refuse('name-unavailable', 'the name is not available')
  }
}

/** Writes are kept back until the event ends well; a refusal drops them. */
function countVisit(): number {
  try {
    using namespace = open('connection')
    const seen = namespace.get('visits')
    const visits = (seen === null ? 0 : Number(decodeUtf8(seen.value))) + 1
    namespace.put('visits', encodeUtf8(String(visits)), undefined, undefined)
    return visits
  } catch (error) {
    if (payloadOf(error) === undefined) throw error
    return refuse('store-unavailable', 'the contract does not permit storing')
  }
}
