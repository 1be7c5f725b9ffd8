/**
 * Subjects of the bus (DESIGN §12). Ids hold no dot, `*` or `>`, so a parsed subject names exactly one place.
 *
 *     MessageSpace.<vault>.fromService.<connection>.<noun>.<verb>   connection → vault
 *     MessageSpace.<vault>.forService.<connection>.<noun>.<verb>    vault → a service without a vault
 *     OwnerSpace.<vault>.forVault.<noun>.<verb>                     device → vault
 *     OwnerSpace.<vault>.forApp.<noun>.<verb>                       vault → devices
 */
import { Refusal } from '#host/errors.ts'

import {
  type ConnectionId,
  type EventType,
  grammar,
  parseConnectionId,
  parseEventType,
  parseVaultId,
  type VaultId,
} from './id.ts'

export interface MessageSubject {
  readonly space: 'message'
  readonly vault: VaultId
  readonly direction: 'fromService' | 'forService'
  readonly connection: ConnectionId
  readonly type: EventType
}

export interface OwnerSubject {
  readonly space: 'owner'
  readonly vault: VaultId
  readonly direction: 'forVault' | 'forApp'
  readonly type: EventType
}

export type Subject = MessageSubject | OwnerSubject

/** Where a message is, without what it asks: see `bindOf`. */
export type Place = Omit<MessageSubject, 'type'> | Omit<OwnerSubject, 'type'>

// Every part is bounded, so no text is read further than the longest subject.
const { id, type } = grammar
const message = new RegExp(`^MessageSpace\\.(${id})\\.(fromService|forService)\\.(${id})\\.(${type})$`)
const owner = new RegExp(`^OwnerSpace\\.(${id})\\.(forVault|forApp)\\.(${type})$`)
const utf8 = new TextEncoder()

/** @throws Refusal `malformed` for anything but one subject of the grammar; patterns are not subjects */
export function parseSubject(text: string): Subject {
  const fromMessage = message.exec(text)
  if (fromMessage !== null) {
    const [, vault, direction, connection, type] = fromMessage
    return { space: 'message', vault, direction, connection, type } as MessageSubject
  }
  const fromOwner = owner.exec(text)
  if (fromOwner === null) throw malformed()
  const [, vault, direction, type] = fromOwner
  return { space: 'owner', vault, direction, type } as OwnerSubject
}

/** The inverse of `parseSubject`. Parts are parsed again: a brand can be forged by a cast, a subject must not be. */
export function buildSubject(subject: Subject): string {
  return `${placeOf(subject)}.${parseEventType(subject.type)}`
}

/**
 * The subject without its event type, as UTF-8. Sender and receiver both derive it and bind it into the message key, so
 * an envelope opens only in the place it was sealed for; it is never read from the wire.
 */
export function bindOf(place: Place): Uint8Array {
  return utf8.encode(placeOf(place))
}

function placeOf(place: Place): string {
  const vault = parseVaultId(place.vault)
  if (place.space === 'owner') return `OwnerSpace.${vault}.${place.direction}`
  return `MessageSpace.${vault}.${place.direction}.${parseConnectionId(place.connection)}`
}

function malformed(): Refusal {
  return new Refusal('malformed', 'subject: not one of the vine/1 grammar')
}
