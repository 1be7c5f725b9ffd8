/**
 * This vault connects to another one: the hello it sends, and the answer it gets. The owner's command only notes that
 * it is to happen; the other vault's profile comes first, and either host may be away.
 */
import { verifyContract } from '#host/contracts/contract.ts'
import { finish, hello } from '#host/contracts/handshake.ts'
import type { Profile } from '#host/contracts/profile.ts'
import { encodePeerOffer } from '#host/contracts/sharing.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { exportSession } from '#host/crypto/session.ts'
import { Refusal } from '#host/errors.ts'
import { CONTRACT_BYTES_MAX, DIAL_LIFE_MS } from '#host/limits.ts'
import { bytesOf, bytesUpTo, check, z } from '#host/schema.ts'
import type { Change } from '#host/storage/port.ts'
import { decodeCbor } from '#host/wire/cbor.ts'
import { parseEventType } from '#host/wire/id.ts'
import { buildSubject, type MessageSubject } from '#host/wire/subject.ts'
import { commit } from './commit.ts'
import { notices, presented } from './notice.ts'
import type { Letter } from './outbox.ts'
import type { Connection } from './party.ts'
import { connectionChange, decodeRecord, type DialRecord, encodeRecord, type PeerRecord } from './records.ts'
import { row } from './rows.ts'
import type { Vault } from './vault.ts'

interface Moment {
  readonly now: number
  readonly random: (length: number) => Uint8Array
}

/** What the other vault's owner made of the hello. */
const decision = z.strictObject({
  version: z.int().min(1),
  declined: z.array(z.string()),
  authentication: bytesOf(32),
  contract: bytesUpTo(CONTRACT_BYTES_MAX),
})

/** A connection whose hello is under way, with what is known of the other side. */
export interface Dialing {
  readonly connection: Connection
  readonly peer: PeerRecord
  /** Sent already: to be sent again. */
  readonly hello: Uint8Array | undefined
}

export function dialing(vault: Vault): Dialing[] {
  return [...vault.connections.values()].flatMap((connection): Dialing[] => {
    const { peer, status } = connection.record
    return status === 'dialing' && peer ? [{ connection, peer, hello: readDial(vault, connection)?.message }] : []
  })
}

/** Where this side of a handshake speaks (`fromService`) and is answered before it has a place of its own there. */
export function dialLane({ peer }: Dialing, direction: MessageSubject['direction'], type: string): string {
  if (!peer.place) throw new Error('whoever is dialed has a place')
  return buildSubject({ space: 'message', direction, ...peer.place, type: parseEventType(type) })
}

/** The hello, stored before it leaves: the same one again until it is answered. */
export async function sayHello(
  vault: Vault,
  dialed: Dialing,
  options: Moment & { readonly profile: Profile },
): Promise<readonly Letter[]> {
  const { connection, peer } = dialed
  const { profile, random } = options
  if (connection.record.status !== 'dialing' || !peer.asks) return []
  const place = { vault: vault.id, connection: connection.id }
  const offer = encodePeerOffer({ contract: peer.asks.contract, sharing: peer.sharing, place })
  const made = hello({ crypto: nativeCrypto, signing: vault.signing, profile, offer, random })
  const record = { ...connection.record, peerKey: profile.verifyKey }
  return commit({
    vault,
    ...options,
    apply: () => void (connection.record = record),
    changes: [connectionChange(connection.id, record), dialChange(connection, made)],
    plain: [{ subject: dialLane(dialed, 'fromService', 'connection.hello'), envelope: made.message }],
    rows: [],
  })
}

/**
 * Takes the other vault's yes: there is a session, and its owner's light contract waits for ours.
 *
 * @throws Refusal `handshake-failed`, `contract-invalid`; a repeat is nothing
 */
export async function takeAccept(
  vault: Vault,
  connection: Connection,
  options: Moment & { readonly data: Uint8Array },
): Promise<readonly Letter[]> {
  const { now, data } = options
  const dial = readDial(vault, connection)
  const { peerKey, peer, status } = connection.record
  if (status !== 'dialing' || !dial || !peerKey || !peer?.asks) return []
  const { session, decision: bytes } = finish(dial.state, data, { crypto: nativeCrypto, now })
  const decided = check(decision, decodeCbor(bytes), 'handshake-failed', 'the other vault’s answer')
  const offered = verifyContract(nativeCrypto, decided.contract, peerKey)
  const record = {
    ...connection.record,
    status: 'proposed',
    offer: { contract: decided.contract, event: null },
    peer: { ...peer, asks: { ...peer.asks, version: decided.version, accepted: true } },
  } as const
  const shown = { bytes: decided.contract, signed: offered, publisher: peerKey }
  return commit({
    vault,
    ...options,
    apply: () => Object.assign(connection, { record, offered, session }),
    changes: [
      connectionChange(connection.id, record),
      dialChange(connection, null),
      {
        namespace: 'system',
        key: `session/${connection.key}`,
        value: exportSession(session),
        sensitivity: 'critical',
      },
      { namespace: 'system', key: `progress/${connection.key}`, value: session.exportProgress() },
    ],
    outgoing: notices(vault, 'contract.presented', presented(connection, shown)),
    rows: [
      row({
        at: now,
        who: offered.contract.service.name,
        connection: connection.id,
        eventType: 'connection.accept',
        contractVersion: offered.contract.version,
        result: 'pending',
        answeredAt: null,
      }),
    ],
  })
}

/** An invitation that led nowhere ends; the owner is told. */
export async function giveUp(vault: Vault, { connection, peer }: Dialing, moment: Moment): Promise<readonly Letter[]> {
  if (peer.since + DIAL_LIFE_MS > moment.now) return []
  const record = { ...connection.record, status: 'severed' } as const
  const { alias } = record
  const over = new Refusal('expired', 'the other vault did not answer the invitation')
  return commit({
    vault,
    ...moment,
    apply: () => void (connection.record = record),
    changes: [connectionChange(connection.id, record), dialChange(connection, null)],
    outgoing: notices(vault, 'connection.ended', { connection: connection.id, alias, reason: over.message }),
    rows: [
      row({
        at: moment.now,
        who: alias,
        connection: connection.id,
        eventType: 'connection.hello',
        result: 'refused',
        reason: over.code,
      }),
    ],
  })
}

function readDial({ system }: Vault, { id }: Connection): DialRecord | undefined {
  const item = system.get(`dial/${id}`)
  return item && decodeRecord('dial', item.value)
}

/** The change that keeps what finishes the handshake, or forgets it. */
export function dialChange({ id }: Pick<Connection, 'id'>, record: DialRecord | null): Change {
  const key = { namespace: 'system', key: `dial/${id}` } as const
  return record ? { ...key, value: encodeRecord('dial', record), sensitivity: 'critical' } : { ...key, value: null }
}
