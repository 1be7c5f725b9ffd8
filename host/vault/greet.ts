/**
 * What arrives before there is a session: asking for the profile, and hellos.
 *
 * A hello is answered once; the same bytes again get the same answer, so that a recorded hello resets nothing.
 */
import { readHello, accept, type HelloOffer } from '#host/contracts/handshake.ts'
import { verifyContract } from '#host/contracts/contract.ts'
import { PROFILE_EVIDENCE } from '#host/contracts/evidence.ts'
import { decodePeerOffer, signSharing } from '#host/contracts/sharing.ts'
import { takeToken } from '#host/contracts/rate.ts'
import type { Showing } from '#host/crypto/enclave.ts'
import { digest } from '#host/crypto/kdf.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { exportSession } from '#host/crypto/session.ts'
import { Refusal } from '#host/errors.ts'
import { GREETINGS_PER_HOUR } from '#host/limits.ts'
import type { Change } from '#host/storage/port.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { decodeEnvelope } from '#host/wire/envelope.ts'
import { parseEventType } from '#host/wire/id.ts'
import { buildSubject, type MessageSubject, type OwnerSubject, type Subject } from '#host/wire/subject.ts'
import { z, check } from '#host/schema.ts'
import { commit } from './commit.ts'
import { anchorSchema, behindChange, checkNotBehind, foundBehind, isBehind, newestAnchor } from './anchor.ts'
import { takeAccept } from './dial.ts'
import { shownTo } from './evidence.ts'
import { notices, presented } from './notice.ts'
import type { Letter } from './outbox.ts'
import { answerLane, type Connection, type Device, type Party } from './party.ts'
import { entries } from './read.ts'
import { connectionChange, decodeRecord, encodeRecord, type GreetingRecord } from './records.ts'
import { row } from './rows.ts'
import type { Vault } from './vault.ts'

export interface Greeting {
  readonly vault: Vault
  readonly subject: Subject
  readonly data: Uint8Array
  /** What shows the code that runs; absent where nothing attests. */
  readonly showing?: Showing | undefined
  readonly now: number
  readonly random: (length: number) => Uint8Array
}

const deviceOffer = z.strictObject({ device: z.string().max(64), anchor: z.exactOptional(anchorSchema) })

/** Event types that come unsealed. They carry nothing of the owner's and need nobody's contract. */
export function isGreeting(subject: Subject): boolean {
  if (subject.type === 'profile.get' || subject.type === PROFILE_EVIDENCE) return true
  if (subject.space === 'owner') return subject.type === 'device.hello'
  return subject.type === 'connection.hello' || subject.type === 'connection.accept'
}

/** @throws Refusal `unknown-connection`, `rate-limited`, `handshake-failed`, `contract-invalid`, `device-unknown` */
export async function greet(greeting: Greeting): Promise<readonly Letter[]> {
  const { vault, subject, data, now } = greeting
  if (subject.space === 'owner') return (await tell(greeting)) ?? greetDevice(greeting, subject)
  const connection = vault.connections.get(subject.connection)
  if (!connection) throw new Refusal('unknown-connection', 'no such connection')
  const draw = takeToken(connection.greetings, { capacity: GREETINGS_PER_HOUR }, now)
  if ('refusedUntil' in draw) throw new Refusal('rate-limited', 'too many greetings this hour')
  connection.greetings = draw.bucket
  const told = await tell(greeting)
  if (told) return told
  if (subject.type === 'connection.accept') return takeAccept(vault, connection, greeting)
  const known = greeted(vault, data)
  if (known) return known
  return propose(greeting, subject, connection)
}

/** What anybody who was invited may know: the profile, and what code has its keys. */
async function tell({ vault, subject, data, showing }: Greeting): Promise<readonly Letter[] | undefined> {
  const lane = buildSubject(outward(subject))
  if (subject.type === 'profile.get') return [unkept(lane, vault.profile.bytes)]
  return subject.type === PROFILE_EVIDENCE ? [unkept(lane, await shownTo(data, { vault, showing }))] : undefined
}

/** A hello with a signed contract: stored as it came, and shown to the owner. */
async function propose(
  greeting: Greeting,
  subject: MessageSubject,
  connection: Connection,
): Promise<readonly Letter[]> {
  const { vault, data, now, random } = greeting
  checkNotBehind(vault)
  if (connection.record.status !== 'invited') throw new Refusal('connection-inactive', 'this invitation was used')
  const offer = readGreeting(vault, data)
  const { contract, ...peer } = offerOf(vault, connection, { offer: offer.offer, now })
  const offered = verifyContract(nativeCrypto, contract, offer.peerKey)
  const record = {
    ...connection.record,
    ...peer,
    status: 'proposed',
    peerKey: offer.peerKey,
    hello: data,
    offer: { contract, event: null },
  } as const
  return commit({
    vault,
    now,
    random,
    apply: () => {
      connection.record = record
      connection.offered = offered
    },
    changes: [connectionChange(connection.id, record), rememberGreeting(connection, data, null)],
    outgoing: notices(
      vault,
      'contract.presented',
      presented(connection, { bytes: contract, signed: offered, publisher: offer.peerKey }),
    ),
    rows: [
      row({
        at: now,
        who: offered.contract.service.name,
        connection: connection.id,
        eventType: subject.type,
        fields: offered.contract.fields.map((field) => field.name),
        contractVersion: offered.contract.version,
        result: 'pending',
        answeredAt: null,
      }),
    ],
  })
}

/** What a hello offers: a contract, or between vaults what each side asks of the other. */
function offerOf(
  vault: Vault,
  { record: { peer } }: Connection,
  { offer, now }: { offer: Uint8Array; now: number },
): { contract: Uint8Array } & Pick<Connection['record'], 'peer'> {
  if (!peer) return { contract: offer }
  const { contract, sharing, place } = decodePeerOffer(offer)
  const signed = signSharing(nativeCrypto, sharing, { name: peer.name, vault: vault.id, signing: vault.signing, now })
  return { contract, peer: { ...peer, place, asks: { sharing, contract: signed, version: 1, accepted: false } } }
}

/** The hello of a device that the vault knows: answered at once, with a session of its own. */
async function greetDevice({ vault, data, now, random }: Greeting, subject: OwnerSubject): Promise<readonly Letter[]> {
  const known = greeted(vault, data)
  if (known) return known
  const offer = readGreeting(vault, data)
  const { device: id, anchor: remembered } = check(
    deviceOffer,
    decodeCbor(offer.offer),
    'handshake-failed',
    'device hello',
  )
  const device: Device | undefined = vault.devices.get(id)
  if (!device || device.record.status !== 'active' || !equalBytes(device.record.verifyKey, offer.peerKey)) {
    throw new Refusal('device-unknown', 'no such device')
  }
  const refused = remembered !== undefined && isBehind(vault, device, remembered)
  const { anchor, changes } = newestAnchor(vault, device)
  const { message, session } = accept({
    hello: data,
    crypto: nativeCrypto,
    prekey: vault.prekey,
    profileHash: vault.profile.hash,
    signing: vault.signing,
    decision: encodeCbor({ device: id, anchor, refused: refused ? 'journal-behind' : null }),
    now,
  })
  const lane = answerLane(device, parseEventType('device.accept')).subject
  const answer = { subject: lane, envelope: message }
  if (refused) {
    const what = { result: 'refused', reason: 'journal-behind' } as const
    return commit({
      vault,
      now,
      random,
      changes: [rememberGreeting(device, data, answer), behindChange(device)],
      plain: [answer],
      rows: [row({ at: now, who: device.record.label, eventType: subject.type, ...what })],
    })
  }
  return commit({
    vault,
    now,
    random,
    apply: () => {
      device.session = session
    },
    changes: [
      { namespace: 'system', key: `session/${device.key}`, value: exportSession(session), sensitivity: 'critical' },
      { namespace: 'system', key: `progress/${device.key}`, value: session.exportProgress() },
      ...forgetGreetings(vault, device),
      rememberGreeting(device, data, answer),
      ...(foundBehind(vault) === device.id ? [behindChange(null)] : []),
      ...changes,
    ],
    plain: [answer],
    rows: [row({ at: now, who: device.record.label, eventType: subject.type, result: 'accepted' })],
  })
}

/** The same lane the other way. */
function outward(subject: Subject): Subject {
  return subject.space === 'message' ? { ...subject, direction: 'forService' } : { ...subject, direction: 'forApp' }
}

function readGreeting(vault: Vault, data: Uint8Array): HelloOffer {
  if (decodeEnvelope(data).kind !== 'hello') throw new Refusal('malformed', 'not a hello')
  return readHello({ crypto: nativeCrypto, prekey: vault.prekey, profileHash: vault.profile.hash }, data)
}

/** The answer given to these very bytes before: none as long as the owner has not decided. */
function greeted(vault: Vault, data: Uint8Array): readonly Letter[] | undefined {
  const item = vault.system.get(greetingKey(data))
  if (!item) return undefined
  const { answer } = decodeRecord('greeting', item.value)
  return answer ? [unkept(answer.subject, answer.envelope)] : []
}

/** The change that remembers a hello and its answer. */
export function rememberGreeting({ key }: Party, hello: Uint8Array, answer: GreetingRecord['answer']): Change {
  return { namespace: 'system', key: greetingKey(hello), value: encodeRecord('greeting', { from: key, answer }) }
}

/** Earlier hellos of a device that pairs anew: still known, so that they do nothing, but without their answers. */
function forgetGreetings(vault: Vault, { key }: Device): Change[] {
  return entries(vault.system, 'greeting/').flatMap(([name, value]): Change[] => {
    const { from, answer } = decodeRecord('greeting', value)
    if (from !== key || answer === null) return []
    const forgotten = encodeRecord('greeting', { from, answer: null })
    return [{ namespace: 'system', key: `greeting/${name}`, value: forgotten }]
  })
}

function greetingKey(hello: Uint8Array): string {
  return `greeting/${digest('vine/1 greeting', hello).toHex()}`
}

/** A message that nobody waits for: whoever asked asks again. */
function unkept(subject: string, envelope: Uint8Array): Letter {
  return { key: '', subject, envelope }
}
