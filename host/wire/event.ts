/** One event: what is inside an envelope (spec: CBOR map with exactly these keys). */
import { Refusal } from '#host/errors.ts'
import { EVENT_LIFE_MS_MAX } from '#host/limits.ts'

import { type Cbor, decodeCbor, encodeCbor } from './cbor.ts'
import { type EventId, eventIdBytes, eventIdOf, type EventType, parseEventType } from './id.ts'

export interface VineEvent {
  readonly id: EventId
  readonly type: EventType
  /** Made at, milliseconds since the epoch by the sender's clock. */
  readonly ts: number
  /** Void from then on. */
  readonly exp: number
  /** The contract the sender means; 0 where there is none (owner and device events). */
  readonly contractVersion: number
  /** The event this one answers or follows. */
  readonly causation: EventId | null
  /** JSON of the event type's schema, or a reply. */
  readonly body: Uint8Array
}

const KEYS = 7

/** @throws Refusal `malformed` when the event breaks a rule that `decodeEvent` checks */
export function encodeEvent(event: VineEvent): Uint8Array {
  assertTimes(event.ts, event.exp)
  assertVersion(event.contractVersion)
  // Canonical key order already, so that the encoder has nothing to sort.
  return encodeCbor({
    id: eventIdBytes(event.id),
    ts: event.ts,
    exp: event.exp,
    body: event.body,
    cver: event.contractVersion,
    type: parseEventType(event.type),
    causation: event.causation === null ? null : eventIdBytes(event.causation),
  })
}

/**
 * Reads an event. It checks form only: whether `exp` has passed or `ts` is credible is for who knows the time.
 *
 * @throws Refusal `malformed` (unknown or missing key, wrong type, `exp` not after `ts` or too far), or `too-large`
 */
export function decodeEvent(bytes: Uint8Array): VineEvent {
  const map = decodeCbor(bytes, { depthMax: 1, itemsMax: 3 + 2 * KEYS })
  if (!isRecord(map) || Object.keys(map).length !== KEYS) throw malformed(`must be a map of ${KEYS} keys`)
  const { id, type, ts, exp, cver, causation, body } = map
  if (!(id instanceof Uint8Array)) throw malformed('id must be bytes')
  if (typeof type !== 'string') throw malformed('type must be text')
  if (!(body instanceof Uint8Array)) throw malformed('body must be bytes')
  if (causation !== null && !(causation instanceof Uint8Array)) throw malformed('causation must be bytes or null')
  const times = assertTimes(ts, exp)
  return {
    id: eventIdOf(id),
    type: parseEventType(type),
    ts: times.ts,
    exp: times.exp,
    contractVersion: assertVersion(cver),
    causation: causation === null ? null : eventIdOf(causation),
    body,
  }
}

/** A decoded CBOR map with text keys. */
function isRecord(value: Cbor): value is Readonly<Record<string, Cbor>> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Map) &&
    !(value instanceof Uint8Array)
  )
}

function assertTimes(ts: unknown, exp: unknown): { ts: number; exp: number } {
  if (typeof ts !== 'number' || !Number.isSafeInteger(ts) || ts < 0) throw malformed('ts must be milliseconds')
  if (typeof exp !== 'number' || !Number.isSafeInteger(exp) || exp <= ts) throw malformed('exp must be after ts')
  if (exp - ts > EVENT_LIFE_MS_MAX) throw malformed(`may live ${EVENT_LIFE_MS_MAX} ms at most`)
  return { ts, exp }
}

function assertVersion(version: unknown): number {
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 0) {
    throw malformed('cver must be a contract version')
  }
  return version
}

function malformed(what: string): Refusal {
  return new Refusal('malformed', `event: ${what}`)
}
