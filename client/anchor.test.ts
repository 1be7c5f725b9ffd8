import { expect, test } from 'vitest'

import { encodeCbor } from '#host/wire/cbor.ts'
import { anchorMemory } from './anchor.ts'
import { forgetfulStore } from './transport.ts'

const chain = (byte: number) => new Uint8Array(32).fill(byte)
const anchor = (sequence: number, epoch = 0, byte = sequence) => ({ sequence, epoch, chain: chain(byte) })
const behind = { code: 'journal-behind' }

test('the newest anchor is kept, in whatever order the answers come', async () => {
  const store = forgetfulStore()
  const memory = anchorMemory(store, 'alice')
  await memory.take(anchor(7), undefined)
  await memory.take(anchor(5), undefined)
  expect(memory.newest).toEqual(anchor(7))
  expect(anchorMemory(store, 'alice').newest).toEqual(anchor(7))
  expect(anchorMemory(store, 'bob').newest).toBeUndefined()
})

test('an answer that knows less than was known when it was asked for is refused', async () => {
  const memory = anchorMemory(forgetfulStore(), 'alice')
  const known = anchor(7, 1)
  await memory.take(known, undefined)
  await expect(memory.take(anchor(6, 1), known)).rejects.toMatchObject(behind)
  await expect(memory.take(anchor(8, 0), known)).rejects.toMatchObject(behind)
  await expect(memory.take(anchor(7, 1, 9), known)).rejects.toMatchObject(behind)
  await expect(memory.take(undefined, known)).rejects.toMatchObject(behind)
  await memory.take(anchor(7, 1), known)
  await memory.take(anchor(8, 2), known)
  expect(memory.newest).toEqual(anchor(8, 2))
})

test('what the store gives back must be an anchor', () => {
  const store = forgetfulStore()
  void store.put(new Map([['vine/alice/anchor', encodeCbor({ sequence: -1 })]]))
  expect(() => anchorMemory(store, 'alice')).toThrow(expect.objectContaining({ code: 'malformed' }))
})
