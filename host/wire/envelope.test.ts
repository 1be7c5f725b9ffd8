import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { HEADER_BYTES_MAX, MESSAGE_BYTES_MAX, SEQUENCE_MAX } from '#host/limits.ts'

import { type Cbor, encodeCbor } from './cbor.ts'
import {
  acceptHeader,
  type DataHeader,
  dataHeader,
  decodeEnvelope,
  encodeEnvelope,
  helloHeader,
  KEM_CIPHERTEXT_BYTES,
  type Lane,
} from './envelope.ts'
import { refusalOf } from './refusal.fixture.ts'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const ciphertext = fc.uint8Array({ minLength: 16, maxLength: 500 })
const header: fc.Arbitrary<DataHeader> = fc.record({
  kind: fc.constantFrom('data' as const, 'rekey-offer' as const, 'rekey-answer' as const),
  cid: bytes(8),
  epoch: fc.nat({ max: 2 ** 32 - 1 }),
  lane: fc.constantFrom<Lane>(0, 1),
  seq: fc.maxSafeInteger().map((seq) => Math.abs(seq) % (SEQUENCE_MAX + 1)),
  mid: bytes(16),
})

/** An envelope with this header; a good data header when nothing is changed. */
function envelope(change: (fields: Cbor[]) => Cbor = (fields) => fields): Uint8Array {
  const fields: Cbor[] = [1, 1, 0, new Uint8Array(8), 0, 0, 0, new Uint8Array(16)]
  return encodeCbor([encodeCbor(change(fields)), new Uint8Array(16)])
}

describe('decodeEnvelope', () => {
  test('is the inverse of encodeEnvelope for data and rekey', () => {
    fc.assert(
      fc.property(header, ciphertext, (fields, sealed) => {
        const encoded = dataHeader(fields)
        expect(encoded.length).toBeLessThanOrEqual(48)
        const decoded = decodeEnvelope(encodeEnvelope({ header: encoded, ciphertext: sealed }))
        expect(decoded).toEqual({ ...fields, header: encoded, ciphertext: sealed })
      }),
    )
  })

  test('is the inverse for hello and accept', () => {
    fc.assert(
      fc.property(bytes(32), bytes(KEM_CIPHERTEXT_BYTES), ciphertext, (hash, kemCiphertext, sealed) => {
        const hello = helloHeader({ profileHash: hash, kemCiphertext })
        expect(hello.length).toBeLessThanOrEqual(HEADER_BYTES_MAX)
        expect(decodeEnvelope(encodeEnvelope({ header: hello, ciphertext: sealed }))).toEqual({
          kind: 'hello',
          profileHash: hash,
          kemCiphertext,
          header: hello,
          ciphertext: sealed,
        })
        const accept = acceptHeader({ transcript: hash, kemCiphertext })
        expect(decodeEnvelope(encodeEnvelope({ header: accept, ciphertext: sealed }))).toEqual({
          kind: 'accept',
          transcript: hash,
          kemCiphertext,
          header: accept,
          ciphertext: sealed,
        })
      }),
      { numRuns: 20 },
    )
  })

  test('an unknown suite is told apart, whatever follows it', () => {
    expect(decodeEnvelope(envelope()).kind).toBe('data')
    expect(refusalOf(() => decodeEnvelope(envelope((fields) => fields.with(1, 2))))).toBe('unknown-suite')
    expect(refusalOf(() => decodeEnvelope(envelope(() => [1, 'x'])))).toBe('unknown-suite')
    expect(refusalOf(() => decodeEnvelope(envelope((fields) => fields.with(0, 2))))).toBe('malformed')
  })

  test.each<[string, (fields: Cbor[]) => Cbor]>([
    ['kind 3', (fields) => fields.with(2, 3)],
    ['kind 6', (fields) => fields.with(2, 6)],
    ['no kind', () => [1, 1]],
    ['a map', () => ({ a: 1 })],
    ['a field more', (fields) => [...fields, 0]],
    ['a field less', (fields) => fields.slice(0, 7)],
    ['a short cid', (fields) => fields.with(3, new Uint8Array(7))],
    ['a cid of text', (fields) => fields.with(3, '12345678')],
    ['a negative epoch', (fields) => fields.with(4, -1)],
    ['an epoch over 32 bits', (fields) => fields.with(4, 2 ** 32)],
    ['lane 2', (fields) => fields.with(5, 2)],
    ['a negative seq', (fields) => fields.with(6, -1)],
    ['a seq over the limit', (fields) => fields.with(6, SEQUENCE_MAX + 1)],
    ['a 64-bit seq', (fields) => fields.with(6, 2n ** 63n)],
    ['a long mid', (fields) => fields.with(7, new Uint8Array(17))],
    ['a hello with a short hash', () => [1, 1, 1, new Uint8Array(31), new Uint8Array(KEM_CIPHERTEXT_BYTES)]],
    ['a hello with a short ciphertext', () => [1, 1, 1, new Uint8Array(32), new Uint8Array(1_119)]],
    ['a hello with a field more', () => [1, 1, 1, new Uint8Array(32), new Uint8Array(KEM_CIPHERTEXT_BYTES), 0]],
    ["kind 7 with a hello's fields", () => [1, 1, 7, new Uint8Array(32), new Uint8Array(KEM_CIPHERTEXT_BYTES)]],
  ])('refuses a header with %s', (_, change) => {
    expect(refusalOf(() => decodeEnvelope(envelope(change)))).toBe('malformed')
  })

  test.each<[string, Cbor]>([
    ['no array', new Uint8Array(30)],
    ['one part', [new Uint8Array(30)]],
    ['text for a header', ['x', new Uint8Array(16)]],
    ['text for a ciphertext', [new Uint8Array(30), 'x'.repeat(16)]],
    ['a ciphertext shorter than its tag', [dataHeader(exampleHeader()), new Uint8Array(15)]],
  ])('refuses %s', (_, outer) => {
    expect(refusalOf(() => decodeEnvelope(encodeCbor(outer)))).toBe('malformed')
  })

  test('limits come first', () => {
    expect(refusalOf(() => decodeEnvelope(new Uint8Array(MESSAGE_BYTES_MAX + 1)))).toBe('too-large')
    const wide = encodeCbor([new Uint8Array(HEADER_BYTES_MAX + 1), new Uint8Array(16)])
    expect(refusalOf(() => decodeEnvelope(wide))).toBe('too-large')
    expect(refusalOf(() => decodeEnvelope(envelope((fields) => fields.with(7, [[0]]))))).toBe('too-large')
    const large = { header: new Uint8Array(10), ciphertext: new Uint8Array(MESSAGE_BYTES_MAX) }
    expect(refusalOf(() => encodeEnvelope(large))).toBe('too-large')
  })

  test('reads nothing but the one encoding', () => {
    fc.assert(
      fc.property(header, ciphertext, fc.nat(), fc.nat(255), (fields, sealed, at, byte) => {
        const encoded = encodeEnvelope({ header: dataHeader(fields), ciphertext: sealed })
        encoded[at % encoded.length] = byte
        try {
          const decoded = decodeEnvelope(encoded)
          expect(encodeEnvelope(decoded)).toEqual(encoded)
          if ('cid' in decoded) expect(dataHeader(decoded)).toEqual(decoded.header)
        } catch (error) {
          expect(
            refusalOf(() => {
              throw error
            }),
          ).toMatch(/malformed|too-large|unknown-suite/)
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

function exampleHeader(): DataHeader {
  return { kind: 'data', cid: new Uint8Array(8), epoch: 0, lane: 0, seq: 0, mid: new Uint8Array(16) }
}
