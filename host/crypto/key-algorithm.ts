/** What keys sign with, for those who only name it: nothing is loaded with it. */
import { SIGN_BYTES_MAX } from '#host/limits.ts'

/** RFC 8032, ECDSA over a digest with RFC 6979 and low s, and Schnorr signatures of BIP-340. */
export const keyAlgorithms = ['ed25519', 'ecdsa-secp256k1', 'bip340'] as const

export type KeyAlgorithm = (typeof keyAlgorithms)[number]

const DIGEST_BYTES = 32

/** Whether a message of so many bytes can be signed: a digest of 32, or up to 65,536 for Ed25519. */
export function isSignable(algorithm: KeyAlgorithm, length: number): boolean {
  return algorithm === 'ed25519' ? length <= SIGN_BYTES_MAX : length === DIGEST_BYTES
}
