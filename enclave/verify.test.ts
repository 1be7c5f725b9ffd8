import { X509Certificate } from 'node:crypto'

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { nativeEvidence } from '#host/crypto/p384.ts'

import { parseCertificate } from './certificate.ts'
import { revocationName } from './chain.ts'
import {
  acceptedDocuments,
  chainedDocuments,
  full,
  GIVEN,
  good,
  type JudgedDocument,
  pki,
  tamperedDocuments,
} from './documents.fixture.ts'
import { signedMessage } from './evidence.ts'
import { AT_MS, makeDocument, REGISTERS } from './pki.fixture.ts'
import { judgeEvidence } from './policy.ts'
import { onOne } from './providers.fixture.ts'
import { rejectionOf } from './rejection.fixture.ts'
import { decodeEvidence, verifyEvidence } from './verify.ts'

/** `at`: of many, which one. */
function verdict(given: Omit<JudgedDocument, 'verdict' | 'what'>, at = 0): string {
  const { document, roots, policy, question } = given
  return rejectionOf(() => {
    return onOne(at, (crypto) =>
      judgeEvidence(verifyEvidence(crypto, decodeEvidence(document), roots), policy, question),
    )
  })
}

describe('a document is accepted', () => {
  test.each(acceptedDocuments)('$what', (given) => expect(verdict(given)).toBe('accepted'))

  test('and says what it claims', () => {
    const evidence = decodeEvidence(makeDocument(pki, { nonce: full, user_data: null }))
    expect(evidence).toMatchObject({
      kind: 'nitro',
      hardware: true,
      moduleId: 'i-0123456789abcdef0-enc0123456789abcdef0',
    })
    expect(evidence.claims).toEqual({
      timestampMs: AT_MS,
      registers: REGISTERS,
      nonce: full,
      userData: undefined,
      publicKey: undefined,
    })
  })
})

describe('a document is rejected', () => {
  test.each(tamperedDocuments)('$verdict: $what', (given) => expect(verdict(given)).toBe(given.verdict))

  test('with any one byte changed', () => {
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, xor) => {
        const document = good.map((byte, index) => (index === at ? byte ^ xor : byte))
        expect(verdict({ ...GIVEN, document }, at)).not.toBe('accepted')
      }),
      { numRuns: 300 },
    )
  })
})

describe('a chain is rejected', () => {
  test.each(chainedDocuments)('$verdict: $what', (given) => expect(verdict(given)).toBe(given.verdict))

  test.each([...pki.bundle, pki.leaf].map((made) => [made.subject, made.der] as const))(
    'certificate-revoked: %s',
    (_subject, der) => {
      const revoked = new Set([revocationName(nativeEvidence, parseCertificate(der))])
      expect(verdict({ ...GIVEN, document: good, roots: { ...pki.roots, revoked } })).toBe('certificate-revoked')
    },
  )
})

test('certificates are read as the platform reads them', () => {
  for (const { der } of [...pki.bundle, pki.leaf]) {
    const ours = parseCertificate(der)
    const theirs = new X509Certificate(der)
    expect(ours.serial.toHex()).toBe(theirs.serialNumber.toLowerCase())
    expect(ours.notBeforeMs).toBe(Date.parse(theirs.validFrom))
    expect(ours.notAfterMs).toBe(Date.parse(theirs.validTo) + 999)
    expect(ours.extensions.isCa).toBe(theirs.ca)
  }
})

test('what is signed is the frame of COSE', () => {
  expect(signedMessage(Uint8Array.of(1), Uint8Array.of(2)).toHex()).toBe('846a5369676e6174757265314101404102')
})
