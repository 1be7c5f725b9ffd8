import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { type MemoryNamespace, memoryNamespace } from './fixtures/stage.ts'
import { type BaseReader, overlay } from './overlay.ts'

const keys = ['', 'a', 'a/1', 'a/2', 'a/é', 'a/\uffff', 'a/😀', 'b']
const key = fc.constantFrom(...keys)
const value = fc.uint8Array({ maxLength: 3 })

test('reads its own writes', () => {
  const base = memoryNamespace()
  base.set('a', 'old', 4)
  const space = overlay(reader(base))
  expect(space.get('a')).toMatchObject({ revision: 4 })
  space.put('a', bytes('new'), undefined)
  space.put('a', bytes('newer'), undefined)
  expect(space.get('a')).toEqual({ key: 'a', value: bytes('newer'), revision: 5 })
  space.delete('a')
  expect(space.get('a')).toBeUndefined()
  expect([...space.writes()]).toEqual([['a', null]])
})

test('compare-and-swap sees the vault’s revision, and its own writes', () => {
  const base = memoryNamespace()
  base.set('a', 'old', 4)
  const space = overlay(reader(base))
  expect(space.put('a', bytes('x'), 3n)).toBe(false)
  expect(space.put('new', bytes('x'), 1n)).toBe(false)
  expect([...space.writes()]).toEqual([])
  expect(space.put('a', bytes('x'), 4n)).toBe(true)
  expect(space.put('a', bytes('y'), 4n)).toBe(false)
  expect(space.put('a', bytes('y'), 5n)).toBe(true)
  expect(space.put('new', bytes('x'), 0n)).toBe(true)
  space.delete('a')
  expect(space.put('a', bytes('z'), 5n)).toBe(false)
  expect(space.put('a', bytes('z'), 0n)).toBe(true)
})

test('a write alone asks the vault nothing', () => {
  let reads = 0
  const base = reader(memoryNamespace())
  const space = overlay({ ...base, get: (key) => ((reads += 1), base.get(key)) })
  space.put('a', bytes('x'), undefined)
  space.delete('b')
  expect(reads).toBe(0)
})

test('shows what the vault would hold had the writes been committed', () => {
  const write = fc.tuple(key, fc.option(value))
  fc.assert(
    fc.property(
      fc.array(fc.tuple(key, value), { maxLength: 8 }),
      fc.array(write, { maxLength: 8 }),
      fc.record({
        prefix: fc.constantFrom('', 'a', 'a/', 'c'),
        after: fc.option(key, { nil: undefined }),
        limit: fc.integer({ min: 1, max: 4 }),
      }),
      (before, writes, options) => {
        const base = memoryNamespace()
        for (const [key, value] of before) base.set(key, value)
        const space = overlay(reader(base, 2))
        const committed = memoryNamespace()
        for (const [key, item] of base.items) committed.items.set(key, item)
        for (const [key, value] of writes) {
          if (value === null) space.delete(key)
          else space.put(key, value, undefined)
        }
        for (const [key, value] of space.writes()) {
          if (value === null) committed.items.delete(key)
          else committed.set(key, value)
        }
        for (const key of keys) expect(space.get(key)).toEqual(shown(committed, key))
        const seen: string[] = []
        let after = options.after
        for (;;) {
          const page = space.scan({ ...options, after })
          expect(page.items.length).toBeLessThanOrEqual(options.limit)
          for (const item of page.items) expect(item).toEqual(shown(committed, item.key))
          seen.push(...page.items.map((item) => item.key))
          if (page.next === undefined) break
          after = page.next
        }
        const { items } = committed.scan({
          prefix: options.prefix,
          limit: 100,
          ...(options.after === undefined ? {} : { after: options.after }),
        })
        expect(seen).toEqual(items.map(([key]) => key))
      },
    ),
    { numRuns: 500 },
  )
})

function shown(namespace: MemoryNamespace, key: string): unknown {
  const item = namespace.get(key)
  return item === undefined ? undefined : { key, value: item.value, revision: item.revision }
}

/** Pages of at most `pageMax`, as a byte limit would cut them. */
function reader(namespace: MemoryNamespace, pageMax = 100): BaseReader {
  return {
    get: (key) => {
      const item = namespace.get(key)
      return item === undefined ? undefined : { key, value: item.value, revision: item.revision }
    },
    scan({ prefix, after, limit }) {
      const page = namespace.scan({
        prefix,
        limit: Math.min(limit, pageMax),
        ...(after === undefined ? {} : { after }),
      })
      const items = page.items.map(([key, item]) => ({ key, value: item.value, revision: item.revision }))
      return { items, next: page.next }
    },
  }
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
