/**
 * Signed checkpoints of an audit trail: whoever holds one notices any change to what it covers.
 *
 * `['vine/1 audit checkpoint', payload, signature]`, strict CBOR; payload = `[vault, sequence, hash, at, kept]`, signed
 * as received with the vault's composite key. A pruned trail begins at one whose `kept` names the rows that stayed
 * before it: SHA-256("vine/1 audit kept" | sequence, hash of each as CBOR).
 */
import { Refusal } from '#host/errors.ts'
import { CHECKPOINT_BYTES_MAX } from '#host/limits.ts'
import { bytesOf, check, timestamp, z } from '#host/schema.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'

import type { SigningKey, Suite } from './port.ts'

/** One row of a trail. */
interface Place {
  /** 1 for the first row; 0 before it. */
  readonly sequence: number
  readonly hash: Uint8Array
}

export interface Checkpoint extends Place {
  readonly vault: string
  /** When it was signed, milliseconds since the epoch. */
  readonly at: number
  /** Names the rows up to here that pruning kept; null when nothing was pruned with it. */
  readonly kept: Uint8Array | null
}

const LABEL = 'vine/1 audit checkpoint'
const outer = z.tuple([z.literal(LABEL), z.instanceof(Uint8Array), z.instanceof(Uint8Array)])
const payloadSchema = z.tuple([z.string(), z.number().int().min(0), bytesOf(32), timestamp, bytesOf(32).nullable()])

export function signCheckpoint({ vault, sequence, hash, at, kept }: Checkpoint, key: SigningKey): Uint8Array {
  const payload = encodeCbor([vault, sequence, hash, at, kept])
  return encodeCbor([LABEL, payload, key.sign(LABEL, payload)])
}

/**
 * @param publicKey the vault's raw composite key, 1,984 bytes
 * @throws Refusal `audit-broken` unless these are bytes that this key signed
 */
export function verifyCheckpoint(crypto: Suite, bytes: Uint8Array, publicKey: Uint8Array): Checkpoint {
  const { payload, signature } = partsOf(bytes)
  if (!crypto.verify({ publicKey, context: LABEL, message: payload, signature })) {
    throw new Refusal('audit-broken', 'a checkpoint is not signed by this vault’s key')
  }
  return payloadOf(payload)
}

/** A checkpoint out of the vault's own sealed store. @throws Refusal `audit-broken` when it is none */
export function readCheckpoint(bytes: Uint8Array): Checkpoint {
  return payloadOf(partsOf(bytes).payload)
}

/** What a pruned trail's first checkpoint says of the rows that stayed before it. */
export function keptHash(crypto: Suite, rows: Iterable<Place>): Uint8Array {
  return crypto.digest('vine/1 audit kept', ...Array.from(rows, ({ sequence, hash }) => encodeCbor([sequence, hash])))
}

function partsOf(bytes: Uint8Array): { payload: Uint8Array; signature: Uint8Array } {
  if (bytes.length > CHECKPOINT_BYTES_MAX) throw new Refusal('audit-broken', 'a checkpoint is too large')
  const [, payload, signature] = check(outer, decode(bytes), 'audit-broken', 'a checkpoint')
  return { payload, signature }
}

function payloadOf(payload: Uint8Array): Checkpoint {
  const [vault, sequence, hash, at, kept] = check(payloadSchema, decode(payload), 'audit-broken', 'a checkpoint')
  return { vault, sequence, hash, at, kept }
}

function decode(bytes: Uint8Array): unknown {
  try {
    return decodeCbor(bytes)
  } catch (cause) {
    throw new Refusal('audit-broken', 'a checkpoint cannot be read', { cause })
  }
}
