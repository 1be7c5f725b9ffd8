/**
 * What a device and an enclave say to each other before a vault is open: challenge, descriptor, order, outcome. All of
 * it vine-CBOR. Nothing here is sealed by a session: a locked vault has none.
 */
import type { SigningKey, Suite } from '#host/crypto/port.ts'
import { KEM_PUBLIC_KEY_BYTES, VERIFY_KEY_BYTES } from '#host/crypto/sizes.ts'
import { Refusal } from '#host/errors.ts'
import { MESSAGE_CHARS_MAX, PIN_CHARS_MAX } from '#host/limits.ts'
import { anyBytes, bytesOf, bytesUpTo, check, timestamp, z } from '#host/schema.ts'
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'

import {
  CHALLENGE_BYTES_MAX,
  DESCRIPTOR_BYTES_MAX,
  OFFER_TEXT_CHARS_MAX,
  ORDER_BYTES_MAX,
  OUTCOME_BYTES_MAX,
  PRESENTATION_MESSAGE_BYTES_MAX,
  PRESENTED_EVIDENCE_BYTES_MAX,
} from './limits.ts'
import { openSigned, type SignedKind, signValue } from './signed.ts'

export const MEASUREMENT_BYTES = 48
export const CHALLENGE_NONCE_BYTES = 32
export const REQUEST_BYTES = 16
export const OWNER_SECRET_BYTES = 32

const count = z.number().int().min(0)
const measurement = bytesOf(MEASUREMENT_BYTES)
const anchor = z.strictObject({ sequence: count, chain: bytesOf(32), epoch: count })

const challenge = z.strictObject({ nonce: bytesOf(CHALLENGE_NONCE_BYTES) })

const offer = z.strictObject({
  /** Names this question: an approval answers it and no other. */
  request: bytesOf(REQUEST_BYTES),
  to: measurement,
  release: z.string().max(64),
  serial: count,
  /** What changes, in words; made by the image that runs now. */
  changes: z.string().max(OFFER_TEXT_CHARS_MAX),
})
/** An image that the owner may move to. */
export type MoveOffer = z.infer<typeof offer>

const descriptor = z.strictObject({
  vault: z.string(),
  /** X-Wing: orders are sealed to it. */
  key: bytesOf(KEM_PUBLIC_KEY_BYTES),
  instance: bytesOf(16),
  release: z.string(),
  serial: count,
  notAfter: timestamp,
  state: z.enum(['open', 'locked', 'unlocked', 'moving', 'moved']),
  /** Whether a PIN is asked for besides the secret. */
  pin: z.boolean(),
  offer: offer.nullable(),
})
/** What an enclave says of itself; evidence binds it. */
export type Descriptor = z.infer<typeof descriptor>

const presentation = z.strictObject({
  nonce: bytesOf(CHALLENGE_NONCE_BYTES),
  descriptor: anyBytes,
  evidence: bytesUpTo(PRESENTED_EVIDENCE_BYTES_MAX),
})
export type Presentation = z.infer<typeof presentation>

const order = z.strictObject({
  vault: z.string(),
  /** SHA-384 of the evidence it answers. */
  evidence: bytesOf(48),
  act: z.enum(['protect', 'unlock', 'lock', 'move', 'abandon']),
  secret: bytesOf(OWNER_SECRET_BYTES),
  pin: z.string().max(PIN_CHARS_MAX).nullable(),
  /** What the device knows: the vault must not know less. */
  header: count,
  anchor: anchor.nullable(),
  /** The signed approval of a move. */
  approval: anyBytes.nullable(),
})
/** What a device tells an enclave to do with a vault. */
export type Order = z.infer<typeof order>

const outcome = z.union([
  z.strictObject({ header: count, anchor: anchor.nullable(), release: z.string(), serial: count }),
  z.strictObject({ refused: z.string().max(64), message: z.string().max(MESSAGE_CHARS_MAX) }),
])
export type Outcome = z.infer<typeof outcome>

const sealed = z.strictObject({ evidence: bytesOf(48), sealed: anyBytes })

const signedOrder: SignedKind = {
  label: 'trellis/provision/1',
  what: 'order',
  code: 'provision-invalid',
  bytesMax: ORDER_BYTES_MAX,
  itemsMax: 64,
}
/** What an order is sealed for. */
export const ORDER_INFO = new TextEncoder().encode('trellis/provision/1')

/** What evidence carries for a descriptor: SHA-384, domain-separated. */
export function boundDescriptor(crypto: Suite, descriptor: Uint8Array): Uint8Array {
  return crypto.evidence.sha384(new TextEncoder().encode('trellis/descriptor/1'), descriptor)
}

export const encodeChallenge = (value: { readonly nonce: Uint8Array }): Uint8Array => encodeCbor({ ...value })
export const decodeChallenge = (bytes: Uint8Array): z.infer<typeof challenge> =>
  read(challenge, { bytes, bytesMax: CHALLENGE_BYTES_MAX, what: 'challenge' })

export const encodeDescriptor = (value: Descriptor): Uint8Array => encodeCbor(value)
export const decodeDescriptor = (bytes: Uint8Array): Descriptor =>
  read(descriptor, { bytes, bytesMax: DESCRIPTOR_BYTES_MAX, what: 'descriptor' })

export const encodePresentation = (value: Presentation): Uint8Array => encodeCbor(value)
export const decodePresentation = (bytes: Uint8Array): Presentation =>
  read(presentation, { bytes, bytesMax: PRESENTATION_MESSAGE_BYTES_MAX, what: 'presentation' })

/** An order or its outcome in its seal, with the evidence it answers. */
export const encodeSealed = (value: z.infer<typeof sealed>): Uint8Array => encodeCbor(value)
export const decodeSealedOrder = (bytes: Uint8Array): z.infer<typeof sealed> =>
  read(sealed, { bytes, bytesMax: ORDER_BYTES_MAX + 256, what: 'order' })
export const decodeSealedOutcome = (bytes: Uint8Array): z.infer<typeof sealed> =>
  read(sealed, { bytes, bytesMax: OUTCOME_BYTES_MAX, what: 'outcome' })

export const encodeOutcome = (value: Outcome): Uint8Array => encodeCbor(value)
export const decodeOutcome = (bytes: Uint8Array): Outcome =>
  read(outcome, { bytes, bytesMax: OUTCOME_BYTES_MAX, what: 'outcome' })

/** Signs an order: `[verify key, signed order]`, a secret until it is sealed. */
export function signOrder(value: Order, key: SigningKey): Uint8Array {
  return encodeCbor([key.publicKey, signValue(signedOrder, value, key)])
}

/** The order, and the key that signed it: whose it is, is the reader's to know. @throws Refusal `provision-invalid` */
export function openOrder(crypto: Suite, bytes: Uint8Array): { readonly order: Order; readonly device: Uint8Array } {
  const parts = z.tuple([bytesOf(VERIFY_KEY_BYTES), anyBytes])
  const [device, signed] = read(parts, { bytes, bytesMax: ORDER_BYTES_MAX, what: 'order' })
  const { value } = openSigned(crypto, signedOrder, { bytes: signed, by: device })
  return { order: check(order, value, 'provision-invalid', 'order'), device }
}

function read<T>(
  schema: z.ZodType<T>,
  { bytes, bytesMax, what }: { bytes: Uint8Array; bytesMax: number; what: string },
): T {
  let value: Cbor
  try {
    value = decodeCbor(bytes, { bytesMax })
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause
    throw new Refusal('provision-invalid', `${what}: ${cause.message}`, { cause })
  }
  return check(schema, value, 'provision-invalid', what)
}
