/**
 * What a vault's host shows of itself to a connection or a device that asks: evidence, the line of the release log that
 * names what runs, and the proof of one handler. Small enough for one event: some KiB besides the evidence. Checked
 * offline, against what the asker itself believes and remembers.
 */
import type { EvidenceCrypto } from '#host/crypto/evidence-port.ts'
import { Refusal } from '#host/errors.ts'
import { bytesOf, bytesUpTo, z } from '#host/schema.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'

import { Rejection } from './errors.ts'
import { EVIDENCE_BYTES_MAX, LOG_PATH_MAX, PROOF_BYTES_MAX, REGISTER_BYTES, RELEASE_LINE_BYTES_MAX } from './limits.ts'
import type { MeasuredHandler } from './handler-entry.ts'
import { isIncluded, type Tree } from './merkle.ts'
import type { Accepted, Policy, Question, Roots } from './policy.ts'
import { acceptEvidence, type Verifier, verifyProof } from './proof.ts'
import { type Released, verifyLine } from './release-entry.ts'
import { followLog, type Listed } from './release-log.ts'

const count = z.number().int().min(0)
const digest = bytesOf(REGISTER_BYTES)
const listedRelease = z.strictObject({
  line: bytesUpTo(RELEASE_LINE_BYTES_MAX),
  index: count,
  tree: z.strictObject({ size: z.number().int().min(1), root: digest }),
  path: z.array(digest).max(LOG_PATH_MAX),
  since: z.array(digest).max(LOG_PATH_MAX),
})
const shownSchema = z.strictObject({
  format: z.literal(1),
  /** Evidence; a proof bundle when a handler was asked for. */
  evidence: bytesUpTo(EVIDENCE_BYTES_MAX + PROOF_BYTES_MAX),
  release: listedRelease.nullable(),
})
type Content = z.output<typeof shownSchema>

/** Releases that count. */
export interface ReleasePolicy {
  /** The provider's keys (Ed25519, hex): two of them must have signed. */
  readonly keys: readonly string[]
  /** No release below this number. */
  readonly minimum: number
}

/** What an asker believes and accepts. All of it is the asker's own. */
export interface Trust {
  readonly roots: Roots
  /** With `releases`, it may pin no code: then what those released is accepted. */
  readonly policy: Policy
  /** Whose release it has to be, if it has to be one. */
  readonly releases?: ReleasePolicy | undefined
}

/** Evidence that was accepted, with what was shown beside it. */
export interface Shown extends Accepted {
  /** Absent when nobody's release was asked for. */
  readonly release?: Released
  /** The release log as it was shown: to be remembered, and asked to go on from. */
  readonly log?: Tree
  /** The handler that was asked for. */
  readonly handler?: MeasuredHandler
}

/** One form: what `judgeShown` reads. `evidence` is a proof bundle when a handler was asked for. */
export function encodeShown(evidence: Uint8Array, release: Listed | undefined): Uint8Array {
  const listed = release && {
    ...release,
    tree: { ...release.tree },
    path: [...release.path],
    since: [...release.since],
  }
  return encodeCbor({ format: 1, evidence, release: listed ?? null })
}

export interface ShownVerifier extends Trust {
  readonly crypto: EvidenceCrypto
  readonly question: Question
  /** The handler that was asked for. */
  readonly handler?: string | undefined
  /** The release log as it was last shown. */
  readonly known?: Tree | undefined
}

/**
 * Judges what was shown.
 *
 * @throws Rejection for whatever is not so: every code of the evidence, `proof-malformed`, `proof-mismatch`,
 *   `release-unsigned`, `release-unlisted`, `release-older`, `log-behind`, `log-forked`
 */
export function judgeShown(bytes: Uint8Array, verifier: ShownVerifier): Shown {
  const { evidence, release } = decodeShown(bytes)
  const { handler, releases, known } = verifier
  const listed = releases && judgeRelease(release, releases, { crypto: verifier.crypto, known })
  const policy =
    listed && pinsNothing(verifier.policy)
      ? { ...verifier.policy, measurements: listed.release.measurements }
      : verifier.policy
  const accepted = judgeBundle(evidence, { ...verifier, policy }, handler)
  const measurement = accepted.measurement.toHex()
  if (listed && !listed.release.measurements.includes(measurement)) {
    throw new Rejection('release-unlisted', `evidence: measurement ${measurement} is not of the release that was shown`)
  }
  return { ...accepted, ...listed }
}

function judgeBundle(
  bytes: Uint8Array,
  verifier: Verifier,
  handler: string | undefined,
): Accepted & Pick<Shown, 'handler'> {
  if (handler === undefined) return acceptEvidence(bytes, verifier)
  const proved = verifyProof(bytes, verifier)
  if (proved.handler.id === handler) return proved
  throw new Rejection('proof-mismatch', `proof: is of ${proved.handler.id}, asked for was ${handler}`)
}

function pinsNothing({ measurements, registers }: Policy): boolean {
  return measurements.length === 0 && registers.size === 0
}

/** Two of the provider's keys say so, in a log that goes on from the one that is remembered. */
function judgeRelease(
  shown: Content['release'],
  { keys, minimum }: ReleasePolicy,
  { crypto, known }: { readonly crypto: EvidenceCrypto; readonly known: Tree | undefined },
): { release: Released; log: Tree } {
  if (!shown) throw new Rejection('release-unlisted', 'release log: what runs is no active release')
  const entry = verifyLine(crypto, shown.line, keys)
  if (entry.kind !== 'release') throw new Rejection('release-unlisted', `release log: entry ${entry.serial} is none`)
  if (entry.serial !== shown.index + 1) {
    throw new Rejection('release-order', `release log: entry ${entry.serial} is shown at ${shown.index + 1}`)
  }
  const { line, index, tree, path, since } = shown
  if (!isIncluded(crypto, { entry: line, index, size: tree.size, path }, tree.root)) {
    throw new Rejection('log-forked', `release log: entry ${entry.serial} is not in the log that was shown`)
  }
  const log = followLog(crypto, known, { tree, path: since })
  if (entry.release < minimum) {
    throw new Rejection('release-older', `release log: release ${entry.release}, at least ${minimum} is asked for`)
  }
  return { release: entry, log }
}

function decodeShown(bytes: Uint8Array): Content {
  try {
    const result = shownSchema.safeParse(decodeCbor(bytes, { bytesMax: EVIDENCE_BYTES_MAX + PROOF_BYTES_MAX }))
    if (result.success) return result.data
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
  }
  throw new Rejection('proof-malformed', 'proof: is not what a host shows of itself')
}
