import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { nativeCrypto } from '#host/crypto/native.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'
import { type RefusalCode, Refusal } from '#host/errors.ts'
import { type Cbor, encodeCbor } from '#host/wire/cbor.ts'

import { signAcceptance, verifyAcceptance } from './acceptance.ts'
import { contractOf, NOW, publisher } from './contract.fixture.ts'
import { type Contract, type SignedContract, signContract, verifyContract } from './contract.ts'

const device = generateSigningKey(new Uint8Array(64).fill(9))
const deviceKey = device.publicKey
const connection = 'c-acme'

function published(changes: Partial<Contract> = {}): SignedContract {
  return verifyContract(nativeCrypto, signContract(nativeCrypto, contractOf(changes), publisher), publisher.publicKey)
}

function codeOf(action: () => unknown): RefusalCode {
  try {
    action()
  } catch (error) {
    if (error instanceof Refusal) return error.code
    throw error
  }
  throw new Error('nothing was refused')
}

/** An acceptance that only a dishonest device would sign. */
function signAnything(value: Cbor): Uint8Array {
  const payload = encodeCbor(value)
  return encodeCbor(['vine/1 acceptance', payload, device.sign('vine/1 acceptance', payload)])
}

test('a device accepts and declines what is optional', () => {
  const contract = published()
  const bytes = signAcceptance({ contract, connection, declined: ['phone'], acceptedAt: NOW }, device)
  expect(verifyAcceptance(nativeCrypto, bytes, { contract, connection, deviceKey })).toEqual({
    contractHash: contract.hash,
    version: 1,
    connection,
    declined: ['phone'],
    acceptedAt: NOW,
  })
})

test('a yes on one connection is no yes on another under the same contract', () => {
  const contract = published()
  const bytes = signAcceptance({ contract, connection, declined: [], acceptedAt: NOW }, device)
  expect(codeOf(() => verifyAcceptance(nativeCrypto, bytes, { contract, connection: 'c-bolt', deviceKey }))).toBe(
    'contract-invalid',
  )
})

test('only an optional field may be declined, and once', () => {
  const contract = published()
  for (const declined of [['email'], ['shipping_address'], ['date_of_birth'], ['unknown'], ['phone', 'phone']]) {
    expect(codeOf(() => signAcceptance({ contract, connection, declined, acceptedAt: NOW }, device))).toBe(
      'contract-invalid',
    )
    const bytes = signAnything({ contractHash: contract.hash, version: 1, connection, declined, acceptedAt: NOW })
    expect(codeOf(() => verifyAcceptance(nativeCrypto, bytes, { contract, connection, deviceKey }))).toBe(
      'contract-invalid',
    )
  }
})

test('a yes to one contract is no yes to another', () => {
  const contract = published()
  const bytes = signAcceptance({ contract, connection, declined: [], acceptedAt: NOW }, device)
  const next = published({ version: 2 })
  expect(codeOf(() => verifyAcceptance(nativeCrypto, bytes, { contract: next, connection, deviceKey }))).toBe(
    'contract-stale',
  )
  const sameVersion = published({ publishedAt: NOW + 1 })
  expect(codeOf(() => verifyAcceptance(nativeCrypto, bytes, { contract: sameVersion, connection, deviceKey }))).toBe(
    'contract-stale',
  )
  const wrongVersion = signAnything({
    contractHash: contract.hash,
    version: 2,
    connection,
    declined: [],
    acceptedAt: NOW,
  })
  expect(codeOf(() => verifyAcceptance(nativeCrypto, wrongVersion, { contract, connection, deviceKey }))).toBe(
    'contract-stale',
  )
})

test('another device, and a signed contract in its place, are refused', () => {
  const contract = published()
  const bytes = signAcceptance({ contract, connection, declined: [], acceptedAt: NOW }, device)
  const about = { contract, connection, deviceKey: publisher.publicKey }
  expect(codeOf(() => verifyAcceptance(nativeCrypto, bytes, about))).toBe('contract-invalid')
  expect(codeOf(() => verifyAcceptance(nativeCrypto, signContract(nativeCrypto, contractOf(), publisher), about))).toBe(
    'contract-invalid',
  )
})

test('fuzz: changed bytes are a refusal, never a crash', () => {
  const contract = published()
  const good = signAcceptance({ contract, connection, declined: ['phone'], acceptedAt: NOW }, device)
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const bytes = Uint8Array.from(good)
      bytes[at] = (bytes[at] ?? 0) ^ change
      expect(codeOf(() => verifyAcceptance(nativeCrypto, bytes, { contract, connection, deviceKey }))).toBe(
        'contract-invalid',
      )
    }),
    { numRuns: 500 },
  )
})
