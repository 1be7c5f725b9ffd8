/**
 * Evidence: a document in which an attestor says what runs. Two kinds, told apart by what they are signed with; no
 * document can be read as both.
 *
 * Both are COSE_Sign1 (RFC 9052 §4.2): an array of protected header, unprotected header, payload and signature.
 */
import { encodeCbor } from '#host/wire/cbor.ts'
import { equalBytes } from '#host/wire/bytes.ts'

import type { Chain } from './chain.ts'
import { Rejection } from './errors.ts'
import { decodeForeign, type Foreign } from './foreign-cbor.ts'
import { EVIDENCE_FIELD_BYTES_MAX, REGISTER_BYTES, REGISTERS } from './limits.ts'

/** What a document says. */
export interface Claims {
  /** By the attestor's clock. */
  readonly timestampMs: number
  /** 48 bytes each. */
  readonly registers: ReadonlyMap<number, Uint8Array>
  readonly publicKey: Uint8Array | undefined
  readonly userData: Uint8Array | undefined
  readonly nonce: Uint8Array | undefined
}

interface Signed {
  readonly claims: Claims
  /** Sig_structure: the received bytes in the frame that was signed. */
  readonly message: Uint8Array
  readonly signature: Uint8Array
}

/** Says which code runs, if AWS signed it. */
export interface NitroEvidence extends Signed {
  readonly kind: 'nitro'
  readonly hardware: true
  readonly moduleId: string
  readonly chain: Chain
}

/** Says which key signed which registers, and nothing about the machine. */
export interface SoftwareEvidence extends Signed {
  readonly kind: 'software'
  readonly hardware: false
  /** Ed25519. */
  readonly key: Uint8Array
}

export type Evidence = NitroEvidence | SoftwareEvidence

/** Signed by whom its kind trusts: true to its origin, and not yet acceptable to anybody. */
export interface Genuine {
  readonly evidence: Evidence
  /** 48 bytes: the name of what it says runs. */
  readonly measurement: Uint8Array
}

/** A COSE_Sign1 taken apart: nothing in it is believed. */
export interface Envelope {
  readonly header: Uint8Array
  readonly payload: ReadonlyMap<number | string, Foreign>
  readonly message: Uint8Array
  readonly signature: Uint8Array
}

const TAG_18 = 0xd2
const EMPTY = new Uint8Array(0)

/** The frame a COSE_Sign1 signature is over, without external data. */
export function signedMessage(header: Uint8Array, payload: Uint8Array): Uint8Array {
  return encodeCbor(['Signature1', header, EMPTY, payload])
}

/** @throws Rejection `evidence-too-large`, `evidence-malformed` */
export function openEnvelope(bytes: Uint8Array): Envelope {
  // Real documents have no tag; the tag for what they are is no harm.
  const parts = decodeForeign(bytes[0] === TAG_18 ? bytes.subarray(1) : bytes)
  if (!Array.isArray(parts) || parts.length !== 4) throw malformed('is not a COSE_Sign1')
  const [header, unprotected, payload, signature]: readonly Foreign[] = parts
  const isWhole = header instanceof Uint8Array && payload instanceof Uint8Array && signature instanceof Uint8Array
  if (!isWhole) throw malformed('is not a COSE_Sign1')
  if (!(unprotected instanceof Map) || unprotected.size > 0) throw malformed('has an unprotected header')
  const fields = decodeForeign(payload)
  if (!(fields instanceof Map)) throw malformed('has a payload that is no map')
  return { header, payload: fields, message: signedMessage(header, payload), signature }
}

/** The claims that both kinds make. @throws Rejection `evidence-field`, `evidence-too-large` */
export function readClaims(payload: Envelope['payload']): Claims {
  const timestampMs = payload.get('timestamp')
  if (typeof timestampMs !== 'number' || timestampMs <= 0) throw badField('timestamp')
  return {
    timestampMs,
    registers: readRegisters(payload.get('pcrs')),
    publicKey: readOptional(payload, 'public_key'),
    userData: readOptional(payload, 'user_data'),
    nonce: readOptional(payload, 'nonce'),
  }
}

/** A field nobody knows may be the one that changes what the document means. @throws Rejection `evidence-field` */
export function refuseOtherFields(payload: Envelope['payload'], known: readonly string[]): void {
  for (const key of payload.keys()) {
    if (typeof key !== 'string' || !known.includes(key)) throw badField(String(key).slice(0, 32))
  }
}

function readRegisters(value: Foreign | undefined): ReadonlyMap<number, Uint8Array> {
  if (!(value instanceof Map) || value.size === 0) throw badField('pcrs')
  const registers = new Map<number, Uint8Array>()
  for (const [index, digest] of value as ReadonlyMap<number | string, Foreign>) {
    const isIndex = typeof index === 'number' && index >= 0 && index < REGISTERS
    if (!isIndex || !(digest instanceof Uint8Array) || digest.length !== REGISTER_BYTES) throw badField('pcrs')
    registers.set(index, digest)
  }
  return registers
}

/** Real documents write null for what is absent, though the format's text forbids it. */
function readOptional(payload: Envelope['payload'], name: string): Uint8Array | undefined {
  const value = payload.get(name)
  if (value === undefined || value === null) return undefined
  if (value instanceof Uint8Array && value.length <= EVIDENCE_FIELD_BYTES_MAX) return value
  throw badField(name)
}

export function hasHeader({ header }: Envelope, wanted: Uint8Array): boolean {
  return equalBytes(header, wanted)
}

export function badField(name: string): Rejection {
  return new Rejection('evidence-field', `evidence: ${name} is missing, unknown or not what it should be`)
}

function malformed(how: string): Rejection {
  return new Rejection('evidence-malformed', `evidence: ${how}`)
}
