import { afterEach, expect, test } from 'vitest'

import { decodeBase64url, encodeBase64url } from '../sdk/base64url.ts'
import { grant, type HeldCredential } from '../sdk/memory/world.ts'
import { decodeUtf8, encodeUtf8 } from '../sdk/utf8.ts'
import { handle } from './handler.ts'

const nonce = new Uint8Array(16).fill(7)
const issuer = 'I'.repeat(43)

function held(label: string, changes: Partial<HeldCredential> = {}): HeldCredential {
  return {
    kind: 'driving-licence',
    issuer,
    label,
    claims: ['age_over_21', 'licence_valid'],
    expires: null,
    prove: (disclose, bytes) => encodeUtf8(`${label}: ${disclose.join()} for ${bytes.length}`),
    ...changes,
  }
}
const credentials = { car: held('My licence'), club: held('Club card', { kind: 'membership', claims: ['member'] }) }
const asked = { claims: ['age_over_21'], nonce: encodeBase64url(nonce) }

afterEach(() => grant({}))

test('proves exactly what was asked, to the nonce that was sent', () => {
  grant({ credentials })
  expect(ask(asked)).toEqual({ kind: 'driving-licence', proof: 'My licence: age_over_21 for 16' })
  expect(ask({ ...asked, claims: ['member'] })).toEqual({ kind: 'membership', proof: 'Club card: member for 16' })
})

test.each([
  ['a claim that is not granted', { claims: ['age_over_21', 'birth_date'] }],
  ['claims of two credentials', { claims: ['age_over_21', 'member'] }],
  ['another kind', { kind: 'passport' }],
  ['another issuer', { issuers: ['J'.repeat(43)] }],
])('%s is not available', (_name, change) => {
  grant({ credentials })
  expect(() => ask({ ...asked, ...change })).toThrow(expect.objectContaining({ code: 'claims-unavailable' }))
})

test('what the host refuses to prove is not available either', () => {
  const refused = Object.assign(new Error('no'), { payload: 'unavailable' })
  const prove = (): never => {
    throw refused
  }
  grant({ credentials: { car: held('My licence', { prove }) } })
  expect(() => ask(asked)).toThrow(expect.objectContaining({ code: 'claims-unavailable' }))
})

test.each([
  ['a short nonce', encodeBase64url(new Uint8Array(15))],
  ['a long one', encodeBase64url(new Uint8Array(65))],
  ['one that is not base64url', `${encodeBase64url(nonce)}=`],
])('refuses %s', (_name, nonce) => {
  grant({ credentials })
  expect(() => ask({ ...asked, nonce })).toThrow(expect.objectContaining({ code: 'nonce-invalid' }))
})

const three = { old: held('Licence'), 'passport-card': held('Licence'), pass: held('old'), best: held('Best') }

test('asks the owner which of several, by names that are clear', () => {
  grant({ credentials: three })
  expect(handle(encodeUtf8(JSON.stringify(asked)))).toEqual({
    tag: 'suspended',
    val: {
      text: 'Which credential is to prove age_over_21?',
      choices: ['old', 'passport-card', 'pass', 'Best'],
    },
  })
})

test('uses the one the owner chose, and none that is gone', () => {
  grant({ credentials: three, answer: { tag: 'chosen', val: 'Best' } })
  expect(ask(asked)).toMatchObject({ proof: 'Best: age_over_21 for 16' })
  grant({ credentials: { old: three.old, pass: held('Pass') }, answer: { tag: 'chosen', val: 'Best' } })
  expect(() => ask(asked)).toThrow(expect.objectContaining({ code: 'claims-unavailable' }))
})

test('offers no more than the owner can be offered, in words that fit', () => {
  const many = Object.fromEntries(
    Array.from({ length: 12 }, (_, at) => [
      `c${at}`,
      held(`Card ${at}`, { claims: Array.from({ length: 32 }, (_, n) => `${'n'.repeat(61)}${n}`) }),
    ]),
  )
  grant({ credentials: many })
  const outcome = handle(encodeUtf8(JSON.stringify({ ...asked, claims: many['c0']?.claims })))
  if (outcome.tag !== 'suspended') throw new Error('did not ask')
  expect(outcome.val.choices).toHaveLength(8)
  expect(encodeUtf8(outcome.val.text).length).toBeLessThanOrEqual(512)
})

function ask(request: unknown): { kind: string; proof: string } {
  const outcome = handle(encodeUtf8(JSON.stringify(request)))
  if (outcome.tag !== 'reply') throw new Error('no reply')
  const { format, kind, proof } = JSON.parse(decodeUtf8(outcome.val)) as Record<string, string>
  expect(format).toBe('vine/1 presentation')
  return { kind: kind ?? '', proof: decodeUtf8(decodeBase64url(proof ?? '') ?? new Uint8Array()) }
}
