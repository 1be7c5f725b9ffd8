/**
 * A proof bundle: what a connection gets, to check offline that one handler, by manifest and component, is of the code
 * that an enclave attests. Evidence, the handler-set root, and the way from the handler to it; some 1 KiB besides the
 * evidence.
 */
import type { EvidenceCrypto } from '#host/crypto/evidence-port.ts'
import { Refusal } from '#host/errors.ts'
import { bytesOf, bytesUpTo, z } from '#host/schema.ts'
import { decodeCbor } from '#host/wire/cbor.ts'

import { Rejection } from './errors.ts'
import { handlerEntry, type MeasuredHandler } from './handler-entry.ts'
import { EVIDENCE_BYTES_MAX, PROOF_BYTES_MAX, PROOF_PATH_MAX, REGISTER_BYTES } from './limits.ts'
import { extendedOnce, HANDLER_REGISTER } from './measurement.ts'
import { isIncluded } from './merkle.ts'
import { type Accepted, judgeEvidence, type Policy, type Question, type Roots } from './policy.ts'
import { decodeEvidence, verifyEvidence } from './verify.ts'

const digest = bytesOf(REGISTER_BYTES)
const bundle = z.strictObject({
  format: z.literal(1),
  evidence: bytesUpTo(EVIDENCE_BYTES_MAX),
  handler: z.strictObject({ id: z.string().min(1).max(63), manifest: digest, component: digest }),
  root: digest,
  index: z.number().int().min(0),
  size: z.number().int().min(1),
  path: z.array(digest).max(PROOF_PATH_MAX),
})

export interface Verifier {
  readonly crypto: EvidenceCrypto
  readonly roots: Roots
  readonly policy: Policy
  readonly question: Question
}

/**
 * The evidence in a bundle, accepted, and the handler it proves. A manifest that is at hand is that handler's when its
 * SHA-384 is `handler.manifest`.
 *
 * @throws Rejection `proof-malformed`, `proof-mismatch`, or why the evidence is not accepted
 */
export function verifyProof(bytes: Uint8Array, verifier: Verifier): Accepted & { readonly handler: MeasuredHandler } {
  const { evidence, handler, root, index, size, path } = decodeProof(bytes)
  const accepted = acceptEvidence(evidence, verifier)
  if (accepted.claims.registers.get(HANDLER_REGISTER)?.toHex() !== extendedOnce(verifier.crypto, root).toHex()) {
    throw new Rejection('proof-mismatch', 'proof: its root is not the handler-set root of the evidence')
  }
  if (!isIncluded(verifier.crypto, { entry: handlerEntry(handler), index, size, path }, root)) {
    throw new Rejection('proof-mismatch', `proof: handler ${handler.id} is not in the set, as it is shown here`)
  }
  return { ...accepted, handler }
}

/** Decode, verify, judge. @throws Rejection */
export function acceptEvidence(evidence: Uint8Array, { crypto, roots, policy, question }: Verifier): Accepted {
  return judgeEvidence(verifyEvidence(crypto, decodeEvidence(evidence), roots), policy, question)
}

function decodeProof(bytes: Uint8Array): z.output<typeof bundle> {
  try {
    const result = bundle.safeParse(decodeCbor(bytes, { bytesMax: EVIDENCE_BYTES_MAX + PROOF_BYTES_MAX }))
    if (result.success) return result.data
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
  }
  throw new Rejection('proof-malformed', 'proof: is no bundle of evidence and a handler')
}
