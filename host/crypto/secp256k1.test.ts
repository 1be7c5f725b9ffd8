import { expect, test, vi } from 'vitest'

import { generateSecp256k1, signBip340, signEcdsa } from './secp256k1.ts'

/** The very arrays that secrets were handed over in. */
const handed = vi.hoisted(() => [] as Uint8Array[])

vi.mock('tiny-secp256k1', async (original) => {
  const library = await original<typeof import('tiny-secp256k1')>()
  return {
    ...library,
    sign: (digest: Uint8Array, secret: Uint8Array) => (handed.push(secret), library.sign(digest, secret)),
    signSchnorr: (message: Uint8Array, secret: Uint8Array, auxiliary?: Uint8Array) => (
      handed.push(secret),
      library.signSchnorr(message, secret, auxiliary)
    ),
  }
})

test('a secret that was taken out to sign is wiped, whether it signed or not', () => {
  const key = generateSecp256k1(new Uint8Array(32).fill(7))
  signEcdsa(key, new Uint8Array(32))
  signBip340(key, new Uint8Array(32))
  expect(() => signEcdsa(key, new Uint8Array(31))).toThrow()
  expect(handed).toEqual([new Uint8Array(32), new Uint8Array(32), new Uint8Array(32)])
})
