/** The owner's word on a contract: accepting it is what makes a connection, and what moves one to a new version. */
import { verifyAcceptance } from '#host/contracts/acceptance.ts'
import { accept } from '#host/contracts/handshake.ts'
import { fullBucket } from '#host/contracts/rate.ts'
import type { SignedContract } from '#host/contracts/contract.ts'
import { generateEd25519 } from '#host/crypto/ed25519.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { exportSession } from '#host/crypto/session.ts'
import { ED25519_BYTES } from '#host/crypto/sizes.ts'
import { Refusal } from '#host/errors.ts'
import { bytesUpTo, z } from '#host/schema.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { decodeEnvelope } from '#host/wire/envelope.ts'
import { parseEventType } from '#host/wire/id.ts'
import type { Answer } from './commit.ts'
import { forgotten } from './account/directory.ts'
import { rememberGreeting } from './greet.ts'
import { knownConnection, readCommand, type Command, type Done } from './command.ts'
import { answerLane, type Connection } from './party.ts'
import { confirm } from './owner-peer.ts'
import { farewell } from './peer-event.ts'
import { connectionChange, type ConnectionRecord } from './records.ts'
import { refusedReply } from './refuse.ts'
import { denyAll } from './resume.ts'
import { eventRow } from './rows.ts'
import { endSandboxes } from './sandbox/end.ts'

const acceptBody = z.strictObject({ connection: z.string(), acceptance: bytesUpTo(16_384) })
const rejectBody = z.strictObject({ connection: z.string() })

interface Terms {
  readonly offered: SignedContract
  readonly declined: readonly string[]
}

/** @throws Refusal `command-invalid` when nothing is offered, or what `verifyAcceptance` throws */
export function acceptContract(command: Command): Done {
  const { vault, device, opened, now } = command
  const body = readCommand(acceptBody, command)
  const connection = knownConnection(vault, body.connection)
  const { offered, record } = connection
  if (!offered || !record.offer) throw new Refusal('command-invalid', 'no contract waits for an answer')
  const { declined } = verifyAcceptance(nativeCrypto, body.acceptance, {
    deviceKey: device.record.verifyKey,
    connection: connection.id,
    contract: offered,
  })
  const terms = { offered, declined }
  const next: ConnectionRecord = {
    ...record,
    status: 'active',
    contract: record.offer.contract,
    acceptedAt: now,
    declined,
    offer: null,
  }
  // A new version grants no second hour: only a first contract starts with a full bucket.
  const capacity = offered.contract.limits.requestsPerHour
  const bucket = record.status === 'proposed' ? fullBucket({ capacity }, now) : connection.bucket
  const audited = eventRow(device, opened.event, {
    at: now,
    result: 'accepted',
    connection: connection.id,
    contractVersion: offered.contract.version,
    fields: offered.contract.fields.map((field) => field.name).filter((name) => !declined.includes(name)),
  })
  const stored = [
    connectionChange(connection.id, next),
    { namespace: 'system', key: `acceptance/${connection.id}/${offered.contract.version}`, value: body.acceptance },
  ] as const
  const done = record.status === 'proposed' ? first(command, connection, terms) : renew(connection, terms)
  return {
    ...done,
    apply: () => {
      Object.assign(connection, { record: next, contract: offered, offered: undefined, bucket })
      done.apply?.()
    },
    changes: [...stored, ...(done.changes ?? [])],
    rows: [audited],
  }
}

/** Accept or disconnect (DESIGN §7): what is not accepted ends the connection, be it the first contract or a later. */
export function rejectContract(command: Command): Done {
  const { vault, device, opened, now } = command
  const connection = knownConnection(vault, readCommand(rejectBody, command).connection)
  const { offered, record } = connection
  if (!offered) throw new Refusal('command-invalid', 'no contract waits for an answer')
  const next: ConnectionRecord = { ...record, status: 'severed', offer: null }
  const ended = denyAll({ vault, connection, now })
  const declined = new Refusal('connection-inactive', 'the owner declined this contract version')
  const shared = endSandboxes(vault, connection, now)
  const last = farewell(vault, connection)
  return {
    apply: () => Object.assign(connection, { record: next, offered: undefined }),
    answers: [...ended.flatMap(({ answers }) => answers), ...undecided(connection, declined)],
    outgoing: [...shared.outgoing, ...(last.outgoing ?? [])],
    expected: shared.expected,
    changes: [
      connectionChange(connection.id, next),
      ...shared.changes,
      ...ended.flatMap(({ changes }) => changes),
      ...(last.changes ?? []),
      ...forgotten(vault, connection.id),
    ],
    rows: [
      eventRow(device, opened.event, {
        at: now,
        result: 'denied',
        connection: connection.id,
        contractVersion: offered.contract.version,
      }),
      ...ended.map(({ row }) => row),
    ],
  }
}

/** The no to whoever published a version that will not be accepted. */
export function undecided(connection: Connection, refusal: Refusal): Answer[] {
  const event = connection.record.offer?.event
  return event ? [{ to: connection, event, reply: refusedReply(refusal) }] : []
}

/** The first contract of a connection that said hello to us, or of one that we said hello to. */
function first(command: Command, connection: Connection, terms: Terms): Partial<Done> {
  return connection.session ? confirm(command, connection, decision(terms)) : welcome(command, connection, terms)
}

/** The first contract: the handshake is finished, and the connection gets a session and a key of its own. */
function welcome({ vault, random, now }: Command, connection: Connection, terms: Terms): Partial<Done> {
  const { hello, peer } = connection.record
  const asks = peer?.asks
  const envelope = hello && decodeEnvelope(hello)
  if (!hello || envelope?.kind !== 'hello') throw new Error('a proposed connection keeps its hello')
  const seed = random(ED25519_BYTES)
  const authentication = generateEd25519(seed)
  const { message, session } = accept({
    hello,
    crypto: nativeCrypto,
    prekey: vault.prekey,
    // The profile it was made for, which may be an earlier one by now: it was ours when the hello was let in.
    profileHash: envelope.profileHash,
    signing: vault.signing,
    now,
    decision: encodeCbor({
      ...decision(terms),
      authentication: authentication.publicKey,
      ...(asks ? { contract: asks.contract } : {}),
    }),
  })
  const answer = { subject: answerLane(connection, parseEventType('connection.accept')).subject, envelope: message }
  return {
    apply: () => Object.assign(connection, { session, authentication }),
    plain: [answer],
    changes: [
      { namespace: 'system', key: `session/${connection.key}`, value: exportSession(session), sensitivity: 'critical' },
      { namespace: 'system', key: `key/${connection.id}`, value: seed, sensitivity: 'critical' },
      rememberGreeting(connection, hello, answer),
    ],
  }
}

/** A later version: whoever published it gets the answer that was pending. */
function renew(connection: Connection, terms: Terms): Partial<Done> {
  const event = connection.record.offer?.event
  if (!event) throw new Error('a later version came with an event')
  return { answers: [{ to: connection, event, reply: { status: 'replied', body: encodeCbor(decision(terms)) } }] }
}

/** What the other side is told: which version holds, and which optional fields it does not get. */
function decision({ offered, declined }: Terms): { version: number; declined: readonly string[] } {
  return { version: offered.contract.version, declined }
}
