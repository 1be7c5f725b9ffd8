/** An issuer of credentials: signs claims that the owner can later show one by one. */
import { generateBbs } from '#host/crypto/bbs.ts'
import { type Claim, issueCredential, issuerName } from '#host/crypto/credential.ts'
import type { Suite } from '#host/crypto/port.ts'

export interface Issuer {
  /** 96 bytes. */
  readonly publicKey: Uint8Array
  /** What verifiers know this issuer by: 43 characters that stand for the key. */
  readonly name: string
  /**
   * The bytes to hand to the owner. `expires` is the first instant of a UTC month, or null: a verifier is told it.
   *
   * @throws Refusal `malformed` for what no credential may say
   */
  issue(what: { kind: string; expires: number | null; claims: readonly Claim[] }): Uint8Array
}

/** The issuer of at least 32 secret bytes: the same bytes, the same key. @throws RangeError for less */
export function openIssuer(crypto: Suite, secret: Uint8Array): Issuer {
  const key = generateBbs(secret)
  return {
    publicKey: key.publicKey,
    name: issuerName(crypto, key.publicKey),
    issue: (what) => issueCredential(key, what),
  }
}
