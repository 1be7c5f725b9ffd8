/**
 * Decode and verify: from bytes to evidence, from evidence to genuine evidence. `policy.ts` judges.
 *
 * Pure: no clock, no network, no file, no module of Node. The same code runs with a host, a client and the owner's
 * device, in a browser too.
 */
import type { EvidenceCrypto } from '#host/crypto/evidence-port.ts'

import { verifyChain } from './chain.ts'
import { Rejection } from './errors.ts'
import { type Evidence, type Genuine, hasHeader, openEnvelope } from './evidence.ts'
import { measurementOf } from './measurement.ts'
import { decodeNitro, NITRO_HEADER } from './nitro.ts'
import type { Roots } from './policy.ts'
import { decodeSoftware, SOFTWARE_HEADER } from './software.ts'

/** Reads a document and believes nothing. @throws Rejection `evidence-…` */
export function decodeEvidence(bytes: Uint8Array): Evidence {
  const envelope = openEnvelope(bytes)
  if (hasHeader(envelope, NITRO_HEADER)) return decodeNitro(envelope)
  if (hasHeader(envelope, SOFTWARE_HEADER)) return decodeSoftware(envelope)
  throw new Rejection('evidence-algorithm', 'evidence: its header is that of no kind of evidence')
}

/**
 * Checks who signed. A Nitro chain is judged at the document's own time: its leaf lives three hours.
 *
 * @throws Rejection `root-unknown`, `key-unknown`, `certificate-…`, `leaf-constraints`, `evidence-signature`
 */
export function verifyEvidence(crypto: EvidenceCrypto, evidence: Evidence, roots: Roots): Genuine {
  if (!isSigned(crypto, evidence, roots)) {
    throw new Rejection('evidence-signature', 'evidence: its signature does not hold')
  }
  return { evidence, measurement: measurementOf(crypto, evidence.kind, evidence.claims.registers) }
}

function isSigned(crypto: EvidenceCrypto, evidence: Evidence, roots: Roots): boolean {
  if (evidence.kind === 'nitro') {
    const anchors = { fingerprints: roots.nitro, revoked: roots.revoked, atMs: evidence.claims.timestampMs }
    return verifyChain(crypto, evidence.chain, anchors)(evidence)
  }
  if (!roots.software.includes(evidence.key.toHex())) {
    throw new Rejection('key-unknown', `evidence: the software key ${evidence.key.toHex()} is not one of the trusted`)
  }
  return crypto.ed25519(evidence.key)(evidence)
}
