/**
 * The envelope: all that a broker sees of a message (spec: CBOR array [header, ciphertext], both byte strings; the
 * header's bytes, as received, are the ciphertext's associated data).
 *
 *     data, rekey   [1, suite, kind, cid (8), epoch, lane, seq, mid (16)]   kind 0 data, 4 rekey offer, 5 rekey answer
 *     hello         [1, suite, 1, profile hash (32), KEM ciphertext (1120)]
 *     accept        [1, suite, 2, transcript hash (32), KEM ciphertext (1120)]
 */
import { Refusal } from '#host/errors.ts'
import { HEADER_BYTES_MAX, MESSAGE_BYTES_MAX, SEQUENCE_MAX } from '#host/limits.ts'

import { type Cbor, decodeCbor, encodeCbor } from './cbor.ts'

const VINE_VERSION = 1
/** X-Wing | ML-DSA-65 + Ed25519 composite | HKDF-SHA-256 | AES-256-GCM. */
const SUITE = 1
/** An X-Wing ciphertext. */
export const KEM_CIPHERTEXT_BYTES = 1_120
export const HASH_BYTES = 32
/** Names a direction of one epoch; derived, not chosen. */
export const CID_BYTES = 8
/** Random per message: after a rollback the same sequence number still gives another key. */
const MID_BYTES = 16
/** The AEAD's tag: no ciphertext is shorter. */
const TAG_BYTES = 16
const EPOCH_MAX = 2 ** 32 - 1

/** 0: kept until received. 1: may be lost. Each has its own sequence numbers and receive window. */
export type Lane = 0 | 1

export type DataKind = 'data' | 'rekey-offer' | 'rekey-answer'

export interface DataHeader {
  readonly kind: DataKind
  readonly cid: Uint8Array
  readonly epoch: number
  readonly lane: Lane
  readonly seq: number
  readonly mid: Uint8Array
}

interface Sealed {
  /** The header's bytes as received: associated data of the ciphertext. */
  readonly header: Uint8Array
  readonly ciphertext: Uint8Array
}

export interface DataEnvelope extends DataHeader, Sealed {}

interface HelloEnvelope extends Sealed {
  readonly kind: 'hello'
  /** Which profile, hence which prekey, the hello is for. */
  readonly profileHash: Uint8Array
  readonly kemCiphertext: Uint8Array
}

interface AcceptEnvelope extends Sealed {
  readonly kind: 'accept'
  /** Transcript up to the hello: which hello is accepted. */
  readonly transcript: Uint8Array
  readonly kemCiphertext: Uint8Array
}

export type Envelope = DataEnvelope | HelloEnvelope | AcceptEnvelope

const kindNumbers = { data: 0, 'rekey-offer': 4, 'rekey-answer': 5 } as const
const dataKinds = new Map<Cbor | undefined, DataKind>([
  [0, 'data'],
  [4, 'rekey-offer'],
  [5, 'rekey-answer'],
])

export function dataHeader({ kind, cid, epoch, lane, seq, mid }: DataHeader): Uint8Array {
  return encodeCbor([VINE_VERSION, SUITE, kindNumbers[kind], cid, epoch, lane, seq, mid])
}

export function helloHeader(fields: { profileHash: Uint8Array; kemCiphertext: Uint8Array }): Uint8Array {
  return encodeCbor([VINE_VERSION, SUITE, 1, fields.profileHash, fields.kemCiphertext])
}

export function acceptHeader(fields: { transcript: Uint8Array; kemCiphertext: Uint8Array }): Uint8Array {
  return encodeCbor([VINE_VERSION, SUITE, 2, fields.transcript, fields.kemCiphertext])
}

/** @throws Refusal `too-large` when the bus would not carry it */
export function encodeEnvelope({ header, ciphertext }: Sealed): Uint8Array {
  const bytes = encodeCbor([header, ciphertext])
  if (bytes.length > MESSAGE_BYTES_MAX) throw new Refusal('too-large', `envelope: ${bytes.length} bytes to send`)
  return bytes
}

/**
 * Reads an envelope's outside; nothing of it is authentic yet. The parts are views of `bytes`.
 *
 * @throws Refusal `too-large` before anything is read, `unknown-suite`, or `malformed`
 */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  const outer = decodeCbor(bytes, { bytesMax: MESSAGE_BYTES_MAX, depthMax: 1, itemsMax: 3, views: true })
  if (!Array.isArray(outer) || outer.length !== 2) throw malformed('must be [header, ciphertext]')
  const [header, ciphertext]: readonly Cbor[] = outer
  if (!(header instanceof Uint8Array) || !(ciphertext instanceof Uint8Array)) throw malformed('must hold byte strings')
  if (ciphertext.length < TAG_BYTES) throw malformed('ciphertext shorter than its tag')
  const fields = decodeCbor(header, { bytesMax: HEADER_BYTES_MAX, depthMax: 1, itemsMax: 10, views: true })
  if (!Array.isArray(fields)) throw malformed('header must be an array')
  return decodeHeader(fields, { header, ciphertext })
}

function decodeHeader(fields: readonly Cbor[], sealed: Sealed): Envelope {
  const [version, suite, kind] = fields
  if (version !== VINE_VERSION) throw malformed('not vine/1')
  if (suite !== SUITE) throw new Refusal('unknown-suite', `envelope: suite is not ${SUITE}`)
  const dataKind = dataKinds.get(kind)
  if (dataKind !== undefined) return decodeData(fields, dataKind, sealed)
  if (fields.length !== 5) throw malformed('unknown kind or wrong number of fields')
  const hash = bytesOf(fields[3], HASH_BYTES, 'hash')
  const kemCiphertext = bytesOf(fields[4], KEM_CIPHERTEXT_BYTES, 'kem ciphertext')
  if (kind === 1) return { kind: 'hello', profileHash: hash, kemCiphertext, ...sealed }
  if (kind === 2) return { kind: 'accept', transcript: hash, kemCiphertext, ...sealed }
  throw malformed('unknown kind')
}

function decodeData(fields: readonly Cbor[], kind: DataKind, { header, ciphertext }: Sealed): DataEnvelope {
  if (fields.length !== 8) throw malformed('a data header has 8 fields')
  const lane = fields[5]
  if (lane !== 0 && lane !== 1) throw malformed('lane must be 0 or 1')
  return {
    kind,
    cid: bytesOf(fields[3], CID_BYTES, 'cid'),
    epoch: numberUpTo(fields[4], EPOCH_MAX, 'epoch'),
    lane,
    seq: numberUpTo(fields[6], SEQUENCE_MAX, 'seq'),
    mid: bytesOf(fields[7], MID_BYTES, 'mid'),
    header,
    ciphertext,
  }
}

function bytesOf(value: Cbor | undefined, length: number, what: string): Uint8Array {
  if (value instanceof Uint8Array && value.length === length) return value
  throw malformed(`${what} must be ${length} bytes`)
}

function numberUpTo(value: Cbor | undefined, max: number, what: string): number {
  if (typeof value === 'number' && value >= 0 && value <= max) return value
  throw malformed(`${what} must be 0 to ${max}`)
}

function malformed(what: string): Refusal {
  return new Refusal('malformed', `envelope: ${what}`)
}
