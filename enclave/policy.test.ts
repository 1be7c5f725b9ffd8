import { expect, test } from 'vitest'

import { Rejection, rejectionCodes } from './errors.ts'
import { parsePolicy } from './policy.ts'
import { rejectionOf } from './rejection.fixture.ts'

const id = 'a'.repeat(96)
const key = 'b'.repeat(64)
const good = {
  format: 1,
  roots: { nitro: [key], revoked: [`${key}:0a1b`] },
  policy: { kind: 'nitro', measurements: [id] },
}

test('a policy file gives roots and a policy', () => {
  expect(parsePolicy(JSON.stringify(good))).toEqual({
    roots: { nitro: [key], software: [], revoked: new Set([`${key}:0a1b`]) },
    policy: { kind: 'nitro', measurements: [id], registers: new Map(), maxAgeMs: 300_000 },
  })
  const pinned = { kind: 'software', registers: { 16: [id] }, max_age_ms: 1 }
  expect(parsePolicy(JSON.stringify({ ...good, policy: pinned })).policy).toEqual({
    kind: 'software',
    measurements: [],
    registers: new Map([[16, [id]]]),
    maxAgeMs: 1,
  })
})

test.each<[string, unknown]>([
  ['nothing', undefined],
  ['another format', { ...good, format: 2 }],
  ['a key more', { ...good, more: 1 }],
  ['a measurement in capitals', { ...good, policy: { kind: 'nitro', measurements: [id.toUpperCase()] } }],
  ['no code named', { ...good, policy: { kind: 'nitro' } }],
  ['only PCR0 pinned', { ...good, policy: { kind: 'nitro', registers: { 0: [id] } } }],
  ['software without the image pinned', { ...good, policy: { kind: 'software', registers: { 0: [id] } } }],
  ['register 32', { ...good, policy: { kind: 'software', registers: { 16: [id], 32: [id] } } }],
  ['a register that may have no value', { ...good, policy: { ...good.policy, registers: { 16: [] } } }],
  ['two days', { ...good, policy: { ...good.policy, max_age_ms: 172_800_000 } }],
  ['a revocation of another form', { ...good, roots: { revoked: [key] } }],
])('a policy file is refused: %s', (_what, file) => {
  expect(rejectionOf(() => parsePolicy(JSON.stringify(file) ?? ''))).toBe('policy-invalid')
})

test('a rejection says its code and why', () => {
  expect(new Rejection('too-old', 'evidence: is old')).toMatchObject({ name: 'Rejection', code: 'too-old' })
  expect(new Set(rejectionCodes).size).toBe(rejectionCodes.length)
})
