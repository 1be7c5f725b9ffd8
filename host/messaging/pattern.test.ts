import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { checkSubject, covers, laneTable, overlap, parsePattern } from './pattern.ts'

const token = fc.constantFrom('a', 'b', 'c')
const subject = fc.array(token, { minLength: 1, maxLength: 5 }).map((tokens) => tokens.join('.'))
const pattern = fc
  .tuple(fc.array(fc.oneof(token, fc.constant('*')), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([tokens, open]) => [...tokens, ...(open ? ['>'] : [])].join('.'))

/** The same question answered by a regular expression. */
function matches(pattern: string, subject: string): boolean {
  const source = pattern
    .split('.')
    .map((part) => (part === '*' ? '[^.]+' : part === '>' ? '.+' : part))
    .join('\\.')
  return new RegExp(`^${source}$`).test(subject)
}

test('matches as a regular expression does', () => {
  fc.assert(
    fc.property(pattern, subject, (pattern, subject) => {
      expect(covers(parsePattern(pattern), subject.split('.'))).toBe(matches(pattern, subject))
    }),
    { numRuns: 500 },
  )
})

test('two patterns overlap when some subject is in both, and cover when all are', () => {
  const letters = ['a', 'b', 'c']
  const pairs = letters.flatMap((x) => letters.map((y) => `${x}.${y}`))
  const triples = pairs.flatMap((x) => letters.map((y) => `${x}.${y}`))
  const fours = triples.flatMap((x) => letters.map((y) => `${x}.${y}`))
  const subjects = [...letters, ...pairs, ...triples, ...fours]
  const small = pattern.filter((text) => text.split('.').length <= 3)
  fc.assert(
    fc.property(small, small, (left, right) => {
      const both = subjects.some((subject) => matches(left, subject) && matches(right, subject))
      expect(overlap(parsePattern(left), parsePattern(right))).toBe(both)
      const within = subjects.every((subject) => !matches(right, subject) || matches(left, subject))
      if (covers(parsePattern(left), parsePattern(right))) expect(within).toBe(true)
    }),
    { numRuns: 300 },
  )
})

test('a subject has no wildcard, no empty token and no space', () => {
  for (const bad of ['', '.', 'a.', '.a', 'a..b', 'a.*', 'a.>', 'a b', 'a\r\nPUB x', 'ä']) {
    expect(() => checkSubject(bad)).toThrow('not a subject')
  }
  checkSubject('MessageSpace.v1.fromService.c-1.data.request')
})

test('a pattern has its > last', () => {
  for (const bad of ['', 'a.>.b', 'a*', 'a.**', '>.a']) expect(() => parsePattern(bad)).toThrow('not a subject pattern')
  expect(parsePattern('>')).toEqual(['>'])
})

test('lanes drop covered patterns and say which lane captures', () => {
  const table = laneTable({
    critical: ['Own.*.forVault.*.*', 'Own.*.forVault.a.b', 'Msg.*.fromService.*.data.request'],
    bestEffort: ['Msg.*.fromService.*.status.ping'],
  })
  expect(table.lanes.critical).toEqual(['Msg.*.fromService.*.data.request', 'Own.*.forVault.*.*'])
  expect(table.laneOf('Own.v.forVault.a.b')).toBe('critical')
  expect(table.laneOf('Msg.v.fromService.c.status.ping')).toBe('bestEffort')
  expect(table.laneOf('Msg.v.forService.c.data.request')).toBeUndefined()
})

function tableOf(critical: string[], bestEffort: string[] = []): () => unknown {
  return () => laneTable({ critical, bestEffort })
}

test('lanes that a broker cannot keep apart are refused', () => {
  expect(tableOf(['A.*.x'], ['A.v.*'])).toThrow('lanes overlap')
  expect(tableOf(['A.*.x'], ['A.*.x'])).toThrow('lanes overlap')
  expect(tableOf(['A.*.x.*', 'A.*.*.y'])).toThrow('lanes overlap')
  expect(tableOf(['A.*'])).toThrow('a lane pattern is')
  expect(tableOf(['*.v.x'])).toThrow('a lane pattern is')
  expect(tableOf(['A.>'])).toThrow('a lane pattern is')
  expect(tableOf(Array.from({ length: 1_025 }, (_, index) => `A.*.n${index}`))).toThrow('1025 patterns')
})
