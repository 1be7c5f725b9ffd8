// `__name__.greet`: who asks, and for which fields, is settled before this runs.
import { Namespace, Refused, Replied, getField, jsonText, textOf, toBytes } from './trellis/world.as'
export { cabi_post_handle, cabi_realloc } from './trellis/world.as'

export function handle(body: usize, size: usize): usize {
  const name = getField('name')
  if (name == null) return Refused('name-unavailable', 'the name is not available')

  const own = Namespace.open('connection')
  if (own == null) return Refused('store-unavailable', 'the contract does not permit storing')
  const seen = own.get('visits')
  const visits = (seen == null ? 0 : I64.parseInt(textOf(seen.value))) + 1
  // Kept back until the event ends well; a refusal drops it.
  if (!own.put('visits', toBytes(visits.toString()))) {
    return Refused('store-unavailable', 'the contract does not permit storing')
  }
  return Replied('{"greeting":' + jsonText('Hello, ' + name + '!') + ',"visits":' + visits.toString() + '}')
}
