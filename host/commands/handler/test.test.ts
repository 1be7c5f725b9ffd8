import { expect, test } from 'vitest'

import type { CaseResult } from './run-cases.ts'
import { printResults } from './test.ts'

const good: CaseResult = {
  name: 'greets',
  outcome: 'reply',
  hostCalls: 4,
  bytes: 46,
  micros: 12.4,
  mistakes: [],
  log: ['info: said hello'],
}
const stack = '    at count (/handler.ts:4:5)\\n    at handle (/x:1:2)\\n'
const thrown = `debug: Exception { message: Some("no \\"such\\" thing"), stack: Some("${stack}") })`

test('numbers stand under each other, within 80 columns', () => {
  const long = {
    ...good,
    name: 'refuses '.repeat(20),
    outcome: 'no: a-code',
    hostCalls: 1_000,
    bytes: 524_288,
    micros: 1e6,
  }
  const lines = printResults([good, long], 80).split('\n')
  expect(lines).toHaveLength(3)
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(80)
  expect(lines[1]).toMatch(/^ok {2}greets +reply +4 {6}46 {7}12$/u)
  expect(lines[2]).toMatch(/^ok {2}refuses .*… {2}no: a-code {3}1000 {2}524288 {2}1000000$/u)
})

test('below a case that failed stands why, and what it logged or threw', () => {
  const log = ['info: said hello', 'debug: ', 'debug: Failed to call x', thrown, 'debug: )', 'debug: note: more']
  const text = printResults([{ ...good, mistakes: ['expected 1, got 2'], log }], 80)
  expect(text.split('\n').slice(1)).toEqual([
    expect.stringMatching(/^NO {2}greets/u),
    '    expected 1, got 2',
    '    logged info: said hello',
    '    threw: no "such" thing, in count < handle',
  ])
})
