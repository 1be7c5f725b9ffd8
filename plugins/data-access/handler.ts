/** `data.request`: the personal fields this event was admitted for. Who may ask for which is settled before. */
import { get } from 'trellis:handler/fields@0.1.0'
import type { Outcome } from 'trellis:handler/types@0.1.0'

import { parseJson, reply } from '../sdk/json.ts'
import { payloadOf, refuse } from '../sdk/refuse.ts'

interface DataRequest {
  /** For `"all"` the host has put the names in its place. */
  readonly fields: readonly string[]
}

/** All of the fields, or a refusal that names the first that cannot be had. */
export function handle(body: Uint8Array): Outcome {
  const { fields } = parseJson(body) as DataRequest
  return reply({ fields: Object.fromEntries(fields.map((name) => [name, valueOf(name)])) })
}

function valueOf(name: string): string {
  try {
    return get(name)
  } catch (error) {
    if (payloadOf(error) === undefined) throw error
    return refuse('field-unavailable', `${name} is not available`)
  }
}
