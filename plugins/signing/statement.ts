/** What the vault's document key signs. */
import { encodeUtf8 } from '../sdk/utf8.ts'

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
  const parts = [encodeUtf8(domain), encodeUtf8(algorithm), hash, encodeUtf8(title)]
  const statement = new Uint8Array(parts.reduce((size, part) => size + 4 + part.length, 8))
  const view = new DataView(statement.buffer)
  let at = 0
  for (const part of parts) {
    view.setUint32(at, part.length)
    statement.set(part, at + 4)
    at += 4 + part.length
  }
  view.setUint32(at, Math.floor(signedAt / 0x1_0000_0000))
  view.setUint32(at + 4, signedAt % 0x1_0000_0000)
  return statement
}
