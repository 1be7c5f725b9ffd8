/**
 * An X.509 certificate (RFC 5280) as the Nitro PKI writes it: version 3, ECDSA P-384 with SHA-384, no more.
 *
 * Read here and not by the platform, as no platform tells path lengths and key usages, and a browser has no reader.
 */
import { equalBytes } from '#host/wire/bytes.ts'

import { type Der, elementsOf, malformedCertificate, readDer, readTrue, readUnsigned, TAG, tagged } from './der.ts'
import { Rejection } from './errors.ts'

export interface Certificate {
  /** Name of the issuer, DER. */
  readonly issuer: Uint8Array
  /** Name of the subject, DER. */
  readonly subject: Uint8Array
  /** Magnitude of the serial number. */
  readonly serial: Uint8Array
  readonly notBeforeMs: number
  /** The last millisecond it is good for. */
  readonly notAfterMs: number
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array
  readonly extensions: Extensions
  /** What was signed, as received. */
  readonly signed: Uint8Array
  /** r ‖ s. */
  readonly signature: Uint8Array
}

interface Extensions {
  readonly isCa: boolean
  /** CA certificates that may follow below, besides the leaf. */
  readonly pathLength: number | undefined
  readonly mayDigitalSignature: boolean
  readonly mayCertSign: boolean
}

/** ecdsa-with-SHA384 (RFC 5758). */
const SIGNATURE_ALGORITHM = Uint8Array.fromHex('300a06082a8648ce3d040303')
const VERSION_3 = Uint8Array.of(TAG.integer, 1, 2)
const COORDINATE_BYTES = 48
const SERIAL_BYTES_MAX = 20

const OID = { basicConstraints: '551d13', keyUsage: '551d0f' } as const
/** Bits of KeyUsage, first octet. */
const DIGITAL_SIGNATURE = 0x80
const KEY_CERT_SIGN = 0x04

/**
 * Reads exactly one certificate and judges nothing but its form.
 *
 * @throws Rejection `certificate-malformed`, `certificate-algorithm` for another signature algorithm,
 *   `certificate-extension` for one given twice, or critical and unknown
 */
export function parseCertificate(bytes: Uint8Array): Certificate {
  const [tbs, algorithm, signature, ...more] = elementsOf(readDer(bytes, TAG.sequence))
  if (more.length > 0) throw malformedCertificate('more than three parts')
  const [version, serialNumber, inner, issuer, validity, subject, publicKey, last, ...rest] = elementsOf(
    tagged(tbs, TAG.sequence),
  )
  if (!equalBytes(tagged(version, TAG.context0).content, VERSION_3)) throw malformedCertificate('not version 3')
  for (const each of [algorithm, inner]) {
    if (!equalBytes(tagged(each, TAG.sequence).whole, SIGNATURE_ALGORITHM)) {
      throw new Rejection('certificate-algorithm', 'certificate: is not signed with ecdsa and sha-384')
    }
  }
  if (rest.length > 0) throw malformedCertificate('more fields than a certificate has')
  const serial = readUnsigned(serialNumber)
  if (serial.length > SERIAL_BYTES_MAX) throw malformedCertificate('a serial number over 20 bytes')
  const [notBefore, notAfter, ...times] = elementsOf(tagged(validity, TAG.sequence))
  if (times.length > 0) throw malformedCertificate('more than two times')
  return {
    issuer: tagged(issuer, TAG.sequence).whole,
    subject: tagged(subject, TAG.sequence).whole,
    serial,
    notBeforeMs: readTime(notBefore),
    notAfterMs: readTime(notAfter) + 999,
    publicKey: tagged(publicKey, TAG.sequence).whole,
    extensions: readExtensions(last),
    signed: tagged(tbs, TAG.sequence).whole,
    signature: readSignature(signature),
  }
}

/** `YYMMDDHHMMSSZ` until 2049, `YYYYMMDDHHMMSSZ` after (RFC 5280 §4.1.2.5). */
function readTime(element: Der | undefined): number {
  const text = new TextDecoder('latin1').decode(element?.content)
  const isShort = element?.tag === TAG.utcTime
  if (!isShort) tagged(element, TAG.generalizedTime)
  if (!(isShort ? /^\d{12}Z$/ : /^\d{14}Z$/).test(text)) throw malformedCertificate('a time in another form')
  const full = isShort ? `${Number(text.slice(0, 2)) < 50 ? '20' : '19'}${text}` : text
  const iso = full.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6.000Z')
  const ms = Date.parse(iso)
  // A 31st of June would be the 1st of July.
  if (Number.isNaN(ms) || new Date(ms).toISOString() !== iso) throw malformedCertificate('a time that does not exist')
  return ms
}

function readSignature(element: Der | undefined): Uint8Array {
  const { content } = tagged(element, TAG.bitString)
  if (content[0] !== 0) throw malformedCertificate('a signature of odd bits')
  const [r, s, ...more] = elementsOf(readDer(content.subarray(1), TAG.sequence)).map(readUnsigned)
  if (!r || !s || more.length > 0) throw malformedCertificate('a signature that is not two integers')
  if (r.length > COORDINATE_BYTES || s.length > COORDINATE_BYTES) throw malformedCertificate('a signature too long')
  const signature = new Uint8Array(2 * COORDINATE_BYTES)
  signature.set(r, COORDINATE_BYTES - r.length)
  signature.set(s, 2 * COORDINATE_BYTES - s.length)
  return signature
}

function readExtensions(element: Der | undefined): Extensions {
  let constraints: ReturnType<typeof readConstraints> = { isCa: false, pathLength: undefined }
  let usage: ReturnType<typeof readUsage> = { mayDigitalSignature: false, mayCertSign: false }
  if (element === undefined) return { ...constraints, ...usage }
  const seen = new Set<string>()
  for (const extension of elementsOf(readDer(tagged(element, TAG.context3).content), TAG.sequence)) {
    const parts = elementsOf(extension, TAG.sequence)
    const oid = tagged(parts[0], TAG.oid).content.toHex()
    const [second] = parts.slice(1)
    const isCritical = parts.length === 3 && second !== undefined && readTrue(second)
    const value = tagged(parts[isCritical ? 2 : 1], TAG.octetString).content
    if (parts.length !== (isCritical ? 3 : 2)) throw malformedCertificate('an extension of other parts')
    if (seen.has(oid)) throw new Rejection('certificate-extension', `certificate: extension ${oid} is given twice`)
    seen.add(oid)
    if (oid === OID.basicConstraints) constraints = readConstraints(readDer(value))
    else if (oid === OID.keyUsage) usage = readUsage(readDer(value))
    else if (isCritical) {
      throw new Rejection('certificate-extension', `certificate: critical extension ${oid} is unknown`)
    }
  }
  return { ...constraints, ...usage }
}

function readConstraints(value: Der): Pick<Extensions, 'isCa' | 'pathLength'> {
  const parts = elementsOf(value, TAG.sequence)
  const [first] = parts
  const isCa = first?.tag === TAG.boolean && readTrue(first)
  const length = parts[isCa ? 1 : 0]
  if (parts.length > (isCa ? 2 : 1)) throw malformedCertificate('basic constraints of other parts')
  if (length === undefined) return { isCa, pathLength: undefined }
  const magnitude = readUnsigned(length)
  if (magnitude.length > 1) throw malformedCertificate('a path length over 255')
  return { isCa, pathLength: magnitude[0] }
}

function readUsage(value: Der): Pick<Extensions, 'mayCertSign' | 'mayDigitalSignature'> {
  const [unused = 8, bits = 0] = tagged(value, TAG.bitString).content
  if (unused > 7) throw malformedCertificate('a key usage that is no bit string')
  return { mayDigitalSignature: (bits & DIGITAL_SIGNATURE) !== 0, mayCertSign: (bits & KEY_CERT_SIGN) !== 0 }
}
