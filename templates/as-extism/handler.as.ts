// `__name__.greet`: who asks, and for which fields, is settled before this runs.
import { bytesOf, field, quoted, refuse, reply, storeGet, storePut, storedBytes } from './trellis/trellis.as'

export function handle(): i32 {
  const name = field('name')
  if (!name.isOk) return refuse('name-unavailable', 'the name is not available')

  const seen = storeGet('connection', 'visits')
  if (!seen.isOk) return refuse('store-unavailable', 'the contract does not permit storing')
  const before = storedBytes(seen)
  const visits = (before === null ? 0 : I64.parseInt(String.UTF8.decode(before.buffer))) + 1
  // Kept back until the event ends well; a refusal drops it.
  if (!storePut('connection', 'visits', bytesOf(visits.toString())).isOk) {
    return refuse('store-unavailable', 'the contract does not permit storing')
  }
  return reply(`{"greeting":${quoted('Hello, ' + name.text() + '!')},"visits":${visits.toString()}}`)
}
