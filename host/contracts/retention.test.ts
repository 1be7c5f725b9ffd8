import { expect, test } from 'vitest'

import { SESSION_RETENTION_MS } from '#host/limits.ts'

import { grantEnds, retentionMs, retentionText } from './retention.ts'

const GRANTED = 1_700_000_000_000

test.each([
  [{ kind: 'session' }, GRANTED + SESSION_RETENTION_MS, 'this session'],
  [{ kind: 'days', days: 1 }, GRANTED + 86_400_000, '1 day'],
  [{ kind: 'days', days: 30 }, GRANTED + 30 * 86_400_000, '30 days'],
  [{ kind: 'until-revoked' }, Infinity, 'until revoked'],
] as const)('%o ends at %d', (retention, ends, text) => {
  expect(grantEnds(retention, GRANTED)).toBe(ends)
  expect(retentionText(retention)).toBe(text)
})

test('retentions have an order: a session is the shortest, until revoked the longest', () => {
  const lengths = [
    { kind: 'session' } as const,
    { kind: 'days', days: 1 } as const,
    { kind: 'days', days: 2 } as const,
    { kind: 'until-revoked' } as const,
  ].map(retentionMs)
  expect(lengths).toEqual(lengths.toSorted((a, b) => a - b))
})
