/**
 * What a host asks the image that waits beside it, over a socket in the data folder. Nothing that crosses is a secret
 * in the clear, and nothing is believed for having come this way: evidence says who speaks.
 */
import { join } from 'node:path'

import { SUCCESSION_BYTES_MAX, SUCCESSION_SILENT_MS_MAX } from '#enclave/limits.ts'
import type { SocketLimits } from '#enclave/unix-socket.ts'
import { sha384 } from '#host/crypto/p384.ts'
import { isRefusalCode, Refusal } from '#host/errors.ts'
import { MANIFEST_BYTES_MAX, MESSAGE_CHARS_MAX } from '#host/limits.ts'
import { bytesUpTo, check, z } from '#host/schema.ts'
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'

/** Of the data folder. */
export const socketIn = (folder: string): string => join(folder, 'successor.sock')

/** Of both sides. */
export const socketLimits: SocketLimits = { bytesMax: SUCCESSION_BYTES_MAX, silentMsMax: SUCCESSION_SILENT_MS_MAX }

const bytes = bytesUpTo(SUCCESSION_BYTES_MAX)

const question = z.union([
  /** Its measurement, to know whether it is the same one as before. */
  z.tuple([z.literal('who')]),
  /** With a nonce: its image, and evidence of it. */
  z.tuple([z.literal('image'), bytes]),
  /** With a vault and a nonce: evidence over a fresh key. */
  z.tuple([z.literal('present'), z.string(), bytes]),
  /** With a vault, which evidence is answered, and the header sealed to its key. */
  z.tuple([z.literal('receive'), z.string(), bytes, bytes]),
])
export type Question = z.infer<typeof question>

const outcome = z.union([
  z.tuple([z.literal('done'), z.array(bytes)]),
  z.tuple([z.literal('refused'), z.string().max(64), z.string().max(MESSAGE_CHARS_MAX)]),
])

const shown = z.tuple([bytes, z.array(bytesUpTo(MANIFEST_BYTES_MAX)), bytes])
/** An image as it shows itself. */
export interface Shown {
  /** Its `image.json`. */
  readonly listing: Uint8Array
  /** Of its handlers, in the listing's order. */
  readonly manifests: readonly Uint8Array[]
  readonly evidence: Uint8Array
}

export const encodeQuestion = (asked: Question): Uint8Array => encodeCbor(asked)
export const decodeQuestion = (message: Uint8Array): Question => read(question, message, 'a question')

export const encodeShown = ({ listing, manifests, evidence }: Shown): Uint8Array =>
  encodeCbor([listing, [...manifests], evidence])
export function decodeShown(message: Uint8Array): Shown {
  const [listing, manifests, evidence] = read(shown, message, 'an image')
  return { listing, manifests, evidence }
}

export const encodeDone = (parts: readonly Uint8Array[]): Uint8Array => encodeCbor(['done', [...parts]])
export const encodeRefused = ({ code, message }: Refusal): Uint8Array => encodeCbor(['refused', code, message])
/** @throws Refusal what was refused there */
export function decodeOutcome(message: Uint8Array): readonly Uint8Array[] {
  const found = read(outcome, message, 'an answer')
  if (found[0] === 'done') return found[1]
  throw new Refusal(isRefusalCode(found[1]) ? found[1] : 'move-refused', found[2])
}

/** What evidence carries for an image that waits: SHA-384, domain-separated. */
export function boundImage(listing: Uint8Array): Uint8Array {
  return sha384(new TextEncoder().encode('trellis/successor/1'), listing)
}

function read<T>(schema: z.ZodType<T>, message: Uint8Array, what: string): T {
  let value: Cbor
  try {
    value = decodeCbor(message, { bytesMax: SUCCESSION_BYTES_MAX })
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause
    throw new Refusal('move-refused', `move: ${what} between images: ${cause.message}`, { cause })
  }
  return check(schema, value, 'move-refused', `move: ${what} between images`)
}
