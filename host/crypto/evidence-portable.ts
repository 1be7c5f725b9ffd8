/** What judging an enclave needs, without Node: for a browser. It handles no secret. */
import { ed25519 } from '@noble/curves/ed25519.js'
import { p384 } from '@noble/curves/nist.js'
import { sha256, sha384 } from '@noble/hashes/sha2.js'

import { Refusal } from '#host/errors.ts'

import { type EvidenceCrypto, P384_SIGNATURE_BYTES, pointOfP384 } from './evidence-port.ts'

const ED25519_BYTES = 32
const ED25519_SIGNATURE_BYTES = 64
/** FIPS 186-5 takes either s; SHA-384 of the message is signed. */
const ECDSA = { lowS: false, prehash: true, format: 'compact' } as const

export const portableEvidence: EvidenceCrypto = {
  sha256: (bytes) => sha256(bytes),
  sha384(...parts) {
    const hash = sha384.create()
    for (const part of parts) hash.update(part)
    return hash.digest()
  },
  p384(spki) {
    const point = pointOfP384(spki)
    if (!point || !isPoint(point)) return undefined
    return ({ message, signature }) =>
      signature.length === P384_SIGNATURE_BYTES && p384.verify(signature, message, point, ECDSA)
  },
  ed25519(key) {
    if (key.length !== ED25519_BYTES) {
      throw new Refusal('malformed', `ed25519: a public key has ${ED25519_BYTES} bytes`)
    }
    // RFC 8032 without the leniency of ZIP 215, as OpenSSL has it.
    return ({ message, signature }) =>
      signature.length === ED25519_SIGNATURE_BYTES && ed25519.verify(signature, message, key, { zip215: false })
  },
}

function isPoint(bytes: Uint8Array): boolean {
  try {
    p384.Point.fromBytes(bytes)
    return true
  } catch {
    return false
  }
}
