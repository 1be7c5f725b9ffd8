/** Limits of what a device keeps in memory, and of whom it seals to: as many as there may be, and one more. */
import { expect, test } from 'vitest'

import { newFamily, random } from '#host/entries/family.fixture.ts'
import { parseDeviceId, parseEntryId, parseHash } from '#host/entries/ids.ts'
import type { Device, Directory, SignedVersion } from '#host/entries/model.ts'
import { nativeCrypto as crypto } from '#host/crypto/native.ts'

import { encodeCbor } from '#host/wire/cbor.ts'

import { encodeMemory, recall } from './memory.ts'
import { markSeen, markVerified } from './seen.ts'
import { newState } from './state.ts'
import { writingBook } from './writing.ts'

const { root, user, walk } = newFamily()
const open = () => newState({ ...root, crypto, user, now: () => 1_000, random })

/** Bytes that differ with the number. */
function numbered(number: number): Uint8Array {
  const bytes = new Uint8Array(32)
  new DataView(bytes.buffer).setUint32(0, number)
  return bytes
}

test('outlines are kept of 16,384 versions, and verified hashes of 131,072', () => {
  const state = open()
  for (let at = 0; at <= 16_384; at++) {
    markSeen(state, 'here', { version: { hash: parseHash(numbered(at)) } as SignedVersion, outline: null })
  }
  expect(state.seen.size).toBe(16_384)
  for (let at = 0; at < 131_072; at++) markVerified(state, `${at}`)
  expect(state.verified.size).toBe(131_072)
  markVerified(state, 'one more')
  expect(state.verified.size).toBe(1)
})

test('a version is sealed to at most 512 devices', () => {
  const state = open()
  const [own] = walk().devices.values()
  if (!own) throw new Error('the root')
  const family = (count: number): Directory => {
    const ids = Array.from({ length: count }, (_, at) => parseDeviceId(numbered(at)))
    return { ...walk(), devices: new Map(ids.map((id): [string, Device] => [id.toHex(), { ...own, id }])) }
  }
  const create = (count: number) => {
    state.directories.set(user.toHex(), family(count))
    const audience = { handlers: false, users: [] }
    return writingBook(state).create({ outline: { title: 'a', kind: 'note', urls: [] }, content: random(8), audience })
  }
  expect(create(512).shares).toHaveLength(512)
  expect(() => create(513)).toThrow('at most 512')
})

test('a memory that is read has at most 4 MiB, and 262,144 values', () => {
  const itemsMax = 262_145
  expect(() => recall(open(), encodeCbor(Array(262_144).fill(0), { itemsMax }))).toThrow('too many items')
  expect(() => recall(open(), encodeCbor(Array(262_143).fill(0), { itemsMax }))).toThrow('format must be')
  expect(() => recall(open(), new Uint8Array(4 * 1_024 * 1_024 + 1))).toThrow('at most 4194304')
  expect(() => recall(open(), new Uint8Array(4 * 1_024 * 1_024))).not.toThrow('at most')
})

test('a memory is written of as many entries as a vault has, and of none that could not be read', () => {
  const state = open()
  const remember = (count: number) => {
    for (let at = state.entries.size; at < count; at++) {
      const entry = parseEntryId(numbered(at).subarray(0, 16))
      const hash = parseHash(numbered(at))
      state.entries.set(entry.toHex(), { entry, seq: 1, hash, owner: user, by: root.id, isDeleted: false })
    }
    return encodeMemory(state)
  }
  const again = open()
  recall(again, remember(16_384))
  expect(again.entries).toEqual(state.entries)
  expect(() => remember(35_000)).toThrow('at most 4194304')
})
