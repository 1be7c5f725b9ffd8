import { createHash } from 'node:crypto'

import { ed25519 } from '@noble/curves/ed25519.js'
import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { SIGN_BYTES_MAX } from '#host/limits.ts'

import { generateSecp256k1, signBip340, signEcdsa } from './secp256k1.ts'
import { isSignable, keyAlgorithms } from './key-algorithm.ts'
import { signerOf } from './signer.ts'

const hex = (text: string) => Uint8Array.fromHex(text)
const sha256 = (text: string) => new Uint8Array(createHash('sha256').update(text).digest())
const HALF_ORDER = secp256k1.Point.Fn.ORDER >> 1n
const secretBytes = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .filter((bytes) => secp256k1.utils.isValidSecretKey(bytes))
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })

/** Deterministic signatures over secp256k1 and SHA-256, as wallets agreed on them (bitcointalk 285142, CoreBitcoin). */
const rfc6979 = [
  {
    secret: '0000000000000000000000000000000000000000000000000000000000000001',
    message: 'Satoshi Nakamoto',
    signature:
      '934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8' +
      '2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5',
  },
  {
    secret: '0000000000000000000000000000000000000000000000000000000000000001',
    message: 'All those moments will be lost in time, like tears in rain. Time to die...',
    signature:
      '8600dbd41e348fe5c9465ab92d23e3db8b98b873beecd930736488696438cb6b' +
      '547fe64427496db33bf66019dacbf0039c04199abb0122918601db38a72cfc21',
  },
  {
    secret: 'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140',
    message: 'Satoshi Nakamoto',
    signature:
      'fd567d121db66e382991534ada77a6bd3106f0a1098c231e47993447cd6af2d0' +
      '6b39cd0eb1bc8603e159ef5c20a5c8ad685a45b06ce9bebed3f153d10d93bed5',
  },
  {
    secret: 'f8b8af8ce3c7cca5e300d33939540c10d45ce001b8f252bfbc57ba0342904181',
    message: 'Alan Turing',
    signature:
      '7063ae83e7f62bbb171798131b4a0564b956930092b33b07b395615d9ec7e15c' +
      '58dfcc1e00a35e1572f366ffe34ba0fc47db1e7189759b9fb233c5b05ab388ea',
  },
] as const

/** All vectors of BIP-340 that sign: secret key, public key, auxiliary randomness, message, signature. */
const bip340 = [
  [
    '0000000000000000000000000000000000000000000000000000000000000003',
    'f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9',
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0000000000000000000000000000000000000000000000000000000000000000',
    'e907831f80848d1069a5371b402410364bdf1c5f8307b0084c55f1ce2dca8215' +
      '25f66a4a85ea8b71e482a74f382d2ce5ebeee8fdb2172f477df4900d310536c0',
  ],
  [
    'b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfef',
    'dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659',
    '0000000000000000000000000000000000000000000000000000000000000001',
    '243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89',
    '6896bd60eeae296db48a229ff71dfe071bde413e6d43f917dc8dcf8c78de3341' +
      '8906d11ac976abccb20b091292bff4ea897efcb639ea871cfa95f6de339e4b0a',
  ],
  [
    'c90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b14e5c9',
    'dd308afec5777e13121fa72b9cc1b7cc0139715309b086c960e18fd969774eb8',
    'c87aa53824b4d7ae2eb035a2b5bbbccc080e76cdc6d1692c4b0b62d798e6d906',
    '7e2d58d8b3bcdf1abadec7829054f90dda9805aab56c77333024b9d0a508b75c',
    '5831aaeed7b44bb74e5eab94ba9d4294c49bcf2a60728d8b4c200f50dd313c1b' +
      'ab745879a5ad954a72c45a91c3a51d3c7adea98d82f8481e0e1e03674a6f3fb7',
  ],
  [
    '0b432b2677937381aef05bb02a66ecd012773062cf3fa2549e44f58ed2401710',
    '25d1dff95105f5253c4022f628a996ad3a0d95fbf21d468a1b33f8c160d8f517',
    'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    '7eb0509757e246f19449885651611cb965ecc1a187dd51b64fda1edc9637d5ec' +
      '97582b9cb13db3933705b32ba982af5af25fd78881ebb32771fc5922efc66ea3',
  ],
] as const

describe('ecdsa-secp256k1', () => {
  test.each(rfc6979)('$message, by $secret', ({ secret, message, signature }) => {
    expect(signEcdsa(generateSecp256k1(hex(secret)), sha256(message)).toHex()).toBe(signature)
  })

  test('signs the digest as it is given, r then a low s, as noble does and verifies', () => {
    fc.assert(
      fc.property(secretBytes, bytes32, (secret, digest) => {
        const signer = signerOf('ecdsa-secp256k1', secret)
        const signature = signer.sign(digest)
        expect(signature).toEqual(secp256k1.sign(digest, secret, { prehash: false, lowS: true }))
        expect(secp256k1.verify(signature, digest, signer.publicKey, { prehash: false, lowS: true })).toBe(true)
        expect(BigInt(`0x${signature.subarray(32).toHex()}`)).toBeLessThanOrEqual(HALF_ORDER)
      }),
      { numRuns: 20 },
    )
  })
})

describe('bip340', () => {
  test.each(bip340)('by %s', (secret, publicKey, auxiliary, message, signature) => {
    const key = generateSecp256k1(hex(secret))
    expect(key.publicKey.subarray(1).toHex()).toBe(publicKey)
    expect(signerOf('bip340', hex(secret)).publicKey.toHex()).toBe(publicKey)
    expect(signBip340(key, hex(message), hex(auxiliary)).toHex()).toBe(signature)
  })

  test('draws fresh randomness for each signature, and each verifies', () => {
    fc.assert(
      fc.property(secretBytes, bytes32, (secret, message) => {
        const signer = signerOf('bip340', secret)
        const signatures = [signer.sign(message), signer.sign(message)] as const
        expect(signatures[0]).not.toEqual(signatures[1])
        for (const signature of signatures) expect(schnorr.verify(signature, message, signer.publicKey)).toBe(true)
      }),
      { numRuns: 10 },
    )
  })
})

test('ed25519 signs as RFC 8032 has it', () => {
  const secret = hex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60')
  const signer = signerOf('ed25519', secret)
  expect(signer.publicKey).toEqual(ed25519.getPublicKey(secret))
  expect(signer.publicKey.toHex()).toBe('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a')
  expect(signer.sign(new Uint8Array()).toHex()).toBe(
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155' +
      '5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  )
})

test('a secret that is none, or of another length, makes no key; the caller’s bytes stay as they are', () => {
  for (const algorithm of keyAlgorithms) expect(() => signerOf(algorithm, new Uint8Array(31))).toThrow('32 bytes')
  expect(() => signerOf('bip340', new Uint8Array(32))).toThrow()
  const secret = new Uint8Array(32).fill(7)
  const signer = signerOf('ecdsa-secp256k1', secret)
  signer.sign(sha256('x'))
  expect(secret).toEqual(new Uint8Array(32).fill(7))
  expect(signer.sign(sha256('x'))).toEqual(signer.sign(sha256('x')))
})

test.each([
  ['ed25519', [0, 31, 33, SIGN_BYTES_MAX], [SIGN_BYTES_MAX + 1]],
  ['ecdsa-secp256k1', [32], [0, 31, 33]],
  ['bip340', [32], [0, 31, 33]],
] as const)('%s signs messages of its sizes only', (algorithm, sizes, others) => {
  expect(sizes.every((size) => isSignable(algorithm, size))).toBe(true)
  expect(others.some((size) => isSignable(algorithm, size))).toBe(false)
})
