/** What the vault's document key signs. */
import { statementOf } from '../sdk/statement.ts'

/** Bytes of a hash by its algorithm: FIPS 180-4. */
export const hashBytes = { 'sha-256': 32, 'sha-384': 48 } as const

export interface Document {
  readonly algorithm: keyof typeof hashBytes
  readonly hash: Uint8Array
  readonly title: string
}

/** No other message signed with this key begins like this one. */
const domain = 'vine/1 document.sign'

/**
 * `lp(domain) ‖ lp(algorithm) ‖ lp(hash) ‖ lp(title) ‖ u64be(signedAt)`, where `lp` puts a u32be length before the
 * bytes, texts are UTF-8 and `signedAt` is in ms since the epoch. No two statements have the same bytes, and none is a
 * hash.
 */
export function signedStatement({ algorithm, hash, title }: Document, signedAt: number): Uint8Array {
  return statementOf([domain, algorithm, hash, title, signedAt])
}
