import { randomBytes } from 'node:crypto'

import { expect, test } from 'vitest'

import { identityId } from '#host/crypto/identity.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import type { Refusal } from '#host/errors.ts'
import { SANDBOX_BYTES_MAX, SANDBOX_NAME_CHARS_MAX } from './limits.ts'
import {
  type SandboxTerms,
  signSandbox,
  signSandboxAcceptance,
  verifySandbox,
  verifySandboxAcceptance,
} from './sandbox.ts'

const creator = generateSigningKey(new Uint8Array(randomBytes(64)))
const guest = generateSigningKey(new Uint8Array(randomBytes(64)))
const terms: SandboxTerms = {
  id: 's-0123456789abcdef',
  connection: 'c-1',
  name: 'House, 12 Rose Lane',
  creator: identityId(nativeCrypto, creator.publicKey),
  guest: identityId(nativeCrypto, guest.publicKey),
  rights: { creator: 'write', guest: 'approval' },
  takeBack: false,
  portability: 'mutual',
  purge: true,
  bytesMax: 100_000,
  createdAt: 1_800_000_000_000,
}
const codeOf = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    return (error as Refusal).code
  }
  return 'accepted'
}

test('terms are read as they were signed, and accepted by whom they are for', () => {
  const signed = verifySandbox(nativeCrypto, signSandbox(terms, creator), creator.publicKey)
  expect(signed.terms).toEqual(terms)
  const acceptance = signSandboxAcceptance(signed, guest, 1)
  expect(
    codeOf(() => verifySandboxAcceptance(nativeCrypto, acceptance, { about: signed, guestKey: guest.publicKey })),
  ).toBe('accepted')
})

test('a changed bit, another key, or another creator than who signs is refused', () => {
  const bytes = signSandbox(terms, creator)
  const changed = new Uint8Array(bytes)
  changed[40] = (changed[40] ?? 0) ^ 1
  expect(codeOf(() => verifySandbox(nativeCrypto, changed, creator.publicKey))).toBe('contract-invalid')
  expect(codeOf(() => verifySandbox(nativeCrypto, bytes, guest.publicKey))).toBe('contract-invalid')
  const forged = signSandbox(terms, guest)
  expect(codeOf(() => verifySandbox(nativeCrypto, forged, guest.publicKey))).toBe('contract-invalid')
})

test.each<[string, Partial<SandboxTerms>]>([
  ['a size over the limit', { bytesMax: SANDBOX_BYTES_MAX + 1 }],
  ['a name over the limit', { name: 'x'.repeat(SANDBOX_NAME_CHARS_MAX + 1) }],
  ['a name that hides something', { name: 'a\u202eb' }],
  ['an id of another form', { id: 'house' }],
])('%s is not signed', (_what, wrong) => {
  expect(codeOf(() => signSandbox({ ...terms, ...wrong }, creator))).toBe('contract-invalid')
})

test('a size and a name at the limit are signed', () => {
  const most = { ...terms, bytesMax: SANDBOX_BYTES_MAX, name: 'x'.repeat(SANDBOX_NAME_CHARS_MAX) }
  expect(codeOf(() => signSandbox(most, creator))).toBe('accepted')
})

test('an acceptance of other terms, or by somebody else, is none', () => {
  const signed = verifySandbox(nativeCrypto, signSandbox(terms, creator), creator.publicKey)
  const other = verifySandbox(nativeCrypto, signSandbox({ ...terms, purge: false }, creator), creator.publicKey)
  const acceptance = signSandboxAcceptance(other, guest, 1)
  expect(
    codeOf(() => verifySandboxAcceptance(nativeCrypto, acceptance, { about: signed, guestKey: guest.publicKey })),
  ).toBe('contract-stale')
  const own = signSandboxAcceptance(signed, creator, 1)
  expect(codeOf(() => verifySandboxAcceptance(nativeCrypto, own, { about: signed, guestKey: guest.publicKey }))).toBe(
    'contract-invalid',
  )
  expect(codeOf(() => verifySandboxAcceptance(nativeCrypto, own, { about: signed, guestKey: creator.publicKey }))).toBe(
    'contract-invalid',
  )
})
