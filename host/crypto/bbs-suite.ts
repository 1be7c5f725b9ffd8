/**
 * The parts of ciphersuite BLS12-381-SHA-256 (draft-irtf-cfrg-bbs-signatures-10 §7.2.2): points, scalars, generators.
 * Curve, pairing and hash-to-curve are those of `@noble/curves`.
 */
import { expand_message_xmd } from '@noble/curves/abstract/hash-to-curve.js'
import { bls12_381 } from '@noble/curves/bls12-381.js'

import { Refusal } from '#host/errors.ts'
import { joinBytes } from '#host/wire/bytes.ts'

export const { Fr } = bls12_381.fields
const { Point: G1 } = bls12_381.G1
const { Point: G2 } = bls12_381.G2
export type PointG1 = InstanceType<typeof G1>
export type PointG2 = InstanceType<typeof G2>

export const POINT_BYTES = 48
export const SCALAR_BYTES = 32
/** `expand_len`: enough bytes that one modulo the order is uniform to 128 bits. */
const EXPAND_BYTES = 48

const utf8 = new TextEncoder()
const API_ID = 'BBS_BLS12381G1_XMD:SHA-256_SSWU_RO_H2G_HM2S_'
const P1 = G1.fromHex(
  'a8ce256102840821a3e94ea9025e4662b205762f9776b3a766c872b948f1fd225e7c59698588e70d11406d161b4e28c9',
)

/** A tag that separates one use of the hash from all others. */
function tag(name: string): Uint8Array {
  return utf8.encode(API_ID + name)
}

/** `hash_to_scalar` (§4.2.3). */
export function hashToScalar(bytes: Uint8Array, name = 'H2S_'): bigint {
  return Fr.create(toInteger(expand(bytes, tag(name))))
}

function expand(bytes: Uint8Array, dst: Uint8Array): Uint8Array {
  return expand_message_xmd(bytes, dst, EXPAND_BYTES, bls12_381.G1.defaults.hash)
}

/** `messages_to_scalars` (§4.1.2). */
export function messageScalars(messages: readonly Uint8Array[]): readonly bigint[] {
  return messages.map((message) => hashToScalar(message, 'MAP_MSG_TO_SCALAR_AS_HASH_'))
}

/** `create_generators` (§4.1.1), kept: they are the same for every credential. The first is Q_1. */
const made: PointG1[] = []
let seed = expand(tag('MESSAGE_GENERATOR_SEED'), tag('SIG_GENERATOR_SEED_'))

export function generators(count: number): readonly PointG1[] {
  while (made.length < count) {
    seed = expand(joinBytes([seed, integerBytes(made.length + 1)]), tag('SIG_GENERATOR_SEED_'))
    const { x, y } = bls12_381.G1.hashToCurve(seed, { DST: tag('SIG_GENERATOR_DST_') }).toAffine()
    made.push(G1.fromAffine({ x, y }))
  }
  return made.slice(0, count)
}

/** `P1 + Q_1 * domain + H_i * m_i + …`: what a signature is over. */
export function commitment(
  domain: bigint,
  terms: readonly (readonly [generator: PointG1 | undefined, scalar: bigint])[],
): PointG1 {
  return sum([[P1, 1n], [generators(1)[0], domain], ...terms])
}

/** The sum of points times scalars. */
export function sum(terms: readonly (readonly [point: PointG1 | undefined, scalar: bigint])[]): PointG1 {
  return terms.reduce((total, [point, scalar]) => {
    if (point === undefined) throw new Error('bbs: fewer generators than messages')
    return Fr.is0(scalar) ? total : total.add(point.multiply(scalar))
  }, G1.ZERO)
}

/** Whether `e(left, w) = e(right, G2)`. */
export function pairsEqual(left: PointG1, right: PointG1, w: PointG2): boolean {
  const { Fp12 } = bls12_381.fields
  const product = bls12_381.pairingBatch([
    { g1: left, g2: w },
    { g1: right, g2: G2.BASE.negate() },
  ])
  return Fp12.eql(product, Fp12.ONE)
}

export function publicPoint(secret: bigint): Uint8Array {
  return G2.BASE.multiply(secret).toBytes()
}

/** `octets_to_pubkey`. @throws Refusal `malformed` for the identity and for what is no point of the subgroup */
export function readKey(bytes: Uint8Array): PointG2 {
  return readPoint(() => G2.fromBytes(bytes))
}

/** A compressed point of G1. @throws Refusal `malformed` for the identity and for what is no point of the subgroup */
export function readG1(bytes: Uint8Array): PointG1 {
  return readPoint(() => G1.fromBytes(bytes))
}

/** `fromBytes` checks the curve and the subgroup, and lets the identity pass. */
function readPoint<P extends { is0(): boolean }>(read: () => P): P {
  try {
    const point = read()
    if (!point.is0()) return point
  } catch (cause) {
    throw new Refusal('malformed', 'bbs: no point of the group', { cause })
  }
  throw new Refusal('malformed', 'bbs: the identity is no point here')
}

/** A scalar that is neither 0 nor over the order. @throws Refusal `malformed` */
export function readScalar(bytes: Uint8Array): bigint {
  const scalar = bytes.length === SCALAR_BYTES ? toInteger(bytes) : 0n
  if (scalar === 0n || scalar >= Fr.ORDER) throw new Refusal('malformed', 'bbs: no scalar of the group')
  return scalar
}

/** `calculate_random_scalars` (§4.2.1). */
export function randomScalars(count: number, random: (length: number) => Uint8Array): readonly bigint[] {
  return Array.from({ length: count }, () => Fr.create(toInteger(random(EXPAND_BYTES))))
}

export function scalarBytes(scalar: bigint): Uint8Array {
  return Fr.toBytes(scalar)
}

/** I2OSP(value, 8). */
export function integerBytes(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value))
  return bytes
}

function toInteger(bytes: Uint8Array): bigint {
  return BigInt(`0x${bytes.toHex()}`)
}

/** `calculate_domain` (§4.2.2) binds key, generators and header. */
export function domainOf({ key, header, count }: { key: Uint8Array; header: Uint8Array; count: number }): bigint {
  const points = generators(count + 1).map((point) => point.toBytes())
  return hashToScalar(
    joinBytes([key, integerBytes(count), ...points, utf8.encode(API_ID), integerBytes(header.length), header]),
  )
}
