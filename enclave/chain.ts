/** From a pinned root down to the key that signed a document (RFC 5280 §6, without policies, names and CRLs). */
import type { EvidenceCrypto, Verifies } from '#host/crypto/evidence-port.ts'
import { equalBytes } from '#host/wire/bytes.ts'

import { type Certificate, parseCertificate } from './certificate.ts'
import { Rejection } from './errors.ts'

export interface Chain {
  /** DER: the root first, then each below its issuer, without the leaf. */
  readonly bundle: readonly Uint8Array[]
  /** DER. */
  readonly leaf: Uint8Array
}

export interface Anchors {
  /** SHA-256 of DER certificates, lower-case hex: what else a document brings as its root is nothing. */
  readonly fingerprints: readonly string[]
  /** Certificates that are no longer believed, as `revocationName` writes them. */
  readonly revoked: ReadonlySet<string>
}

/** Issuer and serial number, as a certificate's bytes can be changed without breaking its signature (ECDSA). */
export function revocationName(
  crypto: Pick<EvidenceCrypto, 'sha256'>,
  { issuer, serial }: Pick<Certificate, 'issuer' | 'serial'>,
): string {
  return `${crypto.sha256(issuer).toHex()}:${serial.toHex()}`
}

/**
 * The key of a leaf whose chain held at a time.
 *
 * @throws Rejection `root-unknown` or one of `certificate-…`, `leaf-constraints`
 */
export function verifyChain(
  crypto: EvidenceCrypto,
  { bundle, leaf }: Chain,
  { fingerprints, revoked, atMs }: Anchors & { readonly atMs: number },
): Verifies {
  const fingerprint = crypto.sha256(bundle[0] ?? new Uint8Array()).toHex()
  if (!fingerprints.includes(fingerprint)) {
    throw new Rejection('root-unknown', `chain: its root ${fingerprint} is not one of the pinned ones`)
  }
  let issuer: Issuer | undefined
  const ders = [...bundle, leaf]
  for (const [index, der] of ders.entries()) {
    const certificate = parseCertificate(der)
    if (atMs < certificate.notBeforeMs || atMs > certificate.notAfterMs) {
      throw rejected('certificate-expired', index, 'is not valid at the time of the document')
    }
    if (revoked.has(revocationName(crypto, certificate))) throw rejected('certificate-revoked', index, 'is revoked')
    checkIssuer(certificate, issuer, index)
    const below = ders.length - 1 - index
    if (below > 0) checkAuthority(certificate, below - 1, index)
    else checkLeaf(certificate)
    const verifies = crypto.p384(certificate.publicKey)
    if (!verifies) throw rejected('certificate-algorithm', index, 'has a key that is not of p-384')
    issuer = { subject: certificate.subject, verifies }
  }
  if (!issuer) throw new Error('a chain has a leaf')
  return issuer.verifies
}

interface Issuer {
  readonly subject: Uint8Array
  readonly verifies: Verifies
}

/** The root is believed for its fingerprint: its own signature would say nothing more. */
function checkIssuer(certificate: Certificate, issuer: Issuer | undefined, index: number): void {
  if (!equalBytes(certificate.issuer, issuer?.subject ?? certificate.subject)) {
    throw rejected('certificate-issuer', index, 'names another issuer than the one above it')
  }
  if (issuer && !issuer.verifies({ message: certificate.signed, signature: certificate.signature })) {
    throw rejected('certificate-signature', index, 'is not signed by the one above it')
  }
}

/** `authorities` are the CA certificates below this one. */
function checkAuthority({ extensions }: Certificate, authorities: number, index: number): void {
  if (!extensions.isCa) throw rejected('certificate-not-ca', index, 'may not issue')
  if (!extensions.mayCertSign) throw rejected('certificate-key-usage', index, 'has a key that may not sign others')
  if (extensions.pathLength !== undefined && extensions.pathLength < authorities) {
    throw rejected('certificate-path-length', index, `allows ${extensions.pathLength} below it, not ${authorities}`)
  }
}

function checkLeaf({ extensions }: Certificate): void {
  if (extensions.isCa || extensions.pathLength !== undefined || extensions.mayCertSign) {
    throw new Rejection('leaf-constraints', 'chain: the leaf is an authority, and signs no documents')
  }
  if (!extensions.mayDigitalSignature) {
    throw new Rejection('leaf-constraints', 'chain: the key of the leaf may not sign')
  }
}

type CertificateCode = Extract<Rejection['code'], `certificate-${string}`>

function rejected(code: CertificateCode, index: number, why: string): Rejection {
  return new Rejection(code, `chain: certificate ${index}, counted from the root, ${why}`)
}
