import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { nativeCrypto } from '#host/crypto/native.ts'
import { KEY_BYTES_MAX } from '#host/limits.ts'
import { SANDBOX_OWN_KEY_BYTES_MAX } from './limits.ts'
import { openSandboxName, sealSandboxName } from './sandbox-seal.ts'

const secret = new Uint8Array(32).fill(7)
const names = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 60 })
  .filter((name) => name.isWellFormed() && Buffer.byteLength(name) <= SANDBOX_OWN_KEY_BYTES_MAX)

test('a key has one name in one sandbox, which opens to it and to nothing else', () => {
  fc.assert(
    fc.property(names, names, (one, other) => {
      const name = sealSandboxName(nativeCrypto, secret, 's-1', one)
      expect(openSandboxName(nativeCrypto, secret, 's-1', name)).toBe(one)
      expect(sealSandboxName(nativeCrypto, secret, 's-1', one)).toBe(name)
      expect(sealSandboxName(nativeCrypto, secret, 's-1', other) === name).toBe(one === other)
      expect(sealSandboxName(nativeCrypto, secret, 's-2', one)).not.toBe(name)
      expect(sealSandboxName(nativeCrypto, new Uint8Array(32), 's-1', one)).not.toBe(name)
    }),
  )
})

const length = (bytes: number): number => sealSandboxName(nativeCrypto, secret, 's-1', 'k'.repeat(bytes)).length

test('names say of their lengths what a step says, and the longest is still a key', () => {
  expect(length(1)).toBe(length(31))
  expect(length(31)).toBeLessThan(length(32))
  expect(length(SANDBOX_OWN_KEY_BYTES_MAX)).toBeLessThanOrEqual(KEY_BYTES_MAX)
  expect(() => length(SANDBOX_OWN_KEY_BYTES_MAX + 1)).toThrow('has 1 to 351 bytes')
  expect(() => sealSandboxName(nativeCrypto, secret, 's-1', '')).toThrow('has 1 to 351 bytes')
})

test.each([
  ['a changed one', (name: string) => `${name.startsWith('A') ? 'B' : 'A'}${name.slice(1)}`],
  ['a plain one', () => 'diary'],
  ['one of no alphabet', () => '§§'],
  ['one that is short', () => 'AAAA'],
])('%s opens to nothing', (_, change) => {
  const name = change(sealSandboxName(nativeCrypto, secret, 's-1', 'diary'))
  expect(() => openSandboxName(nativeCrypto, secret, 's-1', name)).toThrow(
    expect.objectContaining({ code: 'unopenable' }) as Error,
  )
})

test('another sandbox’s does not open here', () => {
  expect(() =>
    openSandboxName(nativeCrypto, secret, 's-2', sealSandboxName(nativeCrypto, secret, 's-1', 'diary')),
  ).toThrow('not sealed')
})
