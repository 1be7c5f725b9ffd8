/** A file that says whom to believe and what code to accept. */
import { Rejection } from '#enclave/errors.ts'
import { POLICY_BYTES_MAX } from '#enclave/limits.ts'
import { parsePolicy, type Policy, type Roots } from '#enclave/policy.ts'
import { Refusal } from '#host/errors.ts'
import { readInput } from './files.ts'

/** @throws Refusal `input-invalid` */
export async function readPolicy(path: string): Promise<{ readonly roots: Roots; readonly policy: Policy }> {
  const bytes = await readInput(path, { what: 'policy', bytesMax: POLICY_BYTES_MAX })
  try {
    return parsePolicy(new TextDecoder().decode(bytes))
  } catch (cause) {
    if (!(cause instanceof Rejection)) throw cause
    throw new Refusal('input-invalid', `${path}: ${cause.message}: docs/trust.md has one`, { cause })
  }
}
