import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'

import { describe, expect, test, vi } from 'vitest'

import { encodeCbor } from '#host/wire/cbor.ts'
import { nativeCrypto } from './native.ts'

import { generateBbs, proveBbs, verifyBbs } from './bbs.ts'
import { openProver } from './bbs-thread.ts'
import { type Claim, claimMessage, decodeCredential, issueCredential, issuerName, signedOf } from './credential.ts'
import { disclosureOf, encodePresentation, type Presented, verifyPresentation } from './presentation.ts'

const now = 1_800_000_000_000
const expires = Date.UTC(2027, 5)
const issuer = generateBbs(new Uint8Array(32).fill(1))
const claims: readonly Claim[] = [
  ['age_over_21', true],
  ['birth_date', '1990-04-12'],
  ['points', 3],
]
const draft = { kind: 'driving-licence', expires, claims }
const bytes = issueCredential(issuer, draft)
const credential = decodeCredential(bytes)
const to: Presented = { audience: new Uint8Array(32).fill(5), nonce: new Uint8Array(16).fill(6) }
const verifier = { ...to, issuers: [issuerName(nativeCrypto, issuer.publicKey)], claims: [], now }

let turn = 0
const random = (length: number): Uint8Array => new Uint8Array(length).fill((turn = (turn % 250) + 1))

function present(names: readonly string[], from = credential): Uint8Array {
  const disclosure = disclosureOf(from, { names, ...to })
  return encodePresentation(from, { ...disclosure, proof: proveBbs(disclosure, random) })
}

describe('a credential', () => {
  test('says what was signed, and its signature holds', () => {
    expect(credential).toMatchObject({ kind: 'driving-licence', expires, claims, issuer: issuer.publicKey })
    expect(verifyBbs(signedOf(credential))).toBe(true)
  })

  test('has the known values of docs/credentials.md', () => {
    const doc = readFileSync(new URL('../../docs/credentials.md', import.meta.url), 'utf8').replaceAll(/\s+/gu, '')
    expect(doc).toContain(issuerName(nativeCrypto, issuer.publicKey))
    const { header, signature } = credential
    for (const value of [issuer.publicKey, header, ...claims.map(claimMessage), signature]) {
      expect(doc).toContain(value.toHex())
    }
  })

  test('with another value of the same text has another message', () => {
    const { signature, header } = credential
    const typed = decodeCredential(
      encodeCbor({
        issuer: issuer.publicKey,
        header,
        signature,
        claims: [
          ['age_over_21', 'true'],
          ['birth_date', '1990-04-12'],
          ['points', 3],
        ],
      }),
    )
    expect(verifyBbs(signedOf(typed))).toBe(false)
  })

  test.each([
    ['no claims', { claims: [] }],
    ['a claim twice', { claims: [...claims, ...claims] }],
    ['a name of another form', { claims: [['Age', true]] as const }],
    ['a number with a fraction', { claims: [['age', 1.5]] as const }],
    ['a long text', { claims: [['note', 'x'.repeat(1_025)]] as const }],
    ['more claims than one may have', { claims: Array.from({ length: 33 }, (_, at) => [`c${at}`, true] as const) }],
    ['an expiry that tells one holder', { expires: expires + 86_400_000 }],
    ['a kind of another form', { kind: 'Driving Licence' }],
  ])('is not issued with %s', (_what, change) => {
    expect(() => issueCredential(issuer, { ...draft, ...change })).toThrow(
      expect.objectContaining({ code: 'malformed' }),
    )
  })

  test('whose header names other claims is none', () => {
    const { header, signature } = credential
    const parts = { issuer: issuer.publicKey, header, signature }
    for (const told of [claims.slice(1), claims.slice(0, 2), claims.toReversed()]) {
      expect(() => decodeCredential(encodeCbor({ ...parts, claims: told }))).toThrow(/not those its header names/u)
    }
  })

  test('is no larger than one may be', () => {
    expect(() => decodeCredential(new Uint8Array(64 * 1_024 + 1))).toThrow(
      expect.objectContaining({ code: 'too-large' }),
    )
  })
})

describe('a presentation', () => {
  test('proves the claims shown and holds no others', () => {
    const shown = present(['points', 'age_over_21'])
    const proven = verifyPresentation(nativeCrypto, shown, verifier)
    expect(proven).toMatchObject({
      kind: 'driving-licence',
      expires,
      issuer: issuerName(nativeCrypto, issuer.publicKey),
    })
    expect([...proven.claims]).toEqual([
      ['age_over_21', true],
      ['points', 3],
    ])
    expect(Buffer.from(shown).includes('1990')).toBe(false)
    expect(Buffer.from(shown).indexOf(credential.signature.subarray(0, 48))).toBe(-1)
    expect(Buffer.from(shown).indexOf(credential.signature.subarray(48))).toBe(-1)
  })

  const good = present(['age_over_21'])
  test.each([
    ['for another verifier', { audience: new Uint8Array(32) }],
    ['for another nonce', { nonce: new Uint8Array(16) }],
    ['of an issuer that does not count', { issuers: [issuerName(nativeCrypto, new Uint8Array(96))] }],
    ['of a credential that has expired', { now: expires }],
    ['without a claim that was asked for', { claims: ['age_over_21', 'points'] }],
  ])('%s proves nothing', (_what, change) => {
    expect(() => verifyPresentation(nativeCrypto, good, { ...verifier, ...change })).toThrow(
      expect.objectContaining({ code: 'proof-invalid' }),
    )
  })

  test('until the last millisecond it proves', () => {
    expect(verifyPresentation(nativeCrypto, good, { ...verifier, now: expires - 1 }).claims.size).toBe(1)
  })

  test('with any of its bytes changed proves nothing', () => {
    for (let at = 0; at < good.length; at += 41) {
      const changed = good.map((byte, index) => (index === at ? byte ^ 1 : byte))
      expect(() => verifyPresentation(nativeCrypto, changed, verifier), `byte ${at}`).toThrow(
        expect.objectContaining({ name: 'Refusal' }),
      )
    }
  })

  test('is never made of a claim that is not there', () => {
    expect(() => disclosureOf(credential, { names: ['licence_number'], ...to })).toThrow(/no such claim/u)
  })
})

describe('the proving thread', () => {
  test('proves and verifies, and two proofs differ', async () => {
    await using prover = openProver()
    const disclosure = disclosureOf(credential, { names: ['points'], ...to })
    const proofs = await Promise.all([prover.prove(disclosure), prover.prove(disclosure)])
    for (const proof of proofs) {
      expect(
        verifyPresentation(nativeCrypto, encodePresentation(credential, { ...disclosure, proof }), verifier).claims
          .size,
      ).toBe(1)
    }
    expect(proofs[0]).not.toEqual(proofs[1])
    expect(await prover.verify(signedOf(credential))).toBe(true)
    expect(await prover.verify({ ...signedOf(credential), header: new Uint8Array() })).toBe(false)
  })

  test('refuses what cannot be proven, and goes on', async () => {
    await using prover = openProver()
    const disclosure = disclosureOf(credential, { names: ['points'], ...to })
    await expect(prover.prove({ ...disclosure, disclosed: [9] })).rejects.toMatchObject({ code: 'malformed' })
    expect(await prover.prove(disclosure)).toHaveLength(272 + 2 * 32)
  })

  test('ends what waits when the thread ends, and starts another', async () => {
    const post = vi.spyOn(Worker.prototype, 'postMessage')
    await using prover = openProver()
    const waiting = expect(prover.verify(signedOf(credential))).rejects.toMatchObject({ code: 'busy' })
    const [thread] = post.mock.contexts
    if (!(thread instanceof Worker)) throw new Error('no thread')
    await thread.terminate()
    await waiting
    expect(await prover.verify(signedOf(credential))).toBe(true)
    post.mockRestore()
  })

  test('ends what waits when it is closed', async () => {
    const prover = openProver()
    const waiting = expect(prover.verify(signedOf(credential))).rejects.toMatchObject({ code: 'busy' })
    await prover[Symbol.asyncDispose]()
    await waiting
  })
})
