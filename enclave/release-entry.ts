/**
 * One line of a release log: what a provider says of an image, signed by two of its keys.
 *
 * JSON in one form only, so that people read it and its bytes are what is signed. Signatures advise: whoever trusts a
 * provider learns which code it published. What code runs, the measurement alone decides.
 */
import type { EvidenceCrypto } from '#host/crypto/evidence-port.ts'
import { mistakes, timestamp, z } from '#host/schema.ts'
import { equalBytes } from '#host/wire/bytes.ts'

import { Rejection } from './errors.ts'
import {
  RELEASE_LINE_BYTES_MAX,
  RELEASE_MEASUREMENTS_MAX,
  RELEASE_SIGNATURES_MAX,
  RELEASE_SIGNATURES_MIN,
  RELEASE_TEXT_CHARS_MAX,
  REVOKED_DIGESTS_MAX,
} from './limits.ts'

const CONTEXT = 'trellis/release-log/1\n'

const hexOf = (bytes: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`, 'u'), `must be ${2 * bytes} lower-case hex digits`)
const text = z.string().max(RELEASE_TEXT_CHARS_MAX)
const handlerId = z.string().regex(/^[a-z0-9-]{1,64}$/u, 'must be a handler id')
/** Three numbers: what a manifest's version is. */
const handlerVersion = z.string().regex(/^\d{1,6}\.\d{1,6}\.\d{1,6}$/u, 'must be a version as 1.2.3')

/** Where it stands in its log. */
const place = {
  /** From 1, without a gap. */
  serial: z.int().min(1),
  /** SHA-384 of the line before; of the first line zeros. */
  previous: hexOf(48),
  at: timestamp,
}
const release = z.strictObject({
  kind: z.literal('release'),
  ...place,
  /** The image's own number: it rises with every release. */
  release: z.int().min(1),
  version: text.min(1),
  root: hexOf(48),
  handlerRoot: hexOf(48),
  /** What it measures to: by software, and in each enclave that it is built for. */
  measurements: z.array(hexOf(48)).min(1).max(RELEASE_MEASUREMENTS_MAX),
  notes: text,
})
const retire = z.strictObject({ kind: z.literal('retire'), ...place, release: z.int().min(1), reason: text.min(1) })
const revoke = z.strictObject({
  kind: z.literal('revoke'),
  ...place,
  handler: handlerId,
  /** SHA-384 of components or manifests that must not run. */
  digests: z.array(hexOf(48)).max(REVOKED_DIGESTS_MAX),
  /** Nothing below this version may run; null for any version. */
  minimum: handlerVersion.nullable(),
  reason: text.min(1),
})
const entrySchema = z.discriminatedUnion('kind', [release, retire, revoke])
const lineSchema = z.strictObject({
  entry: entrySchema,
  signatures: z
    .array(z.strictObject({ key: hexOf(32), signature: hexOf(64) }))
    .min(RELEASE_SIGNATURES_MIN)
    .max(RELEASE_SIGNATURES_MAX),
})

/** What a provider says: an image is released, a release is withdrawn, a handler must not run. */
export type ReleaseEntry = z.infer<typeof entrySchema>
export type Released = z.infer<typeof release>
export type Revocation = z.infer<typeof revoke>

/** A line, without its end of line, from what its keys signed. @throws Rejection `release-malformed` */
export function writeLine(entry: ReleaseEntry, signatures: z.infer<typeof lineSchema>['signatures']): Uint8Array {
  const line = encode({ entry, signatures: signatures.toSorted((a, b) => (a.key < b.key ? -1 : 1)) })
  parseLine(line)
  return line
}

/**
 * Reads a line and checks that two of the given keys signed it.
 *
 * @param keys Ed25519, hex
 * @throws Rejection `release-malformed`, `release-unsigned`
 */
export function verifyLine(crypto: EvidenceCrypto, line: Uint8Array, keys: readonly string[]): ReleaseEntry {
  const { entry, signatures } = parseLine(line)
  const message = entryMessage(entry)
  const good = signatures.filter(({ key, signature }) => {
    return (
      keys.includes(key) &&
      crypto.ed25519(Uint8Array.fromHex(key))({ message, signature: Uint8Array.fromHex(signature) })
    )
  })
  if (new Set(good.map(({ key }) => key)).size >= RELEASE_SIGNATURES_MIN) return entry
  const needed = `${RELEASE_SIGNATURES_MIN} of its ${keys.length} known keys`
  throw new Rejection('release-unsigned', `release log: entry ${entry.serial} is not signed by ${needed}`)
}

function parseLine(line: Uint8Array): z.infer<typeof lineSchema> {
  if (line.length > RELEASE_LINE_BYTES_MAX) throw malformed(`a line of ${line.length} bytes`)
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(line))
  } catch (cause) {
    throw malformed('a line is not json', cause)
  }
  const result = lineSchema.safeParse(value)
  if (!result.success) throw malformed(mistakes(result.error).join('; '))
  // Keys given twice, spaces and other orders are refused: the bytes are what is hashed into the log.
  if (!equalBytes(encode(result.data), line)) throw malformed('a line is not in its one form')
  return result.data
}

/** What a provider's key signs. */
export function entryMessage(entry: ReleaseEntry): Uint8Array {
  return new TextEncoder().encode(CONTEXT + JSON.stringify(entry))
}

function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value))
}

function malformed(what: string, cause?: unknown): Rejection {
  return new Rejection('release-malformed', `release log: ${what}`, { cause })
}
