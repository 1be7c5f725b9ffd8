/**
 * A question for evidence, and its answer, between a vault and whoever does not trust it yet. Evidence is bound to the
 * vault's profile: the code that made it has the keys of that profile, or it answers for another vault.
 */
import type { Suite } from '#host/crypto/port.ts'
import { MESSAGE_CHARS_MAX } from '#host/limits.ts'
import { anyBytes, bytesOf, check, z } from '#host/schema.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'

import { EVIDENCE_ANSWER_BYTES_MAX, EVIDENCE_QUESTION_BYTES_MAX } from './limits.ts'

/** Asked by a connection with a contract, sealed. */
export const EVIDENCE = 'evidence.get'
/** Asked by anybody who was invited, and by devices, before there is a session: unsealed, as profiles are. */
export const PROFILE_EVIDENCE = 'profile.evidence'
export const EVIDENCE_NONCE_BYTES = 32

const question = z.strictObject({
  nonce: bytesOf(EVIDENCE_NONCE_BYTES),
  /** The id of a handler, to have it proved. */
  handler: z.string().min(1).max(63).nullable(),
  /** Lines of the release log that the asker knows. */
  logSize: z.int().min(0),
})
export type EvidenceQuestion = z.infer<typeof question>

const answer = z.union([
  z.strictObject({ nonce: bytesOf(EVIDENCE_NONCE_BYTES), shown: anyBytes }),
  z.strictObject({
    nonce: bytesOf(EVIDENCE_NONCE_BYTES),
    refused: z.string().max(64),
    message: z.string().max(MESSAGE_CHARS_MAX),
  }),
])
/** What the host showed of itself, for `judgeShown`; or why it shows nothing. */
export type EvidenceAnswer = z.infer<typeof answer>

export const encodeEvidenceQuestion = (asked: EvidenceQuestion): Uint8Array => encodeCbor(asked)
export const encodeEvidenceAnswer = (given: EvidenceAnswer): Uint8Array => encodeCbor(given)

/** @throws Refusal `malformed`, `too-large` */
export function decodeEvidenceQuestion(bytes: Uint8Array): EvidenceQuestion {
  return check(question, decodeCbor(bytes, { bytesMax: EVIDENCE_QUESTION_BYTES_MAX }), 'malformed', 'a question')
}

/** @throws Refusal `malformed`, `too-large` */
export function decodeEvidenceAnswer(bytes: Uint8Array): EvidenceAnswer {
  return check(answer, decodeCbor(bytes, { bytesMax: EVIDENCE_ANSWER_BYTES_MAX }), 'malformed', 'evidence')
}

/** What evidence for a vault's profile carries as `user_data`: SHA-384 over domain, vault and the profile's hash. */
export function boundToProfile(
  crypto: Suite,
  { vault, hash }: { readonly vault: string; readonly hash: Uint8Array },
): Uint8Array {
  return crypto.evidence.sha384(encodeCbor(['trellis/evidence/1', vault, hash]))
}
