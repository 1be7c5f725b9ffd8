import { expect, test } from 'vitest'

import { contractOf, publisher } from '#host/contracts/contract.fixture.ts'
import { signContract, verifyContract } from '#host/contracts/contract.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { storeCap } from './caps.ts'

const signed = verifyContract(nativeCrypto, signContract(nativeCrypto, contractOf(), publisher), publisher.publicKey)
const { contract } = signed
const { permissions, limits } = contract

test('a connection may store what its contract lists, in the smaller of its two bounds', () => {
  const cap = { categories: ['receipts'], bytesMax: 1_000 }
  expect(storeCap({ contract: signed })).toEqual(cap)
  const tight = { ...contract, limits: { ...limits, storageBytes: 10 } }
  expect(storeCap({ contract: { ...signed, contract: tight } })).toEqual({ ...cap, bytesMax: 10 })
})

test('without the permission, or before there is a contract, it may store nothing', () => {
  const none = { ...contract, permissions: { ...permissions, store: null } }
  expect(storeCap({ contract: { ...signed, contract: none } })).toBeNull()
  expect(storeCap({ contract: undefined })).toBeNull()
})
