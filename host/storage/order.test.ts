import * as fc from 'fast-check'
import { expect, it } from 'vitest'

import { KEY_RUN_MAX } from '#host/limits.ts'
import { compareUtf8, keyOrder } from './order.ts'

// Characters on both sides of the places where UTF-16 and UTF-8 order differ.
const text = fc.string({
  unit: fc.constantFrom('a', 'b', '\u{7f}', '\u{80}', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}'),
})

it('orders as the bytes of UTF-8 do', () => {
  fc.assert(
    fc.property(text, text, (left, right) => {
      expect(Math.sign(compareUtf8(left, right))).toBe(Buffer.compare(Buffer.from(left), Buffer.from(right)))
    }),
    { numRuns: 1_000 },
  )
})

it('holds what a sorted set would, whatever is added and removed', () => {
  const action = fc.record({ key: text, add: fc.boolean() })
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), text, (actions, start) => {
      const order = keyOrder()
      const model = new Set<string>()
      for (const { key, add } of actions) {
        order[add ? 'add' : 'remove'](key)
        model[add ? 'add' : 'delete'](key)
      }
      const sorted = [...model].sort(compareUtf8)
      expect([...order.from('')]).toEqual(sorted)
      expect([...order.from(start)]).toEqual(sorted.filter((key) => compareUtf8(key, start) >= 0))
    }),
  )
})

it('keeps its order over many runs, in any order of arrival', () => {
  const count = 5 * KEY_RUN_MAX
  const keys = Array.from({ length: count }, (_, at) => String(at).padStart(6, '0'))
  const shuffled = keys.map((key, at) => [(at * 7_919) % count, key] as const).sort(([a], [b]) => a - b)
  for (const arrival of [keys, keys.toReversed(), shuffled.map(([, key]) => key)]) {
    const order = keyOrder()
    for (const key of arrival) order.add(key)
    expect([...order.from('')]).toEqual(keys)
    expect(order.from('001999z').next().value).toBe('002000')
    for (const key of keys) if (!key.endsWith('5')) order.remove(key)
    expect([...order.from('')]).toEqual(keys.filter((key) => key.endsWith('5')))
  }
})
