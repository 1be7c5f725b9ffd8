/** Limits of formats that no other test reaches: what is one too large is named, with how much may be. */
import { expect, test } from 'vitest'

import { nativeCrypto as crypto } from '#host/crypto/native.ts'

import { newFamily, random } from './family.fixture.ts'
import { decodeHeads, encodeHeads } from './heads.ts'
import { parseEntryId, parseHash, parseUserId, parseVersionId } from './ids.ts'
import { decodePrune } from './prune.ts'
import { decodeOutline } from './sealed.ts'
import { decodeStatement } from './statement.ts'
import { signVersion } from './version.ts'

const hash = () => parseHash(random(32))

test.each([
  ['a statement', 8_192, (bytes: Uint8Array) => decodeStatement(crypto, bytes)],
  ['a prune', 4_096, decodePrune],
  ['an outline', 8_192, decodeOutline],
])('%s has at most %i bytes, and more is not looked at', (_name, max, read) => {
  expect(() => read(new Uint8Array(max + 1))).toThrow(`at most ${max}`)
  expect(() => read(new Uint8Array(max))).not.toThrow('at most')
})

test('an entry is for at most 64 other users', () => {
  const { root, user } = newFamily()
  const versionFor = (count: number) => {
    const users = Array.from({ length: count }, (_, index) => parseUserId(new Uint8Array(32).fill(index + 1)))
    const place = { user, entry: parseEntryId(random(16)), version: parseVersionId(random(16)), seq: 1, prev: null }
    const sealed = { content: hash(), outline: hash(), recipients: hash(), audience: { handlers: false, users } }
    const written = { operation: 'put', from: null, directory: { seq: 0, hash: hash() }, at: 1, by: root.id } as const
    return signVersion(crypto, { ...place, ...sealed, ...written }, root.signer)
  }
  expect(versionFor(64).header.audience.users).toHaveLength(64)
  expect(() => versionFor(65)).toThrow('at most 64')
})

test('a revocation is measured by at most 16,384 heads, written or read', () => {
  const heads = Array.from({ length: 16_385 }, (_, index) => {
    const entry = new Uint8Array(16)
    new DataView(entry.buffer).setUint32(12, index)
    return { entry: parseEntryId(entry), seq: 1, hash: parseHash(new Uint8Array(32)) }
  })
  const most = encodeHeads(heads.slice(0, -1))
  expect(decodeHeads(most)).toHaveLength(16_384)
  expect(() => encodeHeads(heads)).toThrow('at most 16384')
  const more = new Uint8Array(most.length + 52)
  more.set(most)
  more.set(most.subarray(-52), most.length)
  more[most.length + 14] = 0x40
  more[most.length + 15] = 0
  expect(() => decodeHeads(more)).toThrow('at most 16384')
})
