/**
 * What an EIF measures to: the registers that a Nitro enclave booted from it reports. Each is one extension of a fresh
 * register by the SHA-384 of its content; header and metadata are not measured (AWS Nitro Enclaves, "Where to find an
 * enclave's measurements").
 */
import { X509Certificate } from 'node:crypto'

import { nativeEvidence, sha384 } from '#host/crypto/p384.ts'
import type { Eif } from './eif.ts'
import { Rejection } from './errors.ts'
import { decodeForeign, type Foreign } from './foreign-cbor.ts'
import { CERTIFICATE_BYTES_MAX, EIF_SIGNATURE_BYTES_MAX } from './limits.ts'
import { extendedOnce } from './measurement.ts'

/**
 * By register: PCR0 is kernel, command line and all ramdisks; PCR1 these with the first ramdisk alone; PCR2 the other
 * ramdisks; PCR8, where the file is signed, the certificate. Whether the signature is good is not judged here: the
 * platform does, and a policy that pins PCR0 needs none.
 *
 * @throws Rejection `eif-malformed` for a signature section that names no certificate
 */
export function measureEif({ sections }: Eif): ReadonlyMap<number, Uint8Array> {
  const [all, bootstrap, application]: [Uint8Array[], Uint8Array[], Uint8Array[]] = [[], [], []]
  let ramdisks = 0
  let certificate: Uint8Array | undefined
  for (const { kind, data } of sections) {
    if (kind === 'signature') certificate = readCertificate(data)
    if (kind === 'signature' || kind === 'metadata') continue
    all.push(data)
    const isFurther = kind === 'ramdisk' && ramdisks++ > 0
    ;(isFurther ? application : bootstrap).push(data)
  }
  const measured = [all, bootstrap, application].map((content, index) => [index, measure(content)] as const)
  return new Map(certificate ? [...measured, [8, measure([certificate])]] : measured)
}

function measure(content: readonly Uint8Array[]): Uint8Array {
  return extendedOnce(nativeEvidence, sha384(...content))
}

/** The section is a list of `{signing_certificate, signature}`, its bytes lists of integers, the certificate PEM. */
function readCertificate(section: Uint8Array): Uint8Array {
  const signatures = decodeSignatures(section)
  const [first] = Array.isArray(signatures) ? signatures : []
  const pem = first instanceof Map ? bytesOf(first.get('signing_certificate')) : undefined
  if (!pem || pem.length > 2 * CERTIFICATE_BYTES_MAX) throw malformed('names no certificate')
  try {
    return new Uint8Array(new X509Certificate(pem).raw)
  } catch (cause) {
    throw malformed('holds a certificate that cannot be read', cause)
  }
}

function decodeSignatures(section: Uint8Array): Foreign {
  if (section.length > EIF_SIGNATURE_BYTES_MAX) throw malformed(`has ${section.length} bytes`)
  try {
    // Every byte of it may be an item.
    return decodeForeign(section, section.length)
  } catch (cause) {
    throw malformed('is not what a signer writes', cause)
  }
}

function bytesOf(value: Foreign | undefined): Uint8Array | undefined {
  if (!Array.isArray(value)) return undefined
  const items: readonly unknown[] = value
  return items.every(isByte) ? Uint8Array.from(items) : undefined
}

function isByte(item: unknown): item is number {
  return typeof item === 'number' && item >= 0 && item <= 255
}

function malformed(what: string, cause?: unknown): Rejection {
  return new Rejection('eif-malformed', `eif: its signature ${what}`, { cause })
}
