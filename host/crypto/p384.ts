/** SHA-384 and ECDSA over P-384 (FIPS 180-4, 186-5) of Node: what enclaves measure and sign with. */
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'

import { importEd25519, verifyEd25519 } from './ed25519.ts'
import { type EvidenceCrypto, P384_SIGNATURE_BYTES, pointOfP384, type SignedBytes } from './evidence-port.ts'
import { plain } from './kdf.ts'

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

/** The provider of Node: OpenSSL. */
export const nativeEvidence: EvidenceCrypto = {
  sha256,
  sha384,
  p384(spki) {
    const key = importP384(spki)
    return key && ((signed) => verifyP384(key, signed))
  },
  ed25519(raw) {
    const key = importEd25519(raw)
    return (signed) => verifyEd25519(key, signed)
  },
}

function importP384(spki: Uint8Array): KeyObject | undefined {
  if (!pointOfP384(spki)) return undefined
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
  } catch {
    return undefined
  }
}

function verifyP384(key: KeyObject, { message, signature }: SignedBytes): boolean {
  return (
    signature.length === P384_SIGNATURE_BYTES &&
    verify('sha384', message, { key, dsaEncoding: 'ieee-p1363' }, signature)
  )
}
