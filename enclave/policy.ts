/**
 * Whom to believe (roots) and what to accept (policy): both are the verifier's own, neither comes with evidence.
 *
 * Judging: genuine evidence against a policy and a question. Genuine is not acceptable: a debug enclave is genuine.
 */
import { mistakes, z } from '#host/schema.ts'
import { equalBytes } from '#host/wire/bytes.ts'

import { Rejection, type RejectionCode } from './errors.ts'
import type { Claims, Evidence, Genuine } from './evidence.ts'
import { EVIDENCE_AGE_MS, EVIDENCE_AGE_MS_MAX, EVIDENCE_SKEW_MS_MAX } from './limits.ts'
import { IMAGE_REGISTER, isUntouched } from './measurement.ts'

/** Whose signature counts. */
export interface Roots {
  /** SHA-256 of root certificates (DER), hex. */
  readonly nitro: readonly string[]
  /** Ed25519 keys of software attestors, hex. */
  readonly software: readonly string[]
  /** Certificates not believed any more: `<sha-256 of the issuer's name>:<serial>`, hex. */
  readonly revoked: ReadonlySet<string>
}

/** What is acceptable. One kind only: software evidence never meets a nitro policy. */
export interface Policy {
  readonly kind: Evidence['kind']
  /** Measurement ids, hex; or none, when registers are pinned. */
  readonly measurements: readonly string[]
  /** Register -> the values it may have, hex. */
  readonly registers: ReadonlyMap<number, readonly string[]>
  readonly maxAgeMs: number
}

/** What this one document was asked for. Whatever is given must be in it. */
export interface Question {
  readonly nowMs: number
  readonly nonce?: Uint8Array | undefined
  readonly userData?: Uint8Array | undefined
  readonly publicKey?: Uint8Array | undefined
}

/** Evidence that a policy accepted. */
export interface Accepted {
  readonly kind: Evidence['kind']
  readonly hardware: boolean
  /** 48 bytes. */
  readonly measurement: Uint8Array
  readonly claims: Claims
}

const sha384Hex = z.string().regex(/^[0-9a-f]{96}$/u, 'must be 96 lower-case hex digits')
const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/u, 'must be 64 lower-case hex digits')
const registerName = z.string().regex(/^(?:[0-9]|[12][0-9]|3[01])$/u, 'must be a register from 0 to 31')
const CODE_REGISTERS = [0, 1, 2]

const policyFile = z.strictObject({
  format: z.literal(1),
  roots: z.strictObject({
    nitro: z.array(sha256Hex).default([]),
    software: z.array(sha256Hex).default([]),
    revoked: z
      .array(z.string().regex(/^[0-9a-f]{64}:(?:[0-9a-f]{2})+$/u, 'must be <sha-256 of the issuer>:<serial>'))
      .default([]),
  }),
  policy: z.strictObject({
    kind: z.enum(['nitro', 'software']),
    measurements: z.array(sha384Hex).default([]),
    registers: z.record(registerName, z.array(sha384Hex).min(1)).default({}),
    max_age_ms: z.number().int().min(1).max(EVIDENCE_AGE_MS_MAX).default(EVIDENCE_AGE_MS),
  }),
})

/**
 * Reads a policy file (JSON, keys as in `docs/trust.md`).
 *
 * @throws Rejection `policy-invalid` that names every mistake; also for a policy that would accept any code
 */
export function parsePolicy(text: string): { readonly roots: Roots; readonly policy: Policy } {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Rejection('policy-invalid', 'policy: is not json', { cause: error })
  }
  const result = policyFile.safeParse(value)
  if (!result.success) throw new Rejection('policy-invalid', `policy: ${mistakes(result.error).join('; ')}`)
  const { roots, policy } = result.data
  const parsed: Policy = {
    kind: policy.kind,
    measurements: policy.measurements,
    registers: new Map(Object.entries(policy.registers).map(([name, values]) => [Number(name), values])),
    maxAgeMs: policy.max_age_ms,
  }
  checkPolicy(parsed)
  return { roots: { ...roots, revoked: new Set(roots.revoked) }, policy: parsed }
}

/** A policy that does not say which code it accepts accepts every code of everybody. */
function checkPolicy({ kind, measurements, registers }: Policy): void {
  const needed = kind === 'nitro' ? CODE_REGISTERS : [IMAGE_REGISTER]
  if (measurements.length > 0 || needed.every((index) => registers.has(index))) return
  throw new Rejection('policy-invalid', `policy: give measurements, or pin registers ${needed.join(', ')}`)
}

/**
 * Judges genuine evidence.
 *
 * @throws Rejection `kind-refused`, `debug-mode`, `too-old`, `from-the-future`, `register-mismatch`,
 *   `measurement-unknown`, `nonce-mismatch`, `user-data-mismatch`, `public-key-mismatch`; `policy-invalid` for a
 *   policy that pins no code
 */
export function judgeEvidence({ evidence, measurement }: Genuine, policy: Policy, question: Question): Accepted {
  checkPolicy(policy)
  const { kind, hardware, claims } = evidence
  if (kind !== policy.kind) throw new Rejection('kind-refused', `evidence: is ${kind}, asked for is ${policy.kind}`)
  // A debug enclave's console is open to its operator; its registers are zero, and AWS signs them all the same.
  if (kind === 'nitro' && CODE_REGISTERS.some((index) => isUntouched(claims.registers.get(index)))) {
    throw new Rejection('debug-mode', 'evidence: the enclave runs in debug mode, or its code was not measured')
  }
  checkAge(claims.timestampMs, policy.maxAgeMs, question.nowMs)
  for (const [index, allowed] of policy.registers) {
    const value = claims.registers.get(index)?.toHex()
    if (value === undefined || !allowed.includes(value)) {
      throw new Rejection(
        'register-mismatch',
        `evidence: register ${index} is ${value ?? 'absent'}, which is not pinned`,
      )
    }
  }
  if (policy.measurements.length > 0 && !policy.measurements.includes(measurement.toHex())) {
    throw new Rejection('measurement-unknown', `evidence: measurement ${measurement.toHex()} is not an accepted one`)
  }
  checkAnswer('nonce-mismatch', claims.nonce, question.nonce)
  checkAnswer('user-data-mismatch', claims.userData, question.userData)
  checkAnswer('public-key-mismatch', claims.publicKey, question.publicKey)
  return { kind, hardware, measurement, claims }
}

function checkAge(timestampMs: number, maxAgeMs: number, nowMs: number): void {
  const ageMs = nowMs - timestampMs
  if (ageMs < -EVIDENCE_SKEW_MS_MAX) {
    throw new Rejection('from-the-future', `evidence: is ${-ageMs} ms ahead of this clock`)
  }
  if (ageMs > maxAgeMs) throw new Rejection('too-old', `evidence: is ${ageMs} ms old, at most ${maxAgeMs}`)
}

type AnswerCode = Extract<RejectionCode, 'nonce-mismatch' | 'user-data-mismatch' | 'public-key-mismatch'>

function checkAnswer(code: AnswerCode, found: Uint8Array | undefined, wanted: Uint8Array | undefined): void {
  if (wanted === undefined || (found && equalBytes(found, wanted))) return
  throw new Rejection(code, `evidence: ${code.replace('-mismatch', '')} is ${found ? 'another' : 'absent'}`)
}
