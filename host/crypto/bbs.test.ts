/** Known values: draft-irtf-cfrg-bbs-signatures-10 §8.4, ciphersuite BLS12-381-SHA-256. */
import { expand_message_xmd } from '@noble/curves/abstract/hash-to-curve.js'
import { bls12_381 } from '@noble/curves/bls12-381.js'
import { describe, expect, test } from 'vitest'

import { readG1, readKey } from './bbs-suite.ts'
import { type BbsProved, generateBbs, proveBbs, signBbs, verifyBbs, verifyBbsProof } from './bbs.ts'

const hex = (text: string): Uint8Array => Uint8Array.fromHex(text)
const utf8 = new TextEncoder()

const key = generateBbs(
  utf8.encode('this-IS-just-an-Test-IKM-to-generate-$e(r@t#-key'),
  utf8.encode('this-IS-some-key-metadata-to-be-used-in-test-key-gen'),
)
const header = hex('11223344556677889900aabbccddeeff')
const presentation = hex('bed231d880675ed101ead304512e043ade9958dd0241ea70b4b3957fba941501')
const messages = [
  '9872ad089e452c7b6e283dfac2a80d58e8d0ff71cc4d5e310a1debdda4a45f02',
  'c344136d9ab02da4dd5908bbba913ae6f58c2cc844b802a6f811f5fb075f9b80',
  '7372e9daa5ed31e6cd5c825eac1b855e84476a1d94932aa348e07b73',
  '77fe97eb97a1ebe2e81e4e3597a3ee740a66e9ef2412472c',
  '496694774c5604ab1b2544eababcf0f53278ff50',
  '515ae153e22aae04ad16f759e07237b4',
  'd183ddc6e2665aa4e2f088af',
  'ac55fb33a75909ed',
  '96012096',
  '',
].map(hex)
const multi =
  '8339b285a4acd89dec7777c09543a43e3cc60684b0a6f8ab335da4825c96e1463e28f8c5f4fd0641d19cec5920d3a8ff' +
  '4bedb6c9691454597bbd298288abed3632078557b2ace7d44caed846e1a0a1e8'
const fourShown =
  'a2ed608e8e12ed21abc2bf154e462d744a367c7f1f969bdbf784a2a134c7db2d340394223a5397a3011b1c340ebc4151' +
  '99462ba6f31106d8a6da8b513b37a47afe93c9b3474d0d7a354b2edc1b88818b063332df774c141f7a07c48fe50d452f' +
  '897739228c88afc797916dca01e8f03bd9c5375c7a7c59996e514bb952a436afd24457658acbaba5ddac2e693ac48135' +
  '6918cd38025d86b28650e909defe9604a7259f44386b861608be742af7775a2e71a6070e5836f5f54dc43c60096834a5' +
  'b6da295bf8f081f72b7cdf7f3b4347fb3ff19edaa9e74055c8ba46dbcb7594fb2b06633bb5324192eb9be91be0d33e45' +
  '3b4d3127459de59a5e2193c900816f049a02cb9127dac894418105fa1641d5a206ec9c42177af9316f43341744147827' +
  '6ca0303da8f941bf2e0222a43251cf5c2bf6eac1961890aa740534e519c1767e1223392a3a286b0f4d91f7f25217a786' +
  '2b8fcc1810cdcfddde2a01c80fcc90b632585fec12dc4ae8fea1918e9ddeb9414623a457e88f53f545841f9d5dcb1f8e' +
  '160d1560770aa79d65e2eca8edeaecb73fb7e995608b820c4a64de6313a370ba05dc25ed7c1d185192084963652f2870' +
  '341bdaa4b1a37f8c06348f38a4f80c5a2650a21d59f09e8305dcd3fc3ac30e2a'

const signed = { publicKey: key.publicKey, header, messages, signature: hex(multi) }
const show = (...disclosed: number[]): BbsProved['shown'] =>
  disclosed.map((index) => [index, messages[index] ?? new Uint8Array()])
const proved: BbsProved = {
  publicKey: key.publicKey,
  header,
  presentation,
  count: messages.length,
  shown: show(0, 2, 4, 6),
  proof: hex(fourShown),
}

/** The draft's mocked random scalars, handed out as the bytes they are made of. */
function mocked(count: number): (length: number) => Uint8Array {
  const dst = utf8.encode('BBS_BLS12381G1_XMD:SHA-256_SSWU_RO_H2G_HM2S_MOCK_RANDOM_SCALARS_DST_')
  const seed = utf8.encode('3.141592653589793238462643383279')
  const bytes = expand_message_xmd(seed, dst, 48 * count, bls12_381.G1.defaults.hash)
  let at = 0
  return (length) => bytes.slice(at, (at += length))
}

describe('the known values of the draft', () => {
  test('a key', () => {
    expect(key.secret.toHex()).toBe('60e55110f76883a13d030b2f6bd11883422d5abde717569fc0731f51237169fc')
    expect(key.publicKey.toHex()).toBe(
      'a820f230f6ae38503b86c70dc50b61c58a77e45c39ab25c0652bbaa8fa136f2851bd4781c9dcde39fc9d1d52c9e60268' +
        '061e7d7632171d91aa8d460acee0e96f1e7c4cfb12d3ff9ab5d5dc91c277db75c845d649ef3c4f63aebc364cd55ded0c',
    )
  })

  test('a signature over one message, and over ten', () => {
    expect(signBbs(key, { header, messages: messages.slice(0, 1) }).toHex()).toBe(
      '84773160b824e194073a57493dac1a20b667af70cd2352d8af241c77658da5253aa8458317cca0eae615690d55b1f271' +
        '64657dcafee1d5c1973947aa70e2cfbb4c892340be5969920d0916067b4565a0',
    )
    expect(signBbs(key, { header, messages }).toHex()).toBe(multi)
    expect(verifyBbs(signed)).toBe(true)
  })

  test('a proof of four messages of ten, made and verified', () => {
    const proof = proveBbs({ ...signed, disclosed: [0, 2, 4, 6], presentation }, mocked(11))
    expect(proof.toHex()).toBe(fourShown)
    expect(verifyBbsProof(proved)).toBe(true)
  })
})

test.each([
  ['another message', { messages: [...messages.slice(0, 9), hex('00')] }],
  ['messages in another order', { messages: messages.toReversed() }],
  ['one message less', { messages: messages.slice(0, 9) }],
  ['another header', { header: hex('11') }],
  ['another key', { publicKey: generateBbs(new Uint8Array(32)).publicKey }],
  ['a key that is no point', { publicKey: new Uint8Array(96) }],
  ['a key that is the identity', { publicKey: hex(`c0${'00'.repeat(95)}`) }],
  ['a signature of another length', { signature: hex(multi).slice(1) }],
  ['a signature at the identity', { signature: hex(`c0${'00'.repeat(47)}${multi.slice(96)}`) }],
  ['a scalar of 0', { signature: hex(multi.slice(0, 96) + '00'.repeat(32)) }],
])('no signature over %s', (_what, change) => {
  expect(verifyBbs({ ...signed, ...change })).toBe(false)
})

const bit = (at: number): Uint8Array => hex(fourShown).map((byte, index) => (index === at ? byte ^ 1 : byte))
const order = bls12_381.fields.Fr.ORDER.toString(16).padStart(64, '0')

test.each([
  ['another presentation', { presentation: hex('00') }],
  ['another header', { header: new Uint8Array() }],
  ['another key', { publicKey: generateBbs(new Uint8Array(32)).publicKey }],
  ['another message', { shown: [...show(0, 2, 4), [6, hex('00')] as const] }],
  ['another place', { shown: [...show(0, 2, 4), [7, messages[6] ?? hex('')] as const] }],
  ['places out of order', { shown: show(0, 4, 2, 6) }],
  ['a place twice', { shown: show(0, 0, 2, 4, 6) }],
  ['a place beyond the last', { shown: [...show(0, 2, 4), [10, messages[6] ?? hex('')] as const] }],
  ['less shown', { shown: show(0, 2, 4) }],
  ['fewer messages', { count: 9 }],
  ['a bit of the first point', { proof: bit(47) }],
  ['a bit of a scalar', { proof: bit(200) }],
  ['a bit of the challenge', { proof: bit(hex(fourShown).length - 1) }],
  ['less bytes', { proof: hex(fourShown).slice(0, -32) }],
  ['a scalar of 0', { proof: hex(fourShown.slice(0, 288) + '00'.repeat(32) + fourShown.slice(352)) }],
  ['a scalar over the order', { proof: hex(fourShown.slice(0, 288) + order + fourShown.slice(352)) }],
])('no proof with %s', (_what, change) => {
  expect(verifyBbsProof({ ...proved, ...change })).toBe(false)
})

/** Whether a root is found: noble throws when there is none. */
function isSquare(root: () => unknown): boolean {
  try {
    return root() !== undefined
  } catch {
    return false
  }
}

test('a point of the curve outside of its subgroup is neither a key nor part of a signature or proof', () => {
  const { Fp, Fp2 } = bls12_381.fields
  const counted = Array.from({ length: 50 }, (_, at) => BigInt(at + 1))
  const x = counted.find((x) => isSquare(() => Fp.sqrt(Fp.add(Fp.pow(x, 3n), 4n)))) ?? 0n
  const x2 = counted.find((c0) => {
    const cube = Fp2.pow(Fp2.fromBigTuple([c0, 0n]), 3n)
    return isSquare(() => Fp2.sqrt(Fp2.add(cube, Fp2.fromBigTuple([4n, 4n]))))
  })
  const outside = `80${x.toString(16).padStart(94, '0')}`
  const outside2 = `80${(x2 ?? 0n).toString(16).padStart(190, '0')}`
  expect(bls12_381.G1.Point.fromAffine({ x, y: Fp.sqrt(Fp.add(Fp.pow(x, 3n), 4n)) }).isTorsionFree()).toBe(false)
  expect(() => readG1(hex(outside))).toThrow('no point of the group')
  expect(() => readKey(hex(outside2))).toThrow('no point of the group')
})

test('a proof that swaps in points of another proof of nothing is none', () => {
  // Abar and Bbar of a signature the holder made up: the challenge holds, the pairing does not.
  const other = generateBbs(new Uint8Array(32).fill(9))
  const signature = signBbs(other, { header, messages })
  const proof = proveBbs({ ...signed, signature, disclosed: [0], presentation }, mocked(14))
  expect(verifyBbsProof({ ...proved, shown: show(0), proof })).toBe(false)
})

/** Three points and the scalars of a proof in hex. */
function parts(proof: string): string[] {
  return [0, 96, 192].map((at) => proof.slice(at, at + 96)).concat(proof.slice(288).match(/.{64}/gu) ?? [])
}

test('two proofs of the same share no part, and neither holds the signature', () => {
  let turn = 0
  const random = (length: number): Uint8Array => new Uint8Array(length).fill((turn += 1))
  const make = (): string => proveBbs({ ...signed, disclosed: [0], presentation }, random).toHex()
  const [one, two] = [make(), make()]
  expect(parts(one)).toHaveLength(3 + 3 + 9 + 1)
  expect(parts(one).filter((part) => two.includes(part))).toEqual([])
  for (const secret of [multi.slice(0, 96), multi.slice(96)]) expect(one + two).not.toContain(secret)
})

test('shows all or nothing as well, and refuses indexes that are none', () => {
  const random = mocked(15)
  const all = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
  for (const disclosed of [[], all]) {
    const proof = proveBbs({ ...signed, disclosed, presentation }, mocked(15))
    expect(verifyBbsProof({ ...proved, shown: show(...disclosed), proof })).toBe(true)
  }
  for (const disclosed of [[1, 0], [0, 0], [10], [-1], [0.5]]) {
    expect(() => proveBbs({ ...signed, disclosed, presentation }, random)).toThrow(/ascending/u)
  }
  expect(() => generateBbs(new Uint8Array(31))).toThrow(RangeError)
})
