/**
 * The columns of the audit trail, and how a row is kept.
 *
 * `hash = SHA-256("vine/1 audit" | previous | content)`; content = strict CBOR of `[sequence, entry]`; 32 zero bytes
 * before row 1. `row/<16 digits>` holds `[content, previous, hash]`, `head` holds the last `[sequence, hash]`.
 */
import { digest } from '#host/crypto/kdf.ts'
import { Refusal } from '#host/errors.ts'
import { bytesOf, check, timestamp, z } from '#host/schema.ts'
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'

const count = z.number().int().min(1)
const hash = bytesOf(32)

export const entrySchema = z.strictObject({
  /** When this happened, milliseconds since the epoch. */
  at: timestamp,
  connection: z.string().nullable(),
  /** The name the owner knows them by. */
  who: z.string(),
  eventId: z.string().nullable(),
  eventType: z.string().nullable(),
  fields: z.array(z.string()).readonly(),
  purpose: z.string().nullable(),
  contractVersion: z.number().int().nullable(),
  result: z.enum(['replied', 'accepted', 'pending', 'approved', 'denied', 'refused', 'changed', 'noted']),
  reason: z.string().nullable(),
  askedAt: timestamp.nullable(),
  answeredAt: timestamp.nullable(),
  /** The row this one answers: consent is two linked rows. */
  link: count.nullable(),
  /** 1, or how many identical refusals this row stands for. */
  count,
})

const headSchema = z.tuple([count, hash])
const storedSchema = z.tuple([z.instanceof(Uint8Array), hash, hash])
const contentSchema = z.tuple([count, entrySchema])

/** What is known of one thing that happened. */
export type AuditEntry = z.infer<typeof entrySchema>

/** An entry in its place. */
export interface AuditRow extends AuditEntry {
  /** 1 for the first row. */
  readonly sequence: number
  /** Hash of the row before. */
  readonly previous: Uint8Array
  readonly hash: Uint8Array
}

/** A row as it is kept: its content encoded once, for the hash and for the disk. */
export interface StoredRow {
  readonly content: Uint8Array
  readonly previous: Uint8Array
  readonly hash: Uint8Array
}

/** The last row of a trail; sequence 0 and 32 zero bytes for an empty one. */
export interface AuditHead {
  readonly sequence: number
  readonly hash: Uint8Array
}

export const ROW_PREFIX = 'row/'

/** The hash of the row after `previous`. */
export function hashOf(previous: Uint8Array, content: Uint8Array): Uint8Array {
  return digest('vine/1 audit', previous, content)
}

/** The bytes under the hash. Columns in canonical order, so that the encoder has nothing to sort. */
export function contentOf(sequence: number, entry: AuditEntry): Uint8Array {
  const columns = {
    at: entry.at,
    who: entry.who,
    link: entry.link,
    count: entry.count,
    fields: entry.fields,
    reason: entry.reason,
    result: entry.result,
    askedAt: entry.askedAt,
    eventId: entry.eventId,
    purpose: entry.purpose,
    eventType: entry.eventType,
    answeredAt: entry.answeredAt,
    connection: entry.connection,
    contractVersion: entry.contractVersion,
  } satisfies AuditEntry
  return encodeCbor([sequence, columns])
}

export function encodeRow({ content, previous, hash }: StoredRow): Uint8Array {
  return encodeCbor([content, previous, hash])
}

/** @throws Refusal `audit-broken` naming the row when its bytes are none */
export function decodeRow(key: string, value: Uint8Array): AuditRow {
  const what = `row ${Number(key.slice(ROW_PREFIX.length))}`
  const [bytes, previous, hash] = check(storedSchema, decode(value, what), 'audit-broken', what)
  const [sequence, entry] = check(contentSchema, decode(bytes, what), 'audit-broken', what)
  return { ...entry, sequence, previous, hash }
}

export function encodeHead({ sequence, hash }: AuditHead): Uint8Array {
  return encodeCbor([sequence, hash])
}

/** @throws Refusal `audit-broken` */
export function decodeHead(value: Uint8Array): AuditHead {
  const [sequence, hash] = check(headSchema, decode(value, 'head'), 'audit-broken', 'head')
  return { sequence, hash }
}

function decode(bytes: Uint8Array, what: string): Cbor {
  try {
    return decodeCbor(bytes)
  } catch (cause) {
    throw new Refusal('audit-broken', `${what}: is not a row`, { cause })
  }
}
