import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { pack } from '#host/wire/pack.ts'
import type { Write } from './state.ts'
import { packWriter } from './pack-writer.ts'
import { decodeWrites, encodeWrites } from './writes.ts'

const write: fc.Arbitrary<Write> = fc.record({
  key: fc.string({ minLength: 1 }),
  value: fc.option(fc.uint8Array({ maxLength: 20 })),
  visibility: fc.constantFrom(undefined, 'transparent', 'opaque'),
  sensitivity: fc.constantFrom(undefined, 'data', 'secret', 'critical'),
  category: fc.constantFrom(undefined, null, 'notes', ''),
  author: fc.constantFrom(undefined, 'connection/acme', ''),
  restored: fc.option(fc.record({ revision: fc.nat(), updatedAt: fc.nat() }), { nil: undefined }),
})

const ROOM = 64 * 1_024
const writer = packWriter()
const stretch = fc.record({ now: fc.nat(), writes: fc.array(write) })

test('writes come back as they went, with all that each says of its key and when', () => {
  fc.assert(
    fc.property(fc.array(stretch), (stretches) => {
      writer.reserve(ROOM)
      expect(decodeWrites(encodeWrites(writer, stretches))).toEqual(stretches)
    }),
  )
})

test.each([
  ['a category of no kind', [1, ['a', null, 16, 7]]],
  ['an author of no kind', [1, ['a', null, 32, 7]]],
  ['a revision of no kind', [1, ['a', null, 64, '7', 1]]],
  ['no metadata', [1, ['a', null]]],
  ['no time', ['1', ['a', null, 0]]],
  ['no writes', [1]],
])('%s is not read', (_name, flat) => {
  expect(() => decodeWrites(pack(flat))).toThrow('cannot read')
})
