import * as fc from 'fast-check'
import { expect, test, vi } from 'vitest'

import { IMAGE_PAGE_BYTES, IMAGE_WHOLE_BYTES, IMAGE_WIPE_BYTES } from '../limits.ts'
import { takeImage } from './memory-image.ts'

const LENGTH = 4 * IMAGE_WHOLE_BYTES
/** Places at the edges of pages, of what is wiped at once, and of the memory. */
const edge = fc
  .tuple(fc.nat(LENGTH / IMAGE_PAGE_BYTES), fc.constantFrom(-1, 0, 1))
  .map(([page, by]) => Math.min(Math.max(page * IMAGE_PAGE_BYTES + by, 0), LENGTH - 1))
const writes = fc.array(fc.tuple(fc.oneof(edge, fc.nat(LENGTH - 1)), fc.integer({ min: 0, max: 255 })), {
  maxLength: 40,
})
const lengths = fc.constantFrom(0, IMAGE_WHOLE_BYTES, IMAGE_WHOLE_BYTES + 1, LENGTH - IMAGE_WIPE_BYTES - 7, LENGTH)

function write(live: Buffer, all: readonly (readonly [number, number])[]): void {
  for (const [at, byte] of all) if (at < live.length) live[at] = byte
}

test('every byte is put back, whatever was there and whatever was written', () => {
  fc.assert(
    fc.property(lengths, writes, writes, (length, before, after) => {
      const live = Buffer.alloc(length)
      write(live, before)
      const image = takeImage(live)
      const copy = Buffer.from(live)
      for (let turn = 0; turn < 2; turn++) {
        write(live, after)
        image.restore(live)
        expect(live.equals(copy)).toBe(true)
      }
      expect(image.length).toBe(length)
    }),
    { numRuns: 300 },
  )
})

test('zeros that nobody wrote are neither kept nor written; a small memory is put back whole', () => {
  const live = Buffer.alloc(LENGTH)
  live[5 * IMAGE_PAGE_BYTES] = 1
  const image = takeImage(live)
  const [set, fill] = [vi.spyOn(live, 'set'), vi.spyOn(live, 'fill')]
  image.restore(live)
  expect(set.mock.calls.map(([bytes]) => bytes.length)).toEqual([IMAGE_PAGE_BYTES])
  expect(fill).not.toHaveBeenCalled()
  live[LENGTH - 1] = 1
  image.restore(live)
  // What was written is, as far as it is looked at together.
  const [first, ...more] = fill.mock.calls.map((call: unknown[]) => Number(call[2]) - Number(call[1]))
  expect(more).toEqual([])
  expect(first).toBeLessThanOrEqual(IMAGE_WIPE_BYTES)

  const small = Buffer.alloc(IMAGE_WHOLE_BYTES)
  const whole = takeImage(small)
  const setSmall = vi.spyOn(small, 'set')
  whole.restore(small)
  expect(setSmall.mock.calls.map(([bytes]) => bytes.length)).toEqual([IMAGE_WHOLE_BYTES])
})
