import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { CATEGORY_CHARS_MAX } from '#host/limits.ts'

import type { Item } from '#host/storage/port.ts'

import type { StoredItem } from './calls.ts'
import { type MemoryNamespace, memoryNamespace } from './fixtures/stage.ts'
import { type BaseReader, type Overlay, overlay } from './overlay.ts'

const keys = ['', 'a', 'a/1', 'a/2', 'a/é', 'a/\uffff', 'a/😀', 'b']
const key = fc.constantFrom(...keys)
const value = fc.uint8Array({ maxLength: 3 })
const conflict = { tag: 'conflict' }
const plain = { visibility: 'transparent', category: undefined } as const

test('reads its own writes', () => {
  const base = memoryNamespace()
  base.set('a', 'old', 4)
  const space = overlay(reader(base))
  expect(space.get('a')).toMatchObject({ revision: 4 })
  space.put('a', bytes('new'))
  space.put('a', bytes('newer'))
  expect(space.get('a')).toEqual({ key: 'a', value: bytes('newer'), revision: 5, ...plain })
  space.delete('a')
  expect(space.get('a')).toBeUndefined()
  expect([...space.writes()]).toEqual([['a', null]])
})

test('compare-and-swap sees the vault’s revision, and its own writes', () => {
  const base = memoryNamespace()
  base.set('a', 'old', 4)
  const space = overlay(reader(base))
  expect(space.put('a', bytes('x'), { expected: 3n })).toEqual(conflict)
  expect(space.put('new', bytes('x'), { expected: 1n })).toEqual(conflict)
  expect([...space.writes()]).toEqual([])
  expect(space.put('a', bytes('x'), { expected: 4n })).toBeUndefined()
  expect(space.put('a', bytes('y'), { expected: 4n })).toEqual(conflict)
  expect(space.put('a', bytes('y'), { expected: 5n })).toBeUndefined()
  expect(space.put('new', bytes('x'), { expected: 0n })).toBeUndefined()
  space.delete('a')
  expect(space.put('a', bytes('z'), { expected: 5n })).toEqual(conflict)
  expect(space.put('a', bytes('z'), { expected: 0n })).toBeUndefined()
})

test('a write alone asks the vault nothing', () => {
  let reads = 0
  const base = reader(memoryNamespace())
  const space = overlay({ ...base, get: (key) => ((reads += 1), base.get(key)) })
  space.put('a', bytes('x'))
  space.delete('b')
  expect(reads).toBe(0)
})

test('a key keeps its attributes, is given others, and has none after a delete', () => {
  const base = memoryNamespace()
  base.set('a', 'x')
  base.items.set('a', { ...base.items.get('a')!, visibility: 'opaque', category: 'notes' })
  const space = overlay(reader(base))
  space.put('a', bytes('y'))
  expect(space.get('a')).toMatchObject({ visibility: 'opaque', category: 'notes' })
  expect(space.writes().get('a')).toEqual({ value: bytes('y'), attributes: undefined })
  space.put('a', bytes('y'), { attributes: { visibility: 'opaque', category: undefined } })
  space.put('a', bytes('z'))
  expect(space.get('a')).toMatchObject({ visibility: 'opaque', category: undefined })
  space.delete('a')
  space.put('a', bytes('z'))
  expect(space.get('a')).toMatchObject(plain)
  expect(space.writes().get('a')).toEqual({ value: bytes('z'), attributes: plain })
})

function put(space: Overlay, category: string): unknown {
  return space.put('a', bytes('x'), { attributes: { visibility: 'opaque', category } })
}

test('a category must be one that may be kept, and a name', () => {
  const wrong = { tag: 'wrong-category' }
  const some = overlay(reader(memoryNamespace()), { categories: ['notes'], bytesMax: 99, bytesUsed: 0 })
  expect(put(some, 'notes')).toBeUndefined()
  expect(put(some, 'cards')).toEqual(wrong)
  const every = overlay(reader(memoryNamespace()), { categories: null, bytesMax: 99, bytesUsed: 0 })
  expect(put(every, 'cards')).toBeUndefined()
  for (const category of ['', 'Cards', 'x'.repeat(CATEGORY_CHARS_MAX + 1)]) expect(put(every, category)).toEqual(wrong)
})

test('takes no more bytes than may be kept, and says how many are left', () => {
  const base = memoryNamespace()
  base.set('a', 'four')
  base.set('b', '12345')
  const room = { categories: null, bytesMax: 15, bytesUsed: base.bytes }
  const space = overlay(reader(base), room)
  expect(space.put('c', bytes('1234'))).toEqual({ tag: 'full', val: 4 })
  expect(space.writes().size).toBe(0)
  // What it takes the place of counts, though nobody read it.
  expect(space.put('a', bytes('12345678'))).toBeUndefined()
  expect(space.put('c', bytes(''))).toEqual({ tag: 'full', val: 0 })
  space.delete('b')
  expect(space.put('c', bytes('12345'))).toBeUndefined()
  expect(space.put('d', bytes(''))).toEqual({ tag: 'full', val: 0 })
  const over = overlay(reader(base), { ...room, bytesMax: 5 })
  expect(over.put('a', bytes('1234'))).toBeUndefined()
  expect(over.put('a', bytes('12345'))).toEqual({ tag: 'full', val: 0 })
})

test('a room counts what the vault would hold', () => {
  const small = fc.constantFrom('a', 'b', 'é')
  fc.assert(
    fc.property(
      fc.array(fc.tuple(small, value)),
      fc.array(fc.tuple(small, fc.option(value), fc.boolean())),
      fc.nat({ max: 12 }),
      (before, writes, bytesMax) => {
        const base = memoryNamespace()
        for (const [key, value] of before) base.set(key, value)
        const space = overlay(reader(base), { categories: null, bytesMax, bytesUsed: base.bytes })
        const committed = memoryNamespace()
        for (const [key, item] of base.items) committed.items.set(key, item)
        for (const [key, value, reads] of writes) {
          if (reads) space.get(key)
          const stood = committed.bytes
          const item = committed.items.get(key)
          if (value === null) {
            space.delete(key)
            committed.items.delete(key)
            continue
          }
          committed.set(key, value)
          const isOver = committed.bytes > bytesMax && committed.bytes > stood
          expect(space.put(key, value)?.tag).toBe(isOver ? 'full' : undefined)
          if (!isOver) continue
          if (item === undefined) committed.items.delete(key)
          else committed.items.set(key, item)
        }
      },
    ),
    { numRuns: 500 },
  )
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
          else space.put(key, value)
        }
        for (const [key, write] of space.writes()) {
          if (write === null) committed.items.delete(key)
          else committed.set(key, write.value)
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
  return item && stored(key, item)
}

function stored(key: string, { value, revision, visibility, category }: Item): StoredItem {
  return { key, value, revision, visibility, category }
}

/** Pages of at most `pageMax`, as a byte limit would cut them. */
function reader(namespace: MemoryNamespace, pageMax = 100): BaseReader {
  return {
    get: (key) => {
      const item = namespace.get(key)
      return item && stored(key, item)
    },
    scan({ prefix, after, limit }) {
      const page = namespace.scan({
        prefix,
        limit: Math.min(limit, pageMax),
        ...(after === undefined ? {} : { after }),
      })
      const items = page.items.map(([key, item]) => stored(key, item))
      return { items, next: page.next }
    },
  }
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
