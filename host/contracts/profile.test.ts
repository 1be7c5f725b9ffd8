import { describe, expect, test } from 'vitest'

import { generateKemKey } from '#host/crypto/kem.ts'
import { identityId } from '#host/crypto/identity.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import type { SigningKey } from '#host/crypto/port.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { type Cbor, encodeCbor } from '#host/wire/cbor.ts'
import { parseVaultId } from '#host/wire/id.ts'
import { refusalOf } from '#host/wire/refusal.fixture.ts'

import { makeProfile, verifyProfile } from './profile.ts'

const signing = generateSigningKey()
const prekey = generateKemKey()
const handlers: Cbor = [{ handler: 'data-access', events: { 'data.request': { delivery: 'critical' } } }]
const documents = new Uint8Array(32).fill(3)
const made = makeProfile(nativeCrypto, { vault: parseVaultId('alice'), signing, prekey, documents, handlers })

/** A profile signed as it should be over a body that may not be. */
function signedBody(change: Readonly<Record<string, Cbor>>, key: SigningKey = signing): Uint8Array {
  const body: Record<string, Cbor> = {
    v: 1,
    id: identityId(nativeCrypto, signing.publicKey),
    kem: prekey.publicKey,
    sig: signing.publicKey,
    vault: 'alice',
    documents,
    handlers,
    ...change,
  }
  const payload = encodeCbor(body)
  return encodeCbor(['vine/1 profile', payload, key.sign('vine/1 profile', payload)])
}

describe('verifyProfile', () => {
  test('reads what makeProfile signed', () => {
    const profile = verifyProfile(nativeCrypto, made.bytes, identityId(nativeCrypto, signing.publicKey))
    expect(profile.vault).toBe('alice')
    expect(profile.id).toEqual(identityId(nativeCrypto, signing.publicKey))
    expect(profile.verifyKey).toEqual(signing.publicKey)
    expect(profile.prekey).toEqual(prekey.publicKey)
    expect(profile.documents).toEqual(documents)
    expect(profile.handlers).toEqual(handlers)
    expect(profile.hash).toEqual(made.hash)
    expect(verifyProfile(nativeCrypto, signedBody({})).hash).toEqual(made.hash)
  })

  test('the same fields have the same hash, other ones another', () => {
    const again = makeProfile(nativeCrypto, { vault: parseVaultId('alice'), signing, prekey, documents, handlers })
    const rotated = makeProfile(nativeCrypto, {
      vault: parseVaultId('alice'),
      signing,
      prekey: generateKemKey(),
      documents,
      handlers,
    })
    expect(again.hash).toEqual(made.hash)
    expect(rotated.hash).not.toEqual(made.hash)
  })

  test('refuses another vault than the expected one', () => {
    const other = identityId(nativeCrypto, generateSigningKey().publicKey)
    expect(refusalOf(() => verifyProfile(nativeCrypto, made.bytes, other))).toBe('handshake-failed')
  })

  test.each<[string, Readonly<Record<string, Cbor>>]>([
    ['another version', { v: 2 }],
    ["an id that is not its key's", { id: new Uint8Array(32) }],
    ['a short prekey', { kem: new Uint8Array(1_215) }],
    ['another key', { sig: generateSigningKey().publicKey }],
    ['a short key', { sig: new Uint8Array(3) }],
    ['a vault id with a dot', { vault: 'a.b' }],
    ['a short key for documents', { documents: new Uint8Array(31) }],
    ['an unknown field', { more: 1 }],
  ])('refuses %s, though signed', (_, change) => {
    expect(refusalOf(() => verifyProfile(nativeCrypto, signedBody(change)))).toBe('handshake-failed')
  })

  test('refuses a signature of another key, and every kind of damage', () => {
    expect(refusalOf(() => verifyProfile(nativeCrypto, signedBody({}, generateSigningKey())))).toBe('handshake-failed')
    for (let at = 0; at < made.bytes.length; at += 61) {
      const changed = Uint8Array.from(made.bytes)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(refusalOf(() => verifyProfile(nativeCrypto, changed))).toBe('handshake-failed')
    }
    for (const bytes of [new Uint8Array(0), made.bytes.subarray(1), encodeCbor([1, 2, 3]), new Uint8Array(300_000)]) {
      expect(refusalOf(() => verifyProfile(nativeCrypto, bytes))).toBe('handshake-failed')
    }
  })
})
