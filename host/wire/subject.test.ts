import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { refusalOf } from './refusal.fixture.ts'
import { bindOf, buildSubject, parseSubject, type Subject } from './subject.ts'

const id = fc.stringMatching(/^[a-z0-9_-]{1,64}$/)
const type = fc.stringMatching(/^[a-z][a-z0-9-]{0,31}\.[a-z][a-z0-9-]{0,31}$/)
const subject = fc.oneof(
  fc.record({
    space: fc.constant('message'),
    vault: id,
    direction: fc.constantFrom('fromService', 'forService'),
    connection: id,
    type,
  }),
  fc.record({ space: fc.constant('owner'), vault: id, direction: fc.constantFrom('forVault', 'forApp'), type }),
) as unknown as fc.Arbitrary<Subject>

describe('parseSubject', () => {
  test('reads each of the four forms', () => {
    expect(parseSubject('MessageSpace.alice.fromService.acme-retail.data.request')).toEqual({
      space: 'message',
      vault: 'alice',
      direction: 'fromService',
      connection: 'acme-retail',
      type: 'data.request',
    })
    expect(parseSubject('OwnerSpace.alice.forApp.approval.asked')).toEqual({
      space: 'owner',
      vault: 'alice',
      direction: 'forApp',
      type: 'approval.asked',
    })
    expect(parseSubject('MessageSpace.a.forService.c.n.v').direction).toBe('forService')
    expect(parseSubject('OwnerSpace.a.forVault.n.v').direction).toBe('forVault')
  })

  test.each([
    '',
    'MessageSpace.a.fromService.c.n',
    'MessageSpace.a.fromService.c.n.v.w',
    'MessageSpace.a.fromService.c..v',
    'MessageSpace..fromService.c.n.v',
    'MessageSpace.a.fromService.*.n.v',
    'MessageSpace.*.fromService.c.n.v',
    'MessageSpace.a.fromService.c.n.*',
    'MessageSpace.a.fromService.c.n.>',
    'MessageSpace.a.fromService.>',
    'MessageSpace.a.forVault.c.n.v',
    'MessageSpace.A.fromService.c.n.v',
    'messagespace.a.fromService.c.n.v',
    'OwnerSpace.a.fromService.n.v',
    'OwnerSpace.a.forVault.c.n.v',
    'OwnerSpace.a.forVault.n.v ',
    'OwnerSpace.a.forVault.n.v\n',
    ' OwnerSpace.a.forVault.n.v',
    '_INBOX.a.b.c',
    `OwnerSpace.${'a'.repeat(65)}.forVault.n.v`,
    `OwnerSpace.a.forVault.n.${'v'.repeat(100_000)}`,
  ])('refuses %s', (text) => {
    expect(refusalOf(() => parseSubject(text))).toBe('malformed')
  })

  test('the longest subject', () => {
    const [long, part] = ['x'.repeat(64), 'x'.repeat(32)]
    const longest = `MessageSpace.${long}.fromService.${long}.${part}.${part}`
    expect(buildSubject(parseSubject(longest))).toBe(longest)
  })

  test('is the inverse of buildSubject, and reads nothing else', () => {
    fc.assert(
      fc.property(subject, (given) => {
        expect(parseSubject(buildSubject(given))).toEqual(given)
      }),
    )
    const pieces = fc.constantFrom(
      'MessageSpace',
      'OwnerSpace',
      'fromService',
      'forVault',
      'a',
      '.',
      '*',
      '>',
      '',
      '\n',
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 14 }), (tokens) => {
        const text = tokens.join(tokens.length % 2 === 0 ? '.' : '')
        try {
          expect(buildSubject(parseSubject(text))).toBe(text)
        } catch (error) {
          expect(
            refusalOf(() => {
              throw error
            }),
          ).toBe('malformed')
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

test('buildSubject does not trust a brand', () => {
  const good = parseSubject('MessageSpace.a.fromService.c.n.v')
  for (const forged of [{ vault: '*' }, { connection: 'c.d' }, { type: 'n.>' }, { connection: '' }]) {
    expect(refusalOf(() => buildSubject({ ...good, ...forged } as Subject))).toBe('malformed')
  }
})

describe('bindOf', () => {
  test('is the subject without its event type', () => {
    const bound = bindOf(parseSubject('MessageSpace.alice.fromService.acme.data.request'))
    expect(new TextDecoder().decode(bound)).toBe('MessageSpace.alice.fromService.acme')
    expect(bindOf(parseSubject('OwnerSpace.alice.forVault.a.b'))).toEqual(
      new TextEncoder().encode('OwnerSpace.alice.forVault'),
    )
  })

  test('two places never share one', () => {
    fc.assert(
      fc.property(subject, subject, (a, b) => {
        fc.pre(JSON.stringify({ ...a, type: '' }) !== JSON.stringify({ ...b, type: '' }))
        expect(bindOf(a)).not.toEqual(bindOf(b))
      }),
    )
  })
})
