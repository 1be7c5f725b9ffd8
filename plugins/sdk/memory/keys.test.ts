import { afterEach, expect, test } from 'vitest'

import { algorithmOf, list, publicKey, sign } from './keys.ts'
import { grant } from './world.ts'

const key = { publicKey: new Uint8Array(32).fill(1), sign: (message: Uint8Array) => message }

afterEach(() => grant({}))

test('keys: the granted ones, Ed25519 unless they say otherwise; others are unavailable', () => {
  grant({ keys: { identity: key, coins: { ...key, algorithm: 'ecdsa-secp256k1' } } })
  expect(list()).toEqual(['identity', 'coins'])
  expect([algorithmOf('identity'), algorithmOf('coins')]).toEqual(['ed25519', 'ecdsa-secp256k1'])
  expect(publicKey('identity')).toEqual(key.publicKey)
  for (const alias of ['absent', 'toString']) {
    for (const use of [algorithmOf, publicKey, (name: string) => sign(name, new Uint8Array(32))]) {
      expect(() => use(alias)).toThrow(expect.objectContaining({ payload: 'unavailable' }))
    }
  }
})

test('keys: a message of another size than the algorithm has is not signed', () => {
  grant({ keys: { identity: key, taproot: { ...key, algorithm: 'bip340' } } })
  expect(sign('identity', new Uint8Array(65_536))).toHaveLength(65_536)
  expect(sign('taproot', new Uint8Array(32))).toHaveLength(32)
  const size = expect.objectContaining({ payload: 'message-size' })
  expect(() => sign('identity', new Uint8Array(65_537))).toThrow(size)
  for (const bytes of [0, 31, 33]) expect(() => sign('taproot', new Uint8Array(bytes))).toThrow(size)
})
