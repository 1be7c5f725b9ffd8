/**
 * BBS signatures (draft-irtf-cfrg-bbs-signatures-10, ciphersuite BLS12-381-SHA-256): one signature over a header and an
 * ordered list of messages, of which its holder proves any subset without showing the signature or the rest.
 *
 * Each call takes tens of milliseconds: `bbs-thread.ts` makes them elsewhere.
 */
import { Refusal } from '#host/errors.ts'

import {
  commitment,
  domainOf,
  Fr,
  generators,
  hashToScalar,
  integerBytes,
  messageScalars,
  pairsEqual,
  POINT_BYTES,
  publicPoint,
  randomScalars,
  readG1,
  readKey,
  readScalar,
  SCALAR_BYTES,
  scalarBytes,
  sum,
  type PointG1,
} from './bbs-suite.ts'
import { joinBytes } from '#host/wire/bytes.ts'

/** A public key: a compressed point of G2. */
export const BBS_KEY_BYTES = 96
/** A signature: a point and a scalar. */
export const BBS_SIGNATURE_BYTES = POINT_BYTES + SCALAR_BYTES
const PROOF_BYTES_MIN = 3 * POINT_BYTES + 4 * SCALAR_BYTES

export interface BbsKey {
  readonly secret: Uint8Array
  /** 96 bytes. */
  readonly publicKey: Uint8Array
}

/** What was signed. */
export interface BbsSigned {
  readonly publicKey: Uint8Array
  readonly header: Uint8Array
  readonly messages: readonly Uint8Array[]
  readonly signature: Uint8Array
}

/** What a proof is made of. */
export interface BbsDisclosure extends BbsSigned {
  /** Indexes of the messages to show, ascending. */
  readonly disclosed: readonly number[]
  /** Bound into the proof: a verifier's nonce, and who it is for. */
  readonly presentation: Uint8Array
}

/** What its verifier has. */
export interface BbsProved {
  readonly publicKey: Uint8Array
  readonly header: Uint8Array
  readonly presentation: Uint8Array
  /** Messages in all, hidden ones included. */
  readonly count: number
  /** The shown messages by index, ascending. */
  readonly shown: readonly (readonly [index: number, message: Uint8Array])[]
  readonly proof: Uint8Array
}

/**
 * `KeyGen` (§3.4.1) and `SkToPk`: the key of at least 32 secret bytes.
 *
 * @throws RangeError for less material
 */
export function generateBbs(material: Uint8Array, info = new Uint8Array()): BbsKey {
  if (material.length < SCALAR_BYTES) throw new RangeError(`bbs: a key needs ${SCALAR_BYTES} bytes of material`)
  const length = integerBytes(info.length).slice(6)
  const secret = hashToScalar(joinBytes([material, length, info]), 'KEYGEN_DST_')
  return { secret: scalarBytes(secret), publicKey: publicPoint(secret) }
}

/** `Sign` (§3.5.1): 80 bytes, the same for the same input. */
export function signBbs(
  key: BbsKey,
  { header, messages }: { header: Uint8Array; messages: readonly Uint8Array[] },
): Uint8Array {
  const secret = readScalar(key.secret)
  const scalars = messageScalars(messages)
  const domain = domainOf({ key: key.publicKey, header, count: messages.length })
  const e = hashToScalar(joinBytes([secret, ...scalars, domain].map(scalarBytes)))
  const point = commitment(domain, overGenerators(scalars)).multiply(Fr.inv(Fr.add(secret, e)))
  return joinBytes([point.toBytes(), scalarBytes(e)])
}

/** `Verify` (§3.5.2). What cannot be read is no signature. */
export function verifyBbs({ publicKey, header, messages, signature }: BbsSigned): boolean {
  return unlessMalformed(() => {
    const [a, e] = readSignature(signature)
    const w = readKey(publicKey)
    const domain = domainOf({ key: publicKey, header, count: messages.length })
    const b = commitment(domain, overGenerators(messageScalars(messages)))
    // e(A, W + BP2 * e) = e(B, BP2) with the second point's scalar moved to the first.
    return pairsEqual(a, b.subtract(a.multiply(e)), w)
  })
}

/**
 * `ProofGen` (§3.5.3): 272 bytes and 32 for each hidden message. Two proofs of one signature share nothing that tells.
 *
 * @throws Refusal `malformed` for a signature that cannot be read, or indexes that are not ascending and in range
 */
export function proveBbs(from: BbsDisclosure, random: (length: number) => Uint8Array): Uint8Array {
  const { publicKey, header, messages, disclosed, presentation } = from
  checkIndexes(disclosed, messages.length)
  const [a, e] = readSignature(from.signature)
  const scalars = messageScalars(messages)
  const terms = overGenerators(scalars)
  const hidden = terms.flatMap((term, index) => (disclosed.includes(index) ? [] : [term]))
  const [r1 = 0n, r2 = 0n, e_ = 0n, r1_ = 0n, r3_ = 0n, ...m_] = randomScalars(5 + hidden.length, random)

  const domain = domainOf({ key: publicKey, header, count: messages.length })
  const d = commitment(domain, terms).multiply(r2)
  const aBar = a.multiply(Fr.mul(r1, r2))
  const bBar = d.multiply(r1).subtract(aBar.multiply(e))
  const t1 = sum([
    [aBar, e_],
    [d, r1_],
  ])
  const t2 = sum([[d, r3_], ...hidden.map(([generator], at) => [generator, m_[at] ?? 0n] as const)])

  const shown = disclosed.map((index) => [index, scalars[index] ?? 0n] as const)
  const challenge = challengeOf({ shown, points: [aBar, bBar, d, t1, t2], domain, presentation })
  const answers = [
    Fr.add(e_, Fr.mul(e, challenge)),
    Fr.sub(r1_, Fr.mul(r1, challenge)),
    Fr.sub(r3_, Fr.mul(Fr.inv(r2), challenge)),
    ...hidden.map(([, scalar], at) => Fr.add(m_[at] ?? 0n, Fr.mul(scalar, challenge))),
    challenge,
  ]
  return joinBytes([aBar.toBytes(), bBar.toBytes(), d.toBytes(), ...answers.map(scalarBytes)])
}

/** `ProofVerify` (§3.5.4). What cannot be read proves nothing. */
export function verifyBbsProof({ publicKey, header, presentation, count, shown, proof }: BbsProved): boolean {
  return unlessMalformed(() => {
    checkIndexes(
      shown.map(([index]) => index),
      count,
    )
    if (proof.length !== PROOF_BYTES_MIN + (count - shown.length) * SCALAR_BYTES) return false
    const w = readKey(publicKey)
    const [aBar, bBar, d] = [readG1(partOf(proof, 0)), readG1(partOf(proof, 1)), readG1(partOf(proof, 2))]
    const [eHat = 0n, r1Hat = 0n, r3Hat = 0n, ...rest] = scalarsOf(proof.subarray(3 * POINT_BYTES))
    const claimed = rest.pop() ?? 0n

    const all = generators(count + 1).slice(1)
    const scalars = messageScalars(shown.map(([, message]) => message))
    const open = shown.map(([index], at) => [index, scalars[at] ?? 0n] as const)
    const hidden = all.filter((_, index) => !open.some(([shownIndex]) => shownIndex === index))
    const domain = domainOf({ key: publicKey, header, count })
    const t1 = sum([
      [bBar, claimed],
      [aBar, eHat],
      [d, r1Hat],
    ])
    const bv = commitment(
      domain,
      open.map(([index, scalar]) => [all[index], scalar] as const),
    )
    const t2 = sum([[bv, claimed], [d, r3Hat], ...hidden.map((generator, at) => [generator, rest[at] ?? 0n] as const)])
    const challenge = challengeOf({ shown: open, points: [aBar, bBar, d, t1, t2], domain, presentation })
    return challenge === claimed && pairsEqual(aBar, bBar, w)
  })
}

/** `ProofChallengeCalculate` (§3.7.4). */
function challengeOf(of: {
  shown: readonly (readonly [index: number, scalar: bigint])[]
  points: readonly PointG1[]
  domain: bigint
  presentation: Uint8Array
}): bigint {
  const { shown, points, domain, presentation } = of
  const open = shown.flatMap(([index, scalar]) => [integerBytes(index), scalarBytes(scalar)])
  const made = points.map((point) => point.toBytes())
  const tail = [scalarBytes(domain), integerBytes(presentation.length), presentation]
  return hashToScalar(joinBytes([integerBytes(shown.length), ...open, ...made, ...tail]))
}

function overGenerators(scalars: readonly bigint[]): readonly (readonly [PointG1 | undefined, bigint])[] {
  const all = generators(scalars.length + 1)
  return scalars.map((scalar, index) => [all[index + 1], scalar] as const)
}

function readSignature(bytes: Uint8Array): readonly [a: PointG1, e: bigint] {
  if (bytes.length !== BBS_SIGNATURE_BYTES)
    throw new Refusal('malformed', `bbs: a signature has ${BBS_SIGNATURE_BYTES} bytes`)
  return [readG1(bytes.subarray(0, POINT_BYTES)), readScalar(bytes.subarray(POINT_BYTES))]
}

function partOf(proof: Uint8Array, point: number): Uint8Array {
  return proof.subarray(point * POINT_BYTES, (point + 1) * POINT_BYTES)
}

function scalarsOf(bytes: Uint8Array): bigint[] {
  return Array.from({ length: bytes.length / SCALAR_BYTES }, (_, at) =>
    readScalar(bytes.subarray(at * SCALAR_BYTES, (at + 1) * SCALAR_BYTES)),
  )
}

function checkIndexes(indexes: readonly number[], count: number): void {
  const isAscending = indexes.every((index, at) => Number.isSafeInteger(index) && index > (indexes[at - 1] ?? -1))
  if (!isAscending || (indexes.at(-1) ?? -1) >= count) {
    throw new Refusal('malformed', 'bbs: name shown messages in ascending order, each once')
  }
}

function unlessMalformed(judge: () => boolean): boolean {
  try {
    return judge()
  } catch (error) {
    if (error instanceof Refusal && error.code === 'malformed') return false
    throw error
  }
}
