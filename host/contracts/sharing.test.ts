import { expect, test } from 'vitest'

import { nativeCrypto } from '#host/crypto/native.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { parseConnectionId, parseVaultId } from '#host/wire/id.ts'
import { publisher } from './contract.fixture.ts'
import { verifyContract } from './contract.ts'
import { decodePeerOffer, encodePeerOffer, type Sharing, sharingCbor, signSharing } from './sharing.ts'

const sharing: Sharing = {
  events: ['a.b'],
  store: { categories: ['notes'], bytesMax: 10 },
  messages: true,
  authentication: false,
  requestsPerHour: 5,
}
const by = { name: 'Bob', vault: parseVaultId('bob'), signing: publisher, now: 1_800_000_000_000 }
const place = { vault: by.vault, connection: parseConnectionId('c-1') }

test('a light contract asks for what is shared and for nothing else', () => {
  expect(
    verifyContract(nativeCrypto, signSharing(nativeCrypto, sharing, by), publisher.publicKey).contract,
  ).toMatchObject({
    id: 'bob',
    version: 1,
    service: { name: 'Bob', links: {} },
    fields: [],
    permissions: { events: ['a.b'], store: sharing.store, messages: true, authentication: false, payment: false },
    limits: { requestsPerHour: 5, storageBytes: 10 },
  })
  const { permissions, limits } = verifyContract(
    nativeCrypto,
    signSharing(nativeCrypto, { ...sharing, store: null }, by),
    publisher.publicKey,
  ).contract
  expect([permissions.store, limits.storageBytes]).toEqual([null, 0])
})

test('what no contract may say is not shared', () => {
  expect(() => signSharing(nativeCrypto, { ...sharing, events: ['no type'] }, by)).toThrow(
    expect.objectContaining({ code: 'contract-invalid' }),
  )
})

test('an offer comes back as it went', () => {
  const offer = { contract: signSharing(nativeCrypto, sharing, by), sharing, place }
  expect(decodePeerOffer(encodePeerOffer(offer))).toEqual(offer)
})

test.each([
  ['a contract', signSharing(nativeCrypto, sharing, by)],
  ['no CBOR', new Uint8Array([0xff])],
  ['a place that is none', encodeCbor(['vine/1 peer', new Uint8Array(1), sharingCbor(sharing), 'A B', 'c-1'])],
  ['settings with something more', encodeCbor(['vine/1 peer', new Uint8Array(1), { x: 1 }, 'bob', 'c-1'])],
])('an offer that is %s is refused', (_name, bytes) => {
  expect(() => decodePeerOffer(bytes)).toThrow(expect.objectContaining({ code: 'contract-invalid' }))
})
