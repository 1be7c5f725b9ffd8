/** Who a vault talks to: a connection or one of the owner's devices, with the live state of the conversation. */
import type { SignedContract } from '#host/contracts/contract.ts'
import type { PeerPlace } from '#host/contracts/sharing.ts'
import type { Bucket } from '#host/contracts/rate.ts'
import type { Ed25519Key } from '#host/crypto/ed25519.ts'
import type { Session } from '#host/crypto/session.ts'
import { type ConnectionId, type EventType, parseEventType, type VaultId } from '#host/wire/id.ts'
import { bindOf, buildSubject, type Subject } from '#host/wire/subject.ts'
import type { ConnectionRecord, DeviceRecord } from './records.ts'

export interface Connection {
  readonly party: 'connection'
  readonly id: ConnectionId
  /** Names the conversation's state in the vault: `connection/<id>`. */
  readonly key: `connection/${string}`
  readonly vault: VaultId
  record: ConnectionRecord
  /** In force; absent until the first one is accepted. */
  contract: SignedContract | undefined
  /** Presented and waiting for the owner. */
  offered: SignedContract | undefined
  session: Session | undefined
  /** The session has sent what no commit keeps: where it stands is to be stored before the vault is closed. */
  unstored?: boolean
  /** Where the session stands was stored since the vault was opened. */
  isBegun?: boolean
  /** Requests left this hour. */
  bucket: Bucket
  /** Start of the hour in which the owner was told that this connection is blocked; forgotten with the process. */
  toldBlocked: number | undefined
  /** Unsealed greetings left this hour; starts anew with the process. */
  greetings: Bucket
  /** Signs for this connection only; made when the owner accepts it. */
  authentication: Ed25519Key | undefined
}

export interface Device {
  readonly party: 'device'
  readonly id: string
  readonly key: `device/${string}`
  readonly vault: VaultId
  record: DeviceRecord
  session: Session | undefined
  /** As a connection's. */
  unstored?: boolean
  isBegun?: boolean
}

export type Party = Connection | Device

/** The fixed lane on which a party is answered. Never the reply subject of a message (`research/nats.md` §3). */
function answerSubject(party: Party, type: EventType): Subject {
  if (party.party === 'device') return { space: 'owner', vault: party.vault, direction: 'forApp', type }
  const place = placeOf(party)
  // A peer with a vault hears us in its own space, as one of its connections.
  return place
    ? { space: 'message', direction: 'fromService', ...place, type }
    : { space: 'message', vault: party.vault, direction: 'forService', connection: party.id, type }
}

/** Where a peer with a vault of its own hears us; `undefined` for everybody else. */
export function placeOf(party: Party): PeerPlace | undefined {
  return (party.party === 'connection' && party.record.peer?.place) || undefined
}

/** Answers to a peer with a vault come under one type: its own events have the others. */
export const ANSWER = parseEventType('session.answer')

/** The type under which a party is answered: a service or a device by the type it asked with. */
export function answerType(party: Party, asked: EventType): EventType {
  return placeOf(party) ? ANSWER : asked
}

/** Subject text and the bytes bound into the message key for what the vault sends to a party. */
export function answerLane(party: Party, type: EventType): { subject: string; bind: Uint8Array } {
  const subject = answerSubject(party, type)
  return { subject: buildSubject(subject), bind: bindOf(subject) }
}
