/** Reading DER (X.690): one form for every value. Only what certificates have: low tags, lengths under 64 KiB. */
import { Rejection } from './errors.ts'

/** Identifier octets that certificates use. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  context0: 0xa0,
  context3: 0xa3,
} as const

export interface Der {
  readonly tag: number
  readonly content: Uint8Array
  /** With tag and length. */
  readonly whole: Uint8Array
}

/** Exactly one element. @throws Rejection `certificate-malformed` */
export function readDer(bytes: Uint8Array, tag?: number): Der {
  const element = readElement(bytes, 0)
  if (element.whole.length !== bytes.length) throw malformedCertificate('bytes after an element')
  return tag === undefined ? element : tagged(element, tag)
}

/** All elements in a constructed one, of the tag when given. @throws Rejection `certificate-malformed` */
export function elementsOf(parent: Der, tag?: number): readonly Der[] {
  if (tag !== undefined) tagged(parent, tag)
  const elements: Der[] = []
  for (let at = 0; at < parent.content.length;) {
    const element = readElement(parent.content, at)
    elements.push(element)
    at += element.whole.length
  }
  return elements
}

/** @throws Rejection `certificate-malformed` unless the element is there and has the tag */
export function tagged(element: Der | undefined, tag: number): Der {
  if (element?.tag === tag) return element
  throw malformedCertificate(`tag ${element?.tag ?? 'none'} where ${tag} belongs`)
}

/** The magnitude of a positive INTEGER, without its sign byte. @throws Rejection `certificate-malformed` */
export function readUnsigned(element: Der | undefined): Uint8Array {
  const { content } = tagged(element, TAG.integer)
  const [first = 0x80, second = 0x80] = content
  if (first > 0x7f) throw malformedCertificate('a negative integer')
  if (first !== 0 || content.length === 1) return content
  if (second < 0x80) throw malformedCertificate('an integer longer than needed')
  return content.subarray(1)
}

/** DER knows one true. @throws Rejection `certificate-malformed` */
export function readTrue(element: Der): true {
  const { content } = tagged(element, TAG.boolean)
  if (content.length === 1 && content[0] === 0xff) return true
  throw malformedCertificate('a boolean that is not written as der writes it')
}

function readElement(bytes: Uint8Array, start: number): Der {
  const [tag, first] = bytes.subarray(start, start + 2)
  if (tag === undefined || first === undefined) throw malformedCertificate('ends early')
  if ((tag & 31) === 31) throw malformedCertificate('a tag of several bytes')
  let at = start + 2
  let length = first
  if (first > 0x7f) {
    const size = first & 0x7f
    if (size < 1 || size > 2) throw malformedCertificate('a length that der does not write')
    length = 0
    for (const byte of bytes.subarray(at, at + size)) length = length * 256 + byte
    if (length < (size === 1 ? 0x80 : 0x100)) throw malformedCertificate('a length longer than needed')
    at += size
  }
  if (length > bytes.length - at) throw malformedCertificate('ends early')
  return { tag, content: bytes.subarray(at, at + length), whole: bytes.subarray(start, at + length) }
}

export function malformedCertificate(what: string): Rejection {
  return new Rejection('certificate-malformed', `certificate: ${what}`)
}
