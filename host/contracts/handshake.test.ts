import { randomBytes } from 'node:crypto'

import { describe, expect, test } from 'vitest'

import { sealAead } from '#host/crypto/aead.ts'
import { expand, extract } from '#host/crypto/derive.ts'
import { identityId } from '#host/crypto/identity.ts'
import { digest, nativeSecret } from '#host/crypto/kdf.ts'
import { encapsulate, generateKemKey } from '#host/crypto/kem.ts'
import { nativeCrypto as crypto } from '#host/crypto/native.ts'
import type { SigningKey } from '#host/crypto/port.ts'
import { exportSeed } from '#host/crypto/seed.ts'
import type { Session } from '#host/crypto/session.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { decodeEnvelope, encodeEnvelope, helloHeader } from '#host/wire/envelope.ts'
import { parseVaultId } from '#host/wire/id.ts'
import { refusalOf } from '#host/wire/refusal.fixture.ts'

import { accept, finish, hello, readHello } from './handshake.ts'
import { makeProfile, verifyProfile } from './profile.ts'

const random = (length: number) => new Uint8Array(randomBytes(length))
const utf8 = new TextEncoder()
const now = 1_000

const service = generateSigningKey()
const vault = generateSigningKey()
const prekey = generateKemKey()
const profileBytes = makeProfile(crypto, {
  vault: parseVaultId('alice'),
  signing: vault,
  prekey,
  documents: new Uint8Array(32),
  handlers: [],
}).bytes
const profile = verifyProfile(crypto, profileBytes)
const responder = { crypto, prekey, profileHash: profile.hash }
const offer = utf8.encode('a signed contract')
const decision = utf8.encode('phone declined')

const greet = () => hello({ crypto, signing: service, profile, offer, random })

function talk(from: Session, to: Session): void {
  const bind = utf8.encode('here')
  const envelope = decodeEnvelope(from.seal(utf8.encode('hi'), { bind, lane: 0, mid: random(16) }))
  if (envelope.kind !== 'data') throw new Error('expected data')
  expect(to.open(envelope, { bind }).plaintext).toEqual(utf8.encode('hi'))
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const changed = Uint8Array.from(bytes)
  changed[at] = (changed[at] ?? 0) ^ 1
  return changed
}

/** A hello made by hand: well sealed, with an inside of choice. */
function forge(inside: (th1: Uint8Array) => Uint8Array): Uint8Array {
  const { ciphertext: kemCiphertext, sharedSecret } = encapsulate(profile.prekey)
  const header = helloHeader({ profileHash: profile.hash, kemCiphertext })
  const k1 = nativeSecret(extract(crypto, digest('vine/1 hs', profile.hash), sharedSecret))
  const th1 = digest('vine/1 th', header)
  const key = expand(k1, 'hello key', th1)
  return encodeEnvelope({
    header,
    ciphertext: sealAead(key, { nonce: new Uint8Array(12), aad: header }, inside(th1)),
  })
}

/** What is inside an honest hello, signed by `signer` with `context`, in the name of `name`. */
function inner(
  signer: SigningKey,
  options: { context?: string; name?: SigningKey; hash?: Uint8Array; extra?: number } = {},
) {
  return (th1: Uint8Array) => {
    const { context = 'vine/1 hello', name = signer, hash = digest(offer), extra } = options
    const sig = name.publicKey
    const eph = generateKemKey().publicKey
    const statement = Uint8Array.from([...th1, ...digest(encodeCbor([sig, eph, hash]))])
    const s = signer.sign(context, statement)
    return encodeCbor({ s, eph, sig, hash, offer, ...(extra === undefined ? {} : { extra }) })
  }
}

describe('handshake', () => {
  test('leaves both sides with one session, the offer and the decision', () => {
    const { message, state } = greet()
    const read = readHello(responder, message)
    expect(read).toEqual({
      peerKey: service.publicKey,
      peerId: identityId(crypto, service.publicKey),
      offer,
    })
    const accepted = accept({ ...responder, hello: message, signing: vault, decision, now })
    const finished = finish(state, accepted.message, { crypto, now })
    expect(finished.decision).toEqual(decision)
    talk(finished.session, accepted.session)
    talk(accepted.session, finished.session)
  })

  test("may be accepted days later, from the hello's bytes and stored seeds", () => {
    const { message, state } = greet()
    const later = { crypto, prekey: generateKemKey(exportSeed(prekey)), profileHash: Uint8Array.from(profile.hash) }
    const signing = generateSigningKey(exportSeed(vault))
    const accepted = accept({ ...later, hello: Uint8Array.from(message), signing, decision, now })
    talk(finish(Uint8Array.from(state), accepted.message, { crypto, now }).session, accepted.session)
  })

  test("neither the initiator's key nor the offer is visible to the broker", () => {
    const { message } = greet()
    const text = message.toHex()
    expect(text).not.toContain(service.publicKey.subarray(0, 16).toHex())
    expect(text).not.toContain(offer.toHex())
  })

  test('accepting twice gives two sessions; the message of one does not finish the other', () => {
    const { message, state } = greet()
    const first = accept({ ...responder, hello: message, signing: vault, decision, now })
    const second = accept({ ...responder, hello: message, signing: vault, decision, now })
    const finished = finish(state, first.message, { crypto, now })
    talk(finished.session, first.session)
    expect(() => talk(finished.session, second.session)).toThrow('another connection')
  })
})

describe('hello', () => {
  test('refuses a profile whose prekey is none', () => {
    const bent = { ...profile, prekey: new Uint8Array(1_216).fill(255) }
    expect(refusalOf(() => hello({ crypto, signing: service, profile: bent, offer, random }))).toBe('handshake-failed')
  })
})

describe('readHello', () => {
  test('refuses a hello for another profile or prekey', () => {
    const { message } = greet()
    const rotated = { crypto, prekey, profileHash: random(32) }
    expect(refusalOf(() => readHello(rotated, message))).toBe('handshake-failed')
    expect(() => readHello(rotated, message)).toThrow('read the profile again')
    expect(refusalOf(() => readHello({ crypto, prekey: generateKemKey(), profileHash: profile.hash }, message))).toBe(
      'handshake-failed',
    )
  })

  test('refuses every kind of damage', () => {
    const { message } = greet()
    for (let at = 0; at < message.length; at += 53) {
      expect(refusalOf(() => readHello(responder, flipped(message, at)))).toMatch(
        /handshake-failed|malformed|too-large|unknown-suite/,
      )
    }
    const accepted = accept({ ...responder, hello: message, signing: vault, decision, now })
    expect(refusalOf(() => readHello(responder, accepted.message))).toBe('handshake-failed')
  })

  test('refuses a signature by another key, for another use, over another offer or another transcript', () => {
    expect(readHello(responder, forge(inner(service))).offer).toEqual(offer)
    const recorded = inner(service)(random(32))
    for (const message of [
      forge(inner(service, { name: vault })),
      forge(inner(service, { context: 'vine/1 accept' })),
      forge(inner(service, { hash: random(32) })),
      forge(inner(service, { extra: 1 })),
      forge(() => recorded),
      forge(() => encodeCbor([1])),
      forge(() => new Uint8Array(3)),
    ]) {
      expect(refusalOf(() => readHello(responder, message))).toBe('handshake-failed')
    }
  })
})

describe('finish', () => {
  test('refuses an answer to another hello', () => {
    const [one, other] = [greet(), greet()]
    const accepted = accept({ ...responder, hello: other.message, signing: vault, decision, now })
    expect(refusalOf(() => finish(one.state, accepted.message, { crypto, now }))).toBe('handshake-failed')
    expect(() => finish(one.state, accepted.message, { crypto, now })).toThrow('not of this hello')
    expect(refusalOf(() => finish(one.state, one.message, { crypto, now }))).toBe('handshake-failed')
  })

  test('refuses an answer signed by another than the vault of the profile', () => {
    const { message, state } = greet()
    const stolen = accept({ ...responder, hello: message, signing: generateSigningKey(), decision, now })
    expect(refusalOf(() => finish(state, stolen.message, { crypto, now }))).toBe('handshake-failed')
    const good = accept({ ...responder, hello: message, signing: vault, decision, now })
    expect(finish(state, good.message, { crypto, now }).decision).toEqual(decision)
  })

  test('refuses every kind of damage', () => {
    const { message, state } = greet()
    const accepted = accept({ ...responder, hello: message, signing: vault, decision, now })
    for (let at = 0; at < accepted.message.length; at += 41) {
      expect(refusalOf(() => finish(state, flipped(accepted.message, at), { crypto, now }))).toMatch(
        /handshake-failed|malformed|too-large|unknown-suite/,
      )
    }
    expect(refusalOf(() => finish(state.subarray(1), accepted.message, { crypto, now }))).toBe('malformed')
    talk(finish(state, accepted.message, { crypto, now }).session, accepted.session)
  })
})
