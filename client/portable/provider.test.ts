import { randomBytes } from 'node:crypto'

import { expect, test } from 'vitest'

import { generateKemKey } from '#host/crypto/kem.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { nativeCrypto, nativeHashPassphrase, nativeOpener, nativeSigner } from '#host/entries/native.ts'
import { refusalOf } from '#host/wire/refusal.fixture.ts'

import { portableCrypto, portableHashPassphrase, portableOpener, portableSigner } from './provider.ts'

const random = (count: number) => new Uint8Array(randomBytes(count))
const portable = portableCrypto(random)

test('a digest, a derivation and a sealed message are the same bytes', () => {
  const [a, b, c] = [random(5), random(32), random(70)]
  expect(portable.digest(a, b)).toEqual(nativeCrypto.digest(a, b))
  const derivation = { input: a, salt: b, info: c, length: 96 }
  expect(portable.derive(derivation)).toEqual(nativeCrypto.derive(derivation))
  const context = { key: b, nonce: random(12), aad: a }
  expect(portable.seal(context, c)).toEqual(nativeCrypto.seal(context, c))
  expect(portable.open(context, nativeCrypto.seal(context, c))).toEqual(c)
})

test('each opens and verifies what the other made, with the key of one seed', () => {
  const [seed, message] = [random(64), random(100)]
  const signers = [nativeSigner(generateSigningKey(seed)), portableSigner(seed, random), portableSigner(seed)]
  for (const signer of signers) {
    const { publicKey } = signer
    expect(publicKey).toEqual(signers[0]?.publicKey)
    const signature = signer.sign('entries/1 test', message)
    for (const crypto of [portable, nativeCrypto]) {
      expect(crypto.verify({ publicKey, context: 'entries/1 test', message, signature })).toBe(true)
      expect(crypto.verify({ publicKey, context: 'entries/1 other', message, signature })).toBe(false)
    }
  }
  const sealing = random(32)
  const openers = [nativeOpener(generateKemKey(sealing)), portableOpener(sealing)]
  for (const { publicKey } of openers) {
    for (const crypto of [portable, nativeCrypto]) {
      const { ciphertext, sharedSecret } = crypto.encapsulate(publicKey)
      for (const opener of openers) expect(opener.decapsulate(ciphertext)).toEqual(sharedSecret)
    }
  }
})

test.each([
  ['native', nativeCrypto],
  ['portable', portable],
])('either half of a hybrid corrupted is refused: %s', (_name, crypto) => {
  const [seed, message] = [random(64), random(100)]
  const signer = portableSigner(seed)
  const { publicKey } = signer
  const signature = signer.sign('entries/1 test', message)
  for (const at of [0, 3_308, 3_309, 3_372]) {
    const bad = signature.with(at, (signature[at] as number) ^ 1)
    expect(crypto.verify({ publicKey, context: 'entries/1 test', message, signature: bad })).toBe(false)
  }
  for (const at of [0, 1_951, 1_952, 1_983]) {
    const bad = publicKey.with(at, (publicKey[at] as number) ^ 1)
    expect(crypto.verify({ publicKey: bad, context: 'entries/1 test', message, signature })).toBe(false)
  }
  for (const length of [0, 3_372]) {
    const short = signature.slice(0, length)
    expect(crypto.verify({ publicKey, context: 'entries/1 test', message, signature: short })).toBe(false)
  }
  expect(crypto.verify({ publicKey: publicKey.slice(1), context: 'entries/1 test', message, signature })).toBe(false)
  const opener = portableOpener(random(32))
  const { ciphertext, sharedSecret } = crypto.encapsulate(opener.publicKey)
  for (const at of [0, 1_087, 1_088, 1_119]) {
    expect(opener.decapsulate(ciphertext.with(at, (ciphertext[at] as number) ^ 1))).not.toEqual(sharedSecret)
  }
})

test('what is no key, no ciphertext and no sealed message is refused alike', () => {
  const native = nativeOpener(generateKemKey())
  for (const opener of [native, portableOpener(random(32))]) {
    expect(refusalOf(() => opener.decapsulate(random(1_119)))).toBe('malformed')
    const lowOrder = new Uint8Array(1_120)
    expect(refusalOf(() => opener.decapsulate(lowOrder))).toBe('malformed')
  }
  for (const crypto of [nativeCrypto, portable]) {
    expect(refusalOf(() => crypto.encapsulate(random(1_215)))).toBe('malformed')
    expect(refusalOf(() => crypto.encapsulate(new Uint8Array(1_216).fill(255)))).toBe('malformed')
    const context = { key: random(32), nonce: random(12), aad: random(3) }
    expect(refusalOf(() => crypto.open(context, random(15)))).toBe('unopenable')
    expect(refusalOf(() => crypto.open(context, random(40)))).toBe('unopenable')
  }
})

test('a passphrase gives the same 32 bytes', async () => {
  const input = { passphrase: random(20), salt: random(16), memoryKiB: 64, passes: 2, lanes: 1 }
  expect(await portableHashPassphrase(input)).toEqual(await nativeHashPassphrase(input))
})
