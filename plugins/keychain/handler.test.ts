import { beforeEach, expect, test } from 'vitest'

import { grant, type MemoryNamespace } from '../sdk/memory/world.ts'
import { encodeUtf8 } from '../sdk/utf8.ts'
import { handle } from './handler.ts'

let connection: MemoryNamespace

beforeEach(() => {
  connection = { items: new Map(), writable: true, categories: ['receipts'], bytesMax: 200_000 }
})

const receipt = { category: 'receipts', visibility: 'transparent' }

function ask(eventType: string, request: unknown): unknown {
  grant({ namespaces: { connection }, session: { eventType } })
  const outcome = handle(encodeUtf8(JSON.stringify(request)))
  if (outcome.tag !== 'reply') throw new Error('no reply')
  return JSON.parse(new TextDecoder().decode(outcome.val))
}

test('an item goes from revision to revision, and is gone when removed', () => {
  expect(ask('data.store', { ...receipt, key: 'a', json: [1] })).toEqual({ key: 'a', revision: 1 })
  expect(ask('data.store', { ...receipt, key: 'a', json: [2], expected: 1 })).toEqual({ key: 'a', revision: 2 })
  expect(() => ask('data.store', { ...receipt, key: 'a', json: [3], expected: 1 })).toThrow(
    expect.objectContaining({ code: 'conflict', message: expect.stringContaining('revision 2') }),
  )
  const item = { key: 'a', ...receipt, revision: 2, size: 3 }
  expect(ask('data.read', { key: 'a' })).toEqual({ item: { ...item, json: [2] } })
  expect(ask('data.read', {})).toEqual({ items: [item], next: null })
  expect(ask('data.remove', { key: 'a', expected: 2 })).toEqual({ key: 'a', removed: true })
  expect(() => ask('data.read', { key: 'a' })).toThrow(expect.objectContaining({ code: 'not-found' }))
})

test('every page continues where the last one ended', () => {
  for (let at = 0; at < 7; at++) ask('data.store', { ...receipt, key: `k${at}`, json: at })
  const seen: string[] = []
  let next: string | null = null
  do {
    const page = ask('data.read', { prefix: 'k', limit: 3, ...(next !== null && { after: next }) }) as {
      items: { key: string }[]
      next: string | null
    }
    seen.push(...page.items.map(({ key }) => key))
    next = page.next
  } while (next !== null)
  expect(seen).toEqual(['k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6'])
})

test('a value has its limit, in bytes', () => {
  const most = 'é'.repeat(32_767)
  expect(ask('data.store', { ...receipt, key: 'a', json: most })).toEqual({ key: 'a', revision: 1 })
  expect(() => ask('data.store', { ...receipt, key: 'a', json: `${most}x` })).toThrow(
    expect.objectContaining({ code: 'too-large' }),
  )
})

test('an error that is not the host’s no is not made into one', () => {
  grant({ namespaces: { connection }, session: { eventType: 'data.read' } })
  expect(() => handle(encodeUtf8('{'))).toThrow(SyntaxError)
})
