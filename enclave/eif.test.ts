import { crc32 } from 'node:zlib'

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { encodeCbor } from '#host/wire/cbor.ts'
import { decodeEif, type Eif, type EifSection, encodeEif } from './eif.ts'
import { measureEif } from './eif-measure.ts'
import { Rejection } from './errors.ts'
import { makePki } from './pki.fixture.ts'
import { rejectionOf } from './rejection.fixture.ts'
import { extendedOnce } from './measurement.ts'
import { nativeEvidence, sha384 } from '#host/crypto/p384.ts'

const text = (value: string) => new TextEncoder().encode(value)
const kernel: EifSection = { kind: 'kernel', data: text('a kernel') }
const cmdline: EifSection = { kind: 'cmdline', data: text('reboot=k panic=30') }
const init: EifSection = { kind: 'ramdisk', data: text('an init') }
const app: EifSection = { kind: 'ramdisk', data: text('an application') }
const metadata: EifSection = { kind: 'metadata', data: text('{"ImageName":"trellis"}') }
const sections = [kernel, cmdline, metadata, init, app]
const eif: Eif = { architecture: 'x86_64', memoryBytes: 1 << 30, cpus: 2, sections }

/** The section that a signer appends: bytes as lists of integers. */
function signedBy(certificate: Uint8Array): EifSection {
  const pem = `-----BEGIN CERTIFICATE-----\n${certificate.toBase64()}\n-----END CERTIFICATE-----\n`
  const signature = { signing_certificate: [...text(pem)], signature: [1, 2, 3] }
  return { kind: 'signature', data: encodeCbor([signature]) }
}

/** The registers of a file with such a signature section. */
const measured = (data: Uint8Array) => measureEif({ ...eif, sections: [...sections, { kind: 'signature', data }] })

/** A register by the words of the specification. */
const of = (...parts: readonly EifSection[]) => extendedOnce(nativeEvidence, sha384(...parts.map(({ data }) => data)))

/** Bytes with a change, and the checksum of the changed file. */
function mended(bytes: Uint8Array, change: (view: DataView) => void): Uint8Array {
  const copy = bytes.slice()
  const view = new DataView(copy.buffer)
  change(view)
  view.setUint32(544, crc32(copy.subarray(548), crc32(copy.subarray(0, 544))))
  return copy
}

describe('the file', () => {
  test('is read as it was written, and the same sections give the same bytes', () => {
    const bytes = encodeEif(eif)
    expect(decodeEif(bytes)).toEqual(eif)
    expect(encodeEif(decodeEif(bytes))).toEqual(bytes)
    expect(decodeEif(encodeEif({ ...eif, architecture: 'arm64' })).architecture).toBe('arm64')
  })

  const bytes = encodeEif(eif)
  const damaged: readonly [string, Uint8Array][] = [
    ['another magic', mended(bytes, (view) => view.setUint8(0, 0))],
    ['another version', mended(bytes, (view) => view.setUint16(4, 3))],
    ['an unknown flag', mended(bytes, (view) => view.setUint16(6, 2))],
    ['fewer sections than there are', mended(bytes, (view) => view.setUint16(26, 4))],
    ['more sections than there are', mended(bytes, (view) => view.setUint16(26, 6))],
    ['an offset that points elsewhere', mended(bytes, (view) => view.setBigUint64(28 + 8, 548n))],
    ['two sizes of one section', mended(bytes, (view) => view.setBigUint64(28 + 256, 3n))],
    ['a size beyond the file', mended(bytes, (view) => view.setBigUint64(548 + 4, 1n << 40n))],
    ['a size beyond any number', mended(bytes, (view) => view.setBigUint64(548 + 4, 1n << 63n))],
    ['a section of no kind', mended(bytes, (view) => view.setUint16(548, 6))],
    ['a section of kind zero', mended(bytes, (view) => view.setUint16(548, 0))],
    ['bytes behind the last section', Uint8Array.of(...bytes, 0)],
    ['a cut file', bytes.subarray(0, -1)],
    ['a header alone', bytes.subarray(0, 548)],
    ['another checksum', bytes.with(544, bytes[544] === 0 ? 1 : 0)],
    ['a changed byte', bytes.with(600, (bytes[600] ?? 0) ^ 1)],
    ['two kernels', mended(bytes, (view) => view.setUint16(548 + 12 + kernel.data.length, 1))],
  ]
  test.each(damaged)('is refused with %s', (_, file) => {
    expect(rejectionOf(() => decodeEif(file))).toBe('eif-malformed')
  })

  test.each([
    ['no kernel', [cmdline, init]],
    ['two command lines', [kernel, cmdline, cmdline, init]],
    ['no ramdisk', [kernel, cmdline]],
    ['metadata twice', [...sections, metadata]],
    ['33 sections', [kernel, cmdline, ...Array.from({ length: 31 }, () => init)]],
  ])('is not made with %s', (_, parts) => {
    expect(rejectionOf(() => encodeEif({ ...eif, sections: parts }))).toBe('eif-malformed')
  })

  test('more sections than the table has are not looked for', () => {
    const many = mended(bytes, (view) => view.setUint16(26, 33))
    expect(() => decodeEif(many)).toThrow('eif: 33 sections, at most 32')
  })

  test('any bytes are read or refused', () => {
    const flips = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 8 })
    fc.assert(
      fc.property(flips, fc.boolean(), (changes, isMended) => {
        const change = (view: DataView) => {
          for (const [at, value] of changes) view.setUint8(at, value)
        }
        const copy = bytes.slice()
        change(new DataView(copy.buffer))
        const file = isMended ? mended(bytes, change) : copy
        try {
          const read = decodeEif(file)
          expect(decodeEif(encodeEif(read))).toEqual(read)
        } catch (error) {
          expect(error).toBeInstanceOf(Rejection)
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('the registers', () => {
  test('are of kernel, command line and ramdisks, in the order of the file', () => {
    const registers = measureEif(eif)
    expect(registers.get(0)).toEqual(of(kernel, cmdline, init, app))
    expect(registers.get(1)).toEqual(of(kernel, cmdline, init))
    expect(registers.get(2)).toEqual(of(app))
    expect(registers.has(8)).toBe(false)
    const turned = measureEif({ ...eif, sections: [cmdline, kernel, init, app] })
    expect(turned.get(0)).toEqual(of(cmdline, kernel, init, app))
  })

  test('do not know metadata, size or architecture', () => {
    const other: Eif = { architecture: 'arm64', memoryBytes: 1, cpus: 1, sections: [kernel, cmdline, init, app] }
    expect(measureEif(other)).toEqual(measureEif(eif))
  })

  // PCR2 in the documents of every enclave whose file has one ramdisk (public documents of QOS among them).
  test('without a second ramdisk PCR2 is the one that real enclaves report', () => {
    const registers = measureEif({ ...eif, sections: [kernel, cmdline, init] })
    expect(registers.get(2)?.toHex()).toMatch(/^21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c/)
  })

  test('a signed file has PCR8, of its certificate', () => {
    const { der } = makePki().leaf
    const registers = measureEif({ ...eif, sections: [...sections, signedBy(der)] })
    expect(registers.get(8)).toEqual(extendedOnce(nativeEvidence, sha384(der)))
    expect(registers.get(0)).toEqual(measureEif(eif).get(0))
  })

  test.each([
    ['no cbor', text('signature')],
    ['no list', encodeCbor({})],
    ['an empty list', encodeCbor([])],
    ['no certificate', encodeCbor([{ signature: [] }])],
    ['numbers that are no bytes', encodeCbor([{ signing_certificate: [256] }])],
    ['a certificate that is none', encodeCbor([{ signing_certificate: [...text('-----BEGIN')] }])],
  ])('a signature section is refused with %s', (_, data) => {
    expect(rejectionOf(() => measured(data))).toBe('eif-malformed')
  })

  test('neither section nor certificate is larger than real ones', () => {
    expect(() => measured(new Uint8Array(17_000))).toThrow('eif: its signature has 17000 bytes')
    const long = encodeCbor([{ signing_certificate: Array.from({ length: 3_000 }, () => 1) }])
    expect(() => measured(long)).toThrow('eif: its signature names no certificate')
  })
})
