/** `trellis verify`: judges evidence, or a handler's proof bundle, by a policy file. Offline. */
import { Rejection } from '#enclave/errors.ts'
import { EVIDENCE_BYTES_MAX, PROOF_BYTES_MAX } from '#enclave/limits.ts'
import type { MeasuredHandler } from '#enclave/handler-entry.ts'
import type { Accepted } from '#enclave/policy.ts'
import { acceptEvidence, verifyProof } from '#enclave/proof.ts'
import { nativeEvidence } from '#host/crypto/p384.ts'
import { readInput } from './files.ts'
import { paint } from './paint.ts'
import { readPolicy } from './policy-file.ts'
import { surroundings } from './surroundings.ts'

interface VerifyOptions {
  readonly policy: string
  readonly nonce?: Uint8Array | undefined
  readonly json: boolean
}

type Verdict = Accepted & { readonly handler?: MeasuredHandler }

type Trusted = Awaited<ReturnType<typeof readPolicy>>

/** Evidence, or a proof bundle around it. */
const EVIDENCE_FILE_BYTES_MAX = EVIDENCE_BYTES_MAX + PROOF_BYTES_MAX
/** A CBOR map is a proof bundle; evidence is an array. */
const MAP = 5

/** Prints the verdict. @returns whether it is accepted @throws Refusal `input-invalid` */
export async function verifyFile(file: string, { policy, nonce, json }: VerifyOptions): Promise<boolean> {
  const trusted = await readPolicy(policy)
  const bytes = await readInput(file, { what: 'evidence', bytesMax: EVIDENCE_FILE_BYTES_MAX })
  try {
    const accepted = judge(bytes, trusted, nonce)
    console.log(json ? asJson(accepted) : asText(accepted))
    return true
  } catch (error) {
    if (!(error instanceof Rejection)) throw error
    const { code, message } = error
    console.log(
      json ? JSON.stringify({ accepted: false, code, message }) : `${paint.bad('rejected')}  ${code}: ${message}`,
    )
    return false
  }
}

function judge(bytes: Uint8Array, trusted: Trusted, nonce: Uint8Array | undefined): Verdict {
  const verifier = { crypto: nativeEvidence, ...trusted, question: { nowMs: surroundings.now(), nonce } }
  return (bytes[0] ?? 0) >> 5 === MAP ? verifyProof(bytes, verifier) : acceptEvidence(bytes, verifier)
}

function asText({ kind, hardware, measurement, claims, handler }: Verdict): string {
  const lines = [
    `${paint.good('accepted')}     ${kind}, hardware: ${hardware}`,
    `measurement  ${measurement.toHex()}`,
    `signed       ${new Date(claims.timestampMs).toISOString()}`,
  ]
  if (handler) {
    lines.push(`handler      ${handler.id}`, `  manifest   ${handler.manifest.toHex()}`)
    lines.push(`  component  ${handler.component.toHex()}`)
  }
  if (!hardware) lines.push(paint.soft('proves which key signed these registers, not which code runs'))
  return lines.join('\n')
}

function asJson({ kind, hardware, measurement, claims, handler }: Verdict): string {
  const { id, manifest, component } = handler ?? {}
  return JSON.stringify({
    accepted: true,
    kind,
    hardware,
    measurement: measurement.toHex(),
    timestamp: claims.timestampMs,
    ...(id === undefined ? {} : { handler: { id, manifest: manifest?.toHex(), component: component?.toHex() } }),
  })
}
