import { argon2Sync } from 'node:crypto'

import { expect, test } from 'vitest'

import { hashPin } from './pin.ts'

const salt = new Uint8Array(16).fill(7)

test('a PIN is hashed by the second option that RFC 9106 recommends: Argon2id, 64 MiB, three passes', async () => {
  const cost = { memory: 64 * 1_024, passes: 3, parallelism: 1, tagLength: 32 }
  const expected = argon2Sync('argon2id', { message: '271828', nonce: salt, ...cost })
  expect(await hashPin('271828', salt)).toEqual(new Uint8Array(expected))
})

test('however it is typed, the same characters are the same PIN', async () => {
  expect(await hashPin('caf\u00e9s', salt)).toEqual(await hashPin('cafe\u0301s', salt))
})
