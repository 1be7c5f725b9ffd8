/** Both providers: the same bytes from the same randomness, each opens what the other made, and published vectors. */
import { hkdfSync, randomBytes } from 'node:crypto'

import { ml_dsa65 } from '@noble/post-quantum/ml-dsa.js'
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js'
import { describe, expect, test } from 'vitest'

import { refusalOf } from '#host/wire/refusal.fixture.ts'

import { expand, extract } from './derive.ts'
import { openHpke, sealHpke } from './hpke.ts'
import { nativeCrypto } from './native.ts'
import type { Suite } from './port.ts'
import { portableCrypto } from './portable.ts'
import { answerRekey, finishRekey, offerRekey } from './rekey.ts'
import { createSession, exportSession, importSession, type Session } from './session.ts'
import { bind, envelopeOf, openBytes, textOf } from './session.fixture.ts'
import { bytesIn, wycheproof } from './wycheproof.fixture.ts'

const random = (count: number) => new Uint8Array(randomBytes(count))
const utf8 = (text: string) => new TextEncoder().encode(text)
const portable = portableCrypto(random)
const suites = [
  ['native', nativeCrypto],
  ['portable', portable],
] as const
const others = [
  ['native to portable', nativeCrypto, portable],
  ['portable to native', portable, nativeCrypto],
] as const
const equal = (a: Uint8Array, b: Uint8Array) => Buffer.from(a).equals(b)

test('a digest, a derivation, a code and a sealed message are the same bytes', () => {
  const [a, b, c] = [random(5), random(32), random(70)]
  expect(portable.digest('text é', a, b)).toEqual(nativeCrypto.digest('text é', a, b))
  const derivation = { input: a, salt: b, info: c, length: 96 }
  expect(portable.derive(derivation)).toEqual(nativeCrypto.derive(derivation))
  for (const hash of ['sha256', 'sha512'] as const) {
    const [ours, theirs] = [portable.secret(b.slice()), nativeCrypto.secret(b.slice())]
    expect(ours.hmac(hash, 'label\0', a, c)).toEqual(theirs.hmac(hash, 'label\0', a, c))
  }
  const context = { key: b, nonce: random(12), aad: a }
  expect(portable.seal(context, c)).toEqual(nativeCrypto.seal(context, c))
  expect(portable.open(context, nativeCrypto.seal(context, c))).toEqual(c)
})

test('each verifies what the other signed and opens what it encapsulated, with the key of one seed', () => {
  const [seed, message] = [random(64), random(100)]
  const deterministic = portableCrypto((count) => new Uint8Array(count))
  const signers = [nativeCrypto, portable, deterministic].map((crypto) => crypto.signingKey(seed))
  for (const signer of signers) {
    const { publicKey } = signer
    expect(publicKey).toEqual(signers[0]?.publicKey)
    expect(signer.seed.export()).toEqual(seed)
    const signature = signer.sign('entries/1 test', message)
    for (const [, crypto] of suites) {
      expect(crypto.verify({ publicKey, context: 'entries/1 test', message, signature })).toBe(true)
      expect(crypto.verify({ publicKey, context: 'entries/1 other', message, signature })).toBe(false)
    }
  }
  const sealing = random(32)
  const openers = suites.map(([, crypto]) => crypto.openingKey(sealing))
  for (const { publicKey, seed: kept } of openers) {
    expect(kept.export()).toEqual(sealing)
    for (const [, crypto] of suites) {
      const { ciphertext, sharedSecret } = crypto.encapsulate(publicKey)
      for (const opener of openers) expect(opener.decapsulate(ciphertext)).toEqual(sharedSecret)
    }
  }
})

test('a passphrase gives the same 32 bytes', async () => {
  const input = { passphrase: random(20), salt: random(16), memoryKiB: 64, passes: 2, lanes: 1 }
  expect(await portable.hashPassphrase(input)).toEqual(await nativeCrypto.hashPassphrase(input))
})

describe.each(suites)('%s', (_name, crypto) => {
  test('derives by HKDF-SHA-256 with a labelled info', () => {
    const [salt, secret, context] = [random(32), random(32), random(7)]
    const info = Uint8Array.from([...utf8('vine/1 root\0'), ...context])
    const expected = new Uint8Array(hkdfSync('sha256', secret, salt, info, 32))
    const derive = (label: string, ...contexts: readonly Uint8Array[]) =>
      expand(crypto.secret(extract(crypto, salt.slice(), secret)), label, ...contexts)
    expect(derive('root', context)).toEqual(expected)
    expect(derive('root', context.slice(0, 3), context.slice(3))).toEqual(expected)
    expect(derive('other', context)).not.toEqual(expected)
  })

  test('takes a secret over, and gives copies', () => {
    const bytes = random(32)
    const copy = bytes.slice()
    const secret = crypto.secret(bytes)
    expect(bytes).toEqual(new Uint8Array(32))
    secret.export().fill(0)
    expect(secret.export()).toEqual(copy)
  })

  test('leaves a seed to its giver, and draws a fresh one without', () => {
    const [seed, sealing] = [random(64), random(32)]
    const [signer, opener] = [crypto.signingKey(seed), crypto.openingKey(sealing)]
    const [kept, keptSealing] = [seed.slice(), sealing.slice()]
    seed.fill(0)
    sealing.fill(0)
    expect(signer.seed.export()).toEqual(kept)
    expect(opener.seed.export()).toEqual(keptSealing)
    const { ciphertext, sharedSecret } = crypto.encapsulate(opener.publicKey)
    expect(opener.decapsulate(ciphertext)).toEqual(sharedSecret)
    expect(crypto.signingKey().publicKey).not.toEqual(crypto.signingKey().publicKey)
    expect(crypto.openingKey().publicKey).not.toEqual(crypto.openingKey().publicKey)
    expect(() => crypto.signingKey(sealing)).toThrow('64 bytes')
    expect(() => crypto.openingKey(seed)).toThrow('32 bytes')
  })

  test('refuses either half of a hybrid corrupted', () => {
    const message = random(100)
    const signer = portable.signingKey()
    const { publicKey } = signer
    const context = 'entries/1 test'
    const signature = signer.sign(context, message)
    for (const at of [0, 3_308, 3_309, 3_372]) {
      const bad = signature.with(at, (signature[at] as number) ^ 1)
      expect(crypto.verify({ publicKey, context, message, signature: bad })).toBe(false)
    }
    for (const at of [0, 1_951, 1_952, 1_983]) {
      const bad = publicKey.with(at, (publicKey[at] as number) ^ 1)
      expect(crypto.verify({ publicKey: bad, context, message, signature })).toBe(false)
    }
    for (const length of [0, 3_372]) {
      expect(crypto.verify({ publicKey, context, message, signature: signature.slice(0, length) })).toBe(false)
    }
    expect(crypto.verify({ publicKey: publicKey.slice(1), context, message, signature })).toBe(false)
    const opener = portable.openingKey()
    const { ciphertext, sharedSecret } = crypto.encapsulate(opener.publicKey)
    for (const at of [0, 1_087, 1_088, 1_119]) {
      expect(opener.decapsulate(ciphertext.with(at, (ciphertext[at] as number) ^ 1))).not.toEqual(sharedSecret)
    }
  })

  test('refuses what is no key, no ciphertext and no sealed message alike', () => {
    const opener = crypto.openingKey()
    expect(refusalOf(() => opener.decapsulate(random(1_119)))).toBe('malformed')
    expect(refusalOf(() => opener.decapsulate(new Uint8Array(1_120)))).toBe('malformed')
    expect(refusalOf(() => crypto.encapsulate(random(1_215)))).toBe('malformed')
    expect(refusalOf(() => crypto.encapsulate(new Uint8Array(1_216).fill(255)))).toBe('malformed')
    const context = { key: random(32), nonce: random(12), aad: random(3) }
    expect(refusalOf(() => crypto.open(context, random(15)))).toBe('unopenable')
    expect(refusalOf(() => crypto.open(context, random(40)))).toBe('unopenable')
    expect(() => crypto.seal({ ...context, nonce: random(16) }, random(3))).toThrow('12 bytes')
    expect(() => crypto.open({ ...context, nonce: random(16) }, random(40))).toThrow('12 bytes')
    expect(() => crypto.signingKey().sign('x'.repeat(256), random(3))).toThrow('255')
  })

  // No vector of this file is "acceptable". Keys of 128 and 192 bits and nonces other than 96 bits are valid GCM and
  // outside the suite: those are passed over.
  wycheproof('aes_gcm_test', (vector, group) => {
    if (group['keySize'] !== 256 || group['ivSize'] !== 96) return vector.result === 'valid'
    const context = { key: bytesIn(vector, 'key'), nonce: bytesIn(vector, 'iv'), aad: bytesIn(vector, 'aad') }
    const sealed = Uint8Array.from([...bytesIn(vector, 'ct'), ...bytesIn(vector, 'tag')])
    const message = bytesIn(vector, 'msg')
    try {
      return equal(crypto.open(context, sealed), message) && equal(crypto.seal(context, message), sealed)
    } catch {
      return false
    }
  })

  wycheproof('hkdf_sha256_test', (vector) => {
    const length = Number(vector['size'])
    if (length > 255 * 32) return false
    const [salt, input, info] = [bytesIn(vector, 'salt'), bytesIn(vector, 'ikm'), bytesIn(vector, 'info')]
    return equal(crypto.derive({ salt, input, info, length }), bytesIn(vector, 'okm'))
  })

  for (const hash of ['sha256', 'sha512'] as const) {
    wycheproof(`hmac_${hash}_test`, (vector) => {
      const tag = bytesIn(vector, 'tag')
      const code = crypto.secret(bytesIn(vector, 'key')).hmac(hash, bytesIn(vector, 'msg'))
      return equal(code.subarray(0, tag.length), tag)
    })
  }
})

/** What `portable.ts` puts its hybrids together from; `wycheproof.test.ts` has the same of OpenSSL. */
describe('portable halves', () => {
  wycheproof('mldsa_65_verify_test', (vector, group) => {
    const context = vector['ctx'] === undefined ? {} : { context: bytesIn(vector, 'ctx') }
    try {
      return ml_dsa65.verify(bytesIn(vector, 'sig'), bytesIn(vector, 'msg'), bytesIn(group, 'publicKey'), context)
    } catch {
      return false
    }
  })

  wycheproof('mlkem_768_test', (vector) => {
    try {
      const { secretKey } = ml_kem768.keygen(bytesIn(vector, 'seed'))
      return equal(ml_kem768.decapsulate(bytesIn(vector, 'c'), secretKey), bytesIn(vector, 'K'))
    } catch {
      return false
    }
  })
})

/** The provider with what OpenSSL draws by itself drawn from a fixed row. */
function steered(crypto: Suite): Suite {
  let drawn = 0
  const draw = (count: number) => new Uint8Array(count).fill(++drawn)
  const fixed = portableCrypto(draw)
  return {
    ...crypto,
    encapsulate: (publicKey) => fixed.encapsulate(publicKey),
    openingKey: (seed) => crypto.openingKey(seed ?? draw(32)),
  }
}

/** Every byte of a conversation that moves to its next epoch, and what both sides would store. */
function conversation(initiator: Suite, responder: Suite): readonly Uint8Array[] {
  const root = new Uint8Array(32).fill(7)
  const a = createSession(initiator, root.slice(), { role: 'initiator', now: 0 })
  const b = createSession(responder, root, { role: 'responder', now: 0 })
  const bytes: Uint8Array[] = []
  let sent = 0
  const mid = () => new Uint8Array(16).fill(++sent)
  const say = (from: Session, to: Session, text: string) => {
    const envelope = from.seal(utf8(text), { bind, lane: 0, mid: mid() })
    const opened = openBytes(to, envelope)
    expect(textOf(opened)).toBe(text)
    opened.mark()
    bytes.push(envelope)
  }
  say(a, b, 'hello')
  say(b, a, 'good day')
  const moment = () => ({ bind, mid: mid(), now: 1 })
  const offer = envelopeOf(offerRekey(a, moment()) ?? new Uint8Array(0))
  const answer = answerRekey(b, { envelope: offer, opened: b.open(offer, { bind }) }, moment()) ?? new Uint8Array(0)
  const answered = envelopeOf(answer)
  expect(finishRekey(a, { envelope: answered, opened: a.open(answered, { bind }) }, 1)).toBe(true)
  say(a, b, 'in the next epoch')
  say(b, a, 'here too')
  return [...bytes, answer, exportSession(a), exportSession(b)]
}

test('a conversation is the same bytes whoever speaks, epochs and stored sessions included', () => {
  const expected = conversation(steered(nativeCrypto), steered(nativeCrypto))
  for (const [, one, other] of others) expect(conversation(steered(one), steered(other))).toEqual(expected)
})

describe.each(others)('%s', (_name, one, other) => {
  test('goes on with a session that the other stored', () => {
    const root = random(32)
    const a = createSession(one, root.slice(), { role: 'initiator', now: 0 })
    const b = createSession(one, root, { role: 'responder', now: 0 })
    const moved = importSession(other, exportSession(a))
    expect(textOf(openBytes(b, moved.seal(utf8('moved'), { bind, lane: 0, mid: random(16) })))).toBe('moved')
  })

  test('opens what was sealed by HPKE, with one key for the answer', () => {
    const by = other.openingKey()
    const about = { info: utf8('a use'), aad: utf8('a document') }
    const { bytes, answerKey } = sealHpke(one, { ...about, to: by.publicKey }, utf8('a secret'))
    const opened = openHpke(other, { ...about, by }, bytes)
    expect(opened).toEqual({ plaintext: utf8('a secret'), answerKey })
    expect(refusalOf(() => openHpke(other, { ...about, aad: utf8('another'), by }, bytes))).toBe('unopenable')
  })
})
