import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { SCAN_ITEMS_MAX } from '#host/limits.ts'
import type { NamespaceName } from './port.ts'
import { emptyState } from './state.ts'
import { utf8 } from './vault-store.fixture.ts'

function filled(...keys: string[]) {
  const state = emptyState(1)
  for (const key of keys) state.apply('personal', { key, value: utf8(key) }, 1)
  return state
}

const keysOf = (page: { items: readonly (readonly [string, unknown])[] }) => page.items.map(([key]) => key)

describe('an item', () => {
  it('starts at revision 1, counts its writes, and starts again after a delete', () => {
    const state = filled('a')
    const space = state.handle('personal')
    expect(space.get('a')).toEqual({
      value: utf8('a'),
      revision: 1,
      updatedAt: 1,
      visibility: 'transparent',
      sensitivity: 'data',
    })
    state.apply('personal', { key: 'a', value: utf8('b') }, 2)
    expect(space.get('a')).toMatchObject({ value: utf8('b'), revision: 2, updatedAt: 2 })
    state.apply('personal', { key: 'a', value: null }, 3)
    expect(space.get('a')).toBeUndefined()
    state.apply('personal', { key: 'a', value: utf8('c') }, 4)
    expect(space.get('a')).toMatchObject({ revision: 1, updatedAt: 4 })
  })

  it('keeps the metadata that a write leaves out, until it is deleted', () => {
    const state = emptyState(1)
    const space = state.handle('system')
    const first = { visibility: 'opaque', sensitivity: 'critical', category: 'notes' } as const
    state.apply('system', { key: 'k', value: utf8('1'), ...first }, 1)
    state.apply('system', { key: 'k', value: utf8('2') }, 1)
    expect(space.get('k')).toMatchObject(first)
    state.apply('system', { key: 'k', value: utf8('2'), category: null }, 1)
    expect(space.get('k')).toMatchObject({ visibility: 'opaque', category: undefined })
    state.apply('system', { key: 'k', value: utf8('3'), sensitivity: 'secret' }, 1)
    expect(space.get('k')).toMatchObject({ visibility: 'opaque', sensitivity: 'secret' })
    state.apply('system', { key: 'k', value: null }, 1)
    state.apply('system', { key: 'k', value: utf8('4') }, 1)
    expect(space.get('k')).toMatchObject({ visibility: 'opaque', sensitivity: 'data' })
  })
})

describe('a namespace', () => {
  it('keeps the figure of its bytes: keys and values of what is there', () => {
    const change = fc.record({
      key: fc.constantFrom('a', 'é', 'b/c'),
      value: fc.option(fc.uint8Array({ maxLength: 9 })),
    })
    fc.assert(
      fc.property(fc.array(change), (changes) => {
        const state = emptyState(1)
        const space = state.handle('connection/a')
        for (const { key, value } of changes) state.apply('connection/a', { key, value }, 1)
        const { items } = space.scan({ prefix: '', limit: 9 })
        const bytes = items.reduce((sum, [key, { value }]) => sum + utf8(key).length + value.length, 0)
        expect(space.bytes).toBe(bytes)
        expect(state.handle('connection/b').bytes).toBe(0)
      }),
    )
  })
})

describe('a scan', () => {
  it('gives the keys under a prefix in byte order, page by page', () => {
    const space = filled('b', 'a/2', 'a/10', 'a/1', 'a', 'a0', 'a/\u{10000}', 'a/\uffff').handle('personal')
    expect(keysOf(space.scan({ prefix: 'a/', limit: 10 }))).toEqual(['a/1', 'a/10', 'a/2', 'a/\uffff', 'a/\u{10000}'])
    const first = space.scan({ prefix: 'a/', limit: 2 })
    expect(first).toMatchObject({ next: 'a/10' })
    expect(keysOf(space.scan({ prefix: 'a/', after: 'a/10', limit: 2 }))).toEqual(['a/2', 'a/\uffff'])
    expect(space.scan({ prefix: 'a/', after: 'a/\uffff', limit: 1 })).not.toHaveProperty('next')
  })

  it('reads on after a key that is gone, before the prefix or behind it', () => {
    const space = filled('a/1', 'a/3').handle('personal')
    expect(keysOf(space.scan({ prefix: 'a/', after: 'a/2', limit: 9 }))).toEqual(['a/3'])
    expect(keysOf(space.scan({ prefix: 'a/', after: 'A', limit: 9 }))).toEqual(['a/1', 'a/3'])
    expect(keysOf(space.scan({ prefix: 'a/', after: 'b', limit: 9 }))).toEqual([])
    expect(keysOf(space.scan({ prefix: '\ud800', limit: 9 }))).toEqual([])
  })

  it('holds its limit between 1 and SCAN_ITEMS_MAX', () => {
    const space = filled(...Array.from({ length: SCAN_ITEMS_MAX + 5 }, (_, at) => `k${at}`)).handle('personal')
    for (const limit of [0, -3, Number.NaN]) expect(space.scan({ prefix: 'k', limit }).items).toHaveLength(1)
    for (const limit of [1e9, Number.POSITIVE_INFINITY]) {
      expect(space.scan({ prefix: 'k', limit }).items).toHaveLength(SCAN_ITEMS_MAX)
    }
  })
})

it('never shows one namespace through the handle of another', () => {
  const names: NamespaceName[] = ['personal', 'system', 'audit', 'connection/a', 'connection/ab', 'sandbox/a']
  const write = fc.record({
    name: fc.constantFrom(...names),
    key: fc.constantFrom('a', 'b/c', 'connection/a', '../system/a', 'personal', 'a\0b'),
    put: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(write), (writes) => {
      const state = emptyState(1)
      const handles = names.map((name) => state.handle(name))
      for (const { name, key, put } of writes) state.apply(name, { key, value: put ? utf8(name) : null }, 1)
      for (const handle of handles) {
        const { name } = handle
        const own = new Set(writes.filter((write) => write.name === name).map(({ key }) => key))
        for (const [key, item] of handle.scan({ prefix: '', limit: 99 }).items) {
          expect(own).toContain(key)
          expect(item.value).toEqual(utf8(name))
          expect(handle.get(key)).toBe(item)
        }
      }
      const held = names.filter((name) => state.handle(name).scan({ prefix: '', limit: 1 }).items.length > 0)
      expect(state.names()).toEqual(held.sort())
    }),
  )
})
