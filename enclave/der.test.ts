import { generateKeyPairSync } from 'node:crypto'

import { expect, test } from 'vitest'

import { parseCertificate } from './certificate.ts'
import { elementsOf, readDer, readTrue, readUnsigned } from './der.ts'
import { makePki } from './pki.fixture.ts'
import { onBoth } from './providers.fixture.ts'
import { rejectionOf } from './rejection.fixture.ts'

const read = (hex: string) => readDer(Uint8Array.fromHex(hex))

test.each<[string, string]>([
  ['020101', '01'],
  ['02020080', '80'],
  ['020100', '00'],
])('%s is the integer %s', (hex, magnitude) => expect(readUnsigned(read(hex)).toHex()).toBe(magnitude))

test.each([
  ['0200', 'no digits'],
  ['020180', 'negative'],
  ['0202007f', 'longer than needed'],
  ['040101', 'another type'],
])('%s is no integer: %s', (hex) => expect(rejectionOf(() => readUnsigned(read(hex)))).toBe('certificate-malformed'))

test.each([
  ['', 'nothing'],
  ['02', 'no length'],
  ['020201', 'ends early'],
  ['02010100', 'a byte more'],
  ['3080', 'an indefinite length'],
  ['028101aa', 'a length longer than needed'],
  [`0282007f${'00'.repeat(127)}`, 'a length longer than needed'],
  [`02830000801${'0'.repeat(255)}`, 'a length of three bytes'],
  ['1f8101', 'a tag of several bytes'],
])('%s is not read: %s', (hex) => expect(rejectionOf(() => read(hex))).toBe('certificate-malformed'))

test('a list is read to its end', () => {
  expect(elementsOf(read('3006020101020102')).map(({ content }) => content.toHex())).toEqual(['01', '02'])
  expect(rejectionOf(() => elementsOf(read('300402010102')))).toBe('certificate-malformed')
  expect(rejectionOf(() => elementsOf(read('3003020101'), 0x31))).toBe('certificate-malformed')
})

test('true has one form', () => {
  expect(readTrue(read('0101ff'))).toBe(true)
  for (const hex of ['010101', '010100', '0102ffff', '0201ff']) {
    expect(rejectionOf(() => readTrue(read(hex)))).toBe('certificate-malformed')
  }
})

/** A certificate with bytes put in the place of others. What it says is read before its signature is checked. */
function certificateWith(from: string, to: string): string {
  const hex = makePki().leaf.der.toHex()
  if (!hex.includes(from)) throw new Error(`no ${from} in the certificate`)
  return rejectionOf(() => parseCertificate(Uint8Array.fromHex(hex.replace(from, to))))
}
const ascii = (text: string) => new TextEncoder().encode(text).toHex()

test('a time that does not exist, or is written otherwise, is none', () => {
  expect(certificateWith(ascii('260601110000Z'), ascii('260601110001Z'))).toBe('accepted')
  for (const time of ['260631110000Z', '260601250000Z', '2606011100000', '26060111000 Z']) {
    expect(certificateWith(ascii('260601110000Z'), ascii(time)), time).toBe('certificate-malformed')
  }
  expect(certificateWith(`170d${ascii('260601110000Z')}`, `180d${ascii('260601110000Z')}`)).toBe(
    'certificate-malformed',
  )
})

test('a signature has whole bytes and two integers', () => {
  const { der } = makePki().leaf
  const hex = der.toHex()
  const start = hex.lastIndexOf('300a06082a8648ce3d040303') + 24
  const odd = `${hex.slice(0, start + 4)}01${hex.slice(start + 6)}`
  expect(hex.slice(start, start + 2)).toBe('03')
  expect(rejectionOf(() => parseCertificate(der))).toBe('accepted')
  expect(rejectionOf(() => parseCertificate(Uint8Array.fromHex(odd)))).toBe('certificate-malformed')
})

const isKey = (bytes: Uint8Array) => onBoth((crypto) => crypto.p384(bytes) !== undefined)
const spki = (namedCurve: string) =>
  new Uint8Array(generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'der', type: 'spki' }))

test('a key is a point of P-384 and of no curve that looks like it', () => {
  const good = spki('P-384')
  expect(isKey(good)).toBe(true)
  expect(isKey(spki('P-256'))).toBe(false)
  // A hybrid point (X9.62): the same point and size, which OpenSSL takes.
  const hybrid = good.slice()
  hybrid[23] = 6 | ((good.at(-1) ?? 0) & 1)
  expect(isKey(hybrid)).toBe(false)
  const off = good.map((byte, index) => (index === good.length - 1 ? byte ^ 1 : byte))
  expect(isKey(off)).toBe(false)
})
