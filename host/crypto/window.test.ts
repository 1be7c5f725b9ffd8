import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { SEQUENCE_MAX, WINDOW_BITS } from '#host/limits.ts'
import { refusalOf } from '#host/wire/refusal.fixture.ts'

import { createWindow } from './window.ts'

const near = fc.integer({ min: 0, max: 3 * WINDOW_BITS })
const far = fc.integer({ min: 2 ** 40, max: 2 ** 40 + 3 * WINDOW_BITS })

/** What a window means, without a ring. */
function model() {
  const marked = new Set<number>()
  const top = () => Math.max(-1, ...marked)
  return {
    mark: (seq: number) => seq > top() - WINDOW_BITS && marked.add(seq),
    seen: (seq: number) => seq <= top() - WINDOW_BITS || marked.has(seq),
  }
}

describe('window', () => {
  test('is exact for the newest numbers and takes all older ones for seen', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(near, near, far), { maxLength: 150 }), (marks) => {
        const window = createWindow()
        const expected = model()
        for (const seq of marks) {
          expect(window.seen(seq)).toBe(expected.seen(seq))
          window.mark(seq)
          expected.mark(seq)
        }
        for (let seq = 0; seq <= 3 * WINDOW_BITS; seq += 7) expect(window.seen(seq)).toBe(expected.seen(seq))
        for (const seq of marks) expect(window.seen(seq)).toBe(true)
      }),
    )
  })

  test('decoding is the inverse of encoding, merging is union', () => {
    const marks = fc.array(fc.oneof(near, far), { maxLength: 60 })
    fc.assert(
      fc.property(marks, marks, (first, second) => {
        const [a, b, both] = [createWindow(), createWindow(), createWindow()]
        for (const seq of first) a.mark(seq)
        for (const seq of second) b.mark(seq)
        for (const seq of [...first, ...second].toSorted((x, y) => x - y)) both.mark(seq)
        expect(createWindow(a.encode()).encode()).toEqual(a.encode())
        expect(createWindow(a.encode()).top).toBe(a.top)
        a.merge(b.encode())
        // A number that only the lower one knew may lie below the higher one's window; then it counts as seen.
        for (const seq of [...first, ...second]) expect(a.seen(seq)).toBe(true)
        for (let seq = 0; seq < 3 * WINDOW_BITS; seq += 11) expect(a.seen(seq)).toBe(both.seen(seq))
      }),
    )
  })

  test('a mark below the window changes nothing', () => {
    const window = createWindow()
    window.mark(5_000)
    const before = window.encode()
    window.mark(5_000 - WINDOW_BITS)
    window.mark(0)
    expect(window.encode()).toEqual(before)
    expect(window.seen(5_000 - WINDOW_BITS)).toBe(true)
    expect(window.seen(5_001 - WINDOW_BITS)).toBe(false)
  })

  test('numbers taken in order cost six bytes', () => {
    const window = createWindow()
    expect(window.encode()).toEqual(new Uint8Array(6))
    for (let seq = 0; seq < 5_000; seq++) window.mark(seq)
    expect(window.encode().toHex()).toBe('000000001388')
    window.mark(SEQUENCE_MAX)
    expect(window.seen(4_999)).toBe(true)
    expect(window.seen(SEQUENCE_MAX - 1)).toBe(false)
  })

  test('refuses what it does not write', () => {
    for (const hex of [
      '',
      '0000000000',
      // a trailing zero byte; the top itself missing; something missing below zero
      '00000000000a00',
      '00000000000a01',
      '000000000002fc',
      '00000000000002',
      `000000ffffff${'02'.repeat(WINDOW_BITS / 8 + 1)}`,
    ]) {
      expect(refusalOf(() => createWindow(Uint8Array.fromHex(hex)))).toBe('malformed')
    }
    expect(createWindow(Uint8Array.fromHex('00000000000306')).seen(0)).toBe(false)
  })
})
