import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { pack } from '#host/wire/pack.ts'
import type { Write } from './state.ts'
import { decodeWrites, encodeWrites } from './writes.ts'

const write: fc.Arbitrary<Write> = fc.record({
  key: fc.string({ minLength: 1 }),
  value: fc.option(fc.uint8Array({ maxLength: 20 })),
  visibility: fc.constantFrom(undefined, 'transparent', 'opaque'),
  sensitivity: fc.constantFrom(undefined, 'data', 'secret', 'critical'),
  category: fc.constantFrom(undefined, null, 'notes', ''),
})

test('writes come back as they went, with all that each says of its key', () => {
  fc.assert(
    fc.property(fc.array(write), (writes) => {
      expect(decodeWrites(encodeWrites(writes))).toEqual(writes)
    }),
  )
})

test('writes of journals from before there were categories are read', () => {
  const value = new Uint8Array([1])
  const plain = { visibility: undefined, sensitivity: undefined, category: undefined }
  expect(decodeWrites(pack(['a', value, 9, 'b', null, 0]))).toEqual([
    { key: 'a', value, visibility: 'opaque', sensitivity: 'data', category: undefined },
    { key: 'b', value: null, ...plain },
  ])
})

test.each([
  ['a category of no kind', ['a', null, 16, 7]],
  ['no metadata', ['a', null]],
])('%s is not read', (_name, flat) => {
  expect(() => decodeWrites(pack(flat))).toThrow('cannot read')
})
