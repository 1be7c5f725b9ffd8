/** The cryptography that judging an enclave needs: native in Node, portable in a browser, one verdict from both. */

/** r and s of ECDSA over P-384, 48 bytes each. */
export const P384_SIGNATURE_BYTES = 96

/** SubjectPublicKeyInfo of P-384, up to the point's tag (RFC 5480). */
const SPKI_HEAD = Uint8Array.fromHex('3076301006072a8648ce3d020106052b8104002203620004')
const COORDINATES_BYTES = 96

export interface SignedBytes {
  readonly message: Uint8Array
  readonly signature: Uint8Array
}

/** Whether it is this key's signature; false for one that is none. */
export type Verifies = (signed: SignedBytes) => boolean

/** Synchronous; no method keeps what it is given. All of it is public. */
export interface EvidenceCrypto {
  /** 32 bytes. */
  sha256(bytes: Uint8Array): Uint8Array
  /** 48 bytes, of the parts one after the other. */
  sha384(...parts: readonly Uint8Array[]): Uint8Array
  /** ECDSA with SHA-384 by a DER SubjectPublicKeyInfo; undefined unless that is an uncompressed point of P-384. */
  p384(spki: Uint8Array): Verifies | undefined
  /** Ed25519 by a key of 32 bytes. @throws Refusal `malformed` for a key of another length */
  ed25519(key: Uint8Array): Verifies
}

/** What only hashes. */
export type Sha384 = Pick<EvidenceCrypto, 'sha384'>

/** The point in a DER SubjectPublicKeyInfo of P-384, with its tag; undefined for any other form. */
export function pointOfP384(spki: Uint8Array): Uint8Array | undefined {
  if (spki.length !== SPKI_HEAD.length + COORDINATES_BYTES) return undefined
  if (SPKI_HEAD.some((byte, index) => spki[index] !== byte)) return undefined
  return spki.subarray(SPKI_HEAD.length - 1)
}
