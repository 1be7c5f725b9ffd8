/** The names things have on the wire (spec: ids are lower case, so that no two of them differ by case alone). */
import { Refusal } from '#host/errors.ts'

declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

/** 16 bytes as 32 lower-case hexadecimal characters. */
export type EventId = Branded<'EventId'>
export type VaultId = Branded<'VaultId'>
export type ConnectionId = Branded<'ConnectionId'>
/** `noun.verb`. */
export type EventType = Branded<'EventType'>

const EVENT_ID_BYTES = 16

/** Source text of the grammar, so that the subject's one expression is made of the same parts. */
export const grammar = {
  id: '[a-z0-9_-]{1,64}',
  type: String.raw`[a-z][a-z0-9-]{0,31}\.[a-z][a-z0-9-]{0,31}`,
} as const

const idPattern = new RegExp(`^${grammar.id}$`)
const typePattern = new RegExp(`^${grammar.type}$`)

/** @throws Refusal `malformed` unless the text is `[a-z0-9_-]{1,64}` */
export function parseVaultId(text: string): VaultId {
  if (!idPattern.test(text)) throw new Refusal('malformed', 'vault id: must be 1 to 64 of a-z 0-9 _ -')
  return text as VaultId
}

/** @throws Refusal `malformed` unless the text is `[a-z0-9_-]{1,64}` */
export function parseConnectionId(text: string): ConnectionId {
  if (!idPattern.test(text)) throw new Refusal('malformed', 'connection id: must be 1 to 64 of a-z 0-9 _ -')
  return text as ConnectionId
}

/** @throws Refusal `malformed` unless the text is `noun.verb`, each part `[a-z][a-z0-9-]{0,31}` */
export function parseEventType(text: string): EventType {
  if (!typePattern.test(text)) throw new Refusal('malformed', 'event type: must be noun.verb in lower case')
  return text as EventType
}

/** @throws Refusal `malformed` unless there are 16 bytes */
export function eventIdOf(bytes: Uint8Array): EventId {
  if (bytes.length !== EVENT_ID_BYTES) throw new Refusal('malformed', `event id: must be ${EVENT_ID_BYTES} bytes`)
  return bytes.toHex() as EventId
}

/** The 16 bytes of an id. */
export function eventIdBytes(id: EventId): Uint8Array {
  return Uint8Array.fromHex(id)
}

/** A fresh id of 16 random bytes: it says nothing of its maker, its time or its number. */
export function newEventId(random: (count: number) => Uint8Array): EventId {
  return eventIdOf(random(EVENT_ID_BYTES))
}
