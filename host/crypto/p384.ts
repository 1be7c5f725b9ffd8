/** SHA-384 and ECDSA over P-384 (FIPS 180-4, 186-5): what enclaves measure and sign with. */
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'

import { plain } from './kdf.ts'

/** SubjectPublicKeyInfo of P-384, up to the point (RFC 5480). */
const SPKI_HEAD = Uint8Array.fromHex('3076301006072a8648ce3d020106052b8104002203620004')
const COORDINATES_BYTES = 96
/** r and s, 48 bytes each. */
export const P384_SIGNATURE_BYTES = 96

/** 48 bytes, of the parts one after the other. */
export function sha384(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha384')
  for (const part of parts) hash.update(part)
  return plain(hash.digest())
}

/** 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return plain(createHash('sha256').update(bytes).digest())
}

/** The key in a DER SubjectPublicKeyInfo; undefined unless it is an uncompressed point of P-384. */
export function importP384(spki: Uint8Array): KeyObject | undefined {
  if (spki.length !== SPKI_HEAD.length + COORDINATES_BYTES) return undefined
  if (SPKI_HEAD.some((byte, index) => spki[index] !== byte)) return undefined
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
  } catch {
    return undefined
  }
}

/** Whether r ‖ s is this key's signature over the message's SHA-384. */
export function verifyP384(
  key: KeyObject,
  { message, signature }: { readonly message: Uint8Array; readonly signature: Uint8Array },
): boolean {
  return (
    signature.length === P384_SIGNATURE_BYTES &&
    verify('sha384', message, { key, dsaEncoding: 'ieee-p1363' }, signature)
  )
}
