/**
 * Checks Ed25519 signatures (RFC 8032 §5.1.7, without the cofactor). There is no secret here: nothing has to take
 * constant time, and signing is the host's.
 */
import { sha512 } from './sha512.ts'

const P = (1n << 255n) - 19n
const LOW = (1n << 255n) - 1n
/** The order of the base point. */
const L = (1n << 252n) + 27_742_317_777_372_353_535_851_937_790_883_648_493n
const D = mod(-121_665n * power(121_666n, P - 2n))
const ROOT_OF_MINUS_ONE = power(2n, (P - 1n) / 4n)
const KEY_BYTES = 32
const SIGNATURE_BYTES = 64

/** Extended coordinates: x = X/Z, y = Y/Z, T = XY/Z. */
interface Point {
  readonly x: bigint
  readonly y: bigint
  readonly z: bigint
  readonly t: bigint
}

const ZERO: Point = { x: 0n, y: 1n, z: 1n, t: 0n }
const BASE = basePoint()

/** Whether `signature` is that of `publicKey` over `message`. Malformed keys and signatures are not. */
export function isSignedBy(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const key = decodePoint(publicKey)
  if (key === undefined || isSmall(key) || signature.length !== SIGNATURE_BYTES) return false
  const [r, s] = [signature.subarray(0, 32), numberOf(signature.subarray(32))]
  if (s >= L) return false
  const k = numberOf(sha512(joined([r, publicKey, message]))) % L
  const found = encodePoint(twoProducts(s, BASE, k, negate(key)))
  return found.every((byte, index) => byte === r[index])
}

/** Whether these bytes are a public key somebody may have the secret of. */
export function isPublicKey(bytes: Uint8Array): boolean {
  const point = decodePoint(bytes)
  return point !== undefined && !isSmall(point)
}

/** `a·A + b·B`, both at once. */
function twoProducts(a: bigint, pointA: Point, b: bigint, pointB: Point): Point {
  const both = add(pointA, pointB)
  let sum = ZERO
  for (let bit = 252n; bit >= 0n; bit--) {
    sum = double(sum)
    const [inA, inB] = [(a >> bit) & 1n, (b >> bit) & 1n]
    if (inA === 1n) sum = add(sum, inB === 1n ? both : pointA)
    else if (inB === 1n) sum = add(sum, pointB)
  }
  return sum
}

/** RFC 8032 §5.1.4. */
function add(one: Point, other: Point): Point {
  const a = fold((one.y - one.x) * (other.y - other.x))
  const b = fold((one.y + one.x) * (other.y + other.x))
  const c = fold(2n * one.t * fold(other.t * D))
  const d = fold(2n * one.z * other.z)
  return product(b - a, d - c, d + c, b + a)
}

function double({ x, y, z }: Point): Point {
  const [a, b] = [fold(x * x), fold(y * y)]
  const h = a + b
  const e = h - fold((x + y) * (x + y))
  const g = a - b
  return product(e, fold(2n * z * z) + g, g, h)
}

function product(e: bigint, f: bigint, g: bigint, h: bigint): Point {
  return { x: fold(e * f), y: fold(g * h), z: fold(f * g), t: fold(e * h) }
}

function negate({ x, y, z, t }: Point): Point {
  return { x: -x, y, z, t: -t }
}

/** Points of order 1, 2, 4 and 8: signatures under them say nothing. */
function isSmall(point: Point): boolean {
  return mod(double(double(double(point))).x) === 0n
}

/** RFC 8032 §5.1.3; undefined for what no point is written as. */
function decodePoint(bytes: Uint8Array): Point | undefined {
  if (bytes.length !== KEY_BYTES) return undefined
  const value = numberOf(bytes)
  const y = value & LOW
  return y < P ? pointAt(y, value >> 255n) : undefined
}

function pointAt(y: bigint, sign: bigint): Point | undefined {
  const [u, v] = [mod(y * y - 1n), mod(D * y * y + 1n)]
  const v3 = mod(v * v * v)
  let x = mod(u * v3 * power(mod(u * v3 * v3 * v), (P - 5n) / 8n))
  const square = mod(v * x * x)
  if (square === mod(-u)) x = mod(x * ROOT_OF_MINUS_ONE)
  else if (square !== u) return undefined
  if (x === 0n && sign === 1n) return undefined
  if ((x & 1n) !== sign) x = mod(-x)
  return { x, y, z: 1n, t: mod(x * y) }
}

/** The point with y = 4/5 and an even x. */
function basePoint(): Point {
  const point = pointAt(mod(4n * power(5n, P - 2n)), 0n)
  if (point === undefined) throw new Error('the base point is on the curve')
  return point
}

function encodePoint({ x, y, z }: Point): Uint8Array {
  const inverse = power(mod(z), P - 2n)
  let value = mod(y * inverse) | ((mod(x * inverse) & 1n) << 255n)
  const bytes = new Uint8Array(KEY_BYTES)
  for (let index = 0; index < KEY_BYTES; index++) {
    bytes[index] = Number(value & 255n)
    value >>= 8n
  }
  return bytes
}

function numberOf(littleEndian: Uint8Array): bigint {
  let hex = ''
  for (const byte of littleEndian.toReversed()) hex += byte.toString(16).padStart(2, '0')
  return BigInt(`0x${hex}`)
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  for (const bit of exponent.toString(2)) {
    result = fold(result * result)
    if (bit === '1') result = fold(result * base)
  }
  return mod(result)
}

/** Congruent modulo P and under 2^256, but not always the smallest: 2^255 is 19. */
function fold(value: bigint): bigint {
  const once = (value & LOW) + 19n * (value >> 255n)
  return (once & LOW) + 19n * (once >> 255n)
}

function mod(value: bigint): bigint {
  const rest = value % P
  return rest < 0n ? rest + P : rest
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
