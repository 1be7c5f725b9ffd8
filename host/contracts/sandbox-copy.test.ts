import { expect, test } from 'vitest'

import { nativeCrypto } from '#host/crypto/native.ts'
import { generateSigningKey } from '#host/crypto/sign.ts'

import { SANDBOX_COPY_ITEMS_MAX, SANDBOX_ITEM_BYTES, SANDBOX_PAGE_BYTES } from './limits.ts'
import { signSandboxCopy, verifySandboxCopy } from './sandbox-copy.ts'

const key = generateSigningKey()
const about = { sandbox: 's-0123456789abcdef', terms: new Uint8Array(32), change: 9, at: 1 }

/** Items that count for so many bytes each, and how many of them each part of a copy has. */
function partsOf(sizes: readonly number[]): number[] {
  const items = sizes.map((size) => {
    const value = new Uint8Array(size - SANDBOX_ITEM_BYTES - 1)
    const how = { revision: 9, base: 8, author: 'guest', at: 1, grant: 'none' } as const
    return { ...how, area: 'mutual' as const, key: 'k', value }
  })
  const parts = signSandboxCopy({ ...about, items }, key)
  return parts.map((bytes, at) => {
    const { part, parts: count, items: held } = verifySandboxCopy(nativeCrypto, bytes, key.publicKey)
    expect([part, count]).toEqual([at, parts.length])
    return held.length
  })
}

test('a part has as many bytes as a page, and the next begins anew', () => {
  const quarter = SANDBOX_PAGE_BYTES / 4
  const quarters = (count: number) => Array.from({ length: count }, () => quarter)
  expect(partsOf(quarters(4))).toEqual([4])
  expect(partsOf([...quarters(3), quarter + 1])).toEqual([3, 1])
  expect(partsOf(quarters(9))).toEqual([4, 4, 1])
})

test('of the smallest items a part has as many as one message of CBOR holds', () => {
  const smallest = Array.from({ length: SANDBOX_COPY_ITEMS_MAX + 1 }, () => SANDBOX_ITEM_BYTES + 1)
  expect(partsOf(smallest)).toEqual([SANDBOX_COPY_ITEMS_MAX, 1])
})
