import { randomBytes } from 'node:crypto'

import { expect, test } from 'vitest'

import { eventIdBytes, eventIdOf, newEventId, parseConnectionId, parseEventType, parseVaultId } from './id.ts'
import { refusalOf } from './refusal.fixture.ts'

test('ids take 1 to 64 of a-z 0-9 _ - and nothing else', () => {
  for (const parse of [parseVaultId, parseConnectionId]) {
    for (const good of ['a', '0', '-', '_', 'acme-retail_2', 'x'.repeat(64)]) expect(parse(good)).toBe(good)
    for (const bad of ['', 'x'.repeat(65), 'A', 'a.b', '*', '>', 'a b', 'a\n', 'ä', 'a\0', 'a/b']) {
      expect(refusalOf(() => parse(bad))).toBe('malformed')
    }
  }
})

test('an event type is noun.verb', () => {
  for (const good of ['data.request', 'a.b', 'x-1.y-2', `${'n'.repeat(32)}.${'v'.repeat(32)}`]) {
    expect(parseEventType(good)).toBe(good)
  }
  const bad = ['', 'data', 'data.', '.request', 'a.b.c', 'Data.request', '1a.b', 'a.-b', 'a.*', '*.b', 'a.>', 'a.b\n']
  for (const text of [...bad, `${'n'.repeat(33)}.v`, `n.${'v'.repeat(33)}`, 'a_b.c']) {
    expect(refusalOf(() => parseEventType(text))).toBe('malformed')
  }
})

test('an event id is 16 bytes, in lower-case hex', () => {
  const bytes = new Uint8Array(randomBytes(16))
  expect(eventIdBytes(eventIdOf(bytes))).toEqual(bytes)
  expect(eventIdOf(new Uint8Array(16).fill(0xab))).toBe('ab'.repeat(16))
  for (const length of [0, 15, 17]) expect(refusalOf(() => eventIdOf(new Uint8Array(length)))).toBe('malformed')
  const asked: number[] = []
  const id = newEventId((count) => {
    asked.push(count)
    return new Uint8Array(count).fill(1)
  })
  expect(asked).toEqual([16])
  expect(id).toBe('01'.repeat(16))
})
