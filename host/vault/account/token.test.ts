import { randomBytes } from 'node:crypto'

import { describe, expect, test } from 'vitest'

import { nativeSecret } from '#host/crypto/kdf.ts'
import { issueToken, readToken } from './token.ts'

const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length))
const key = nativeSecret(random(32))
const NOW = 1_800_000_000_000
const audience = 'https://vault.example'
const whose = { vault: 'alice', user: random(32), device: random(32), audience }
const issue = () => issueToken(whose, { key, now: NOW, random }).token

describe('a session token', () => {
  test('says whose it is, to its audience, for a quarter of an hour', () => {
    const { token, expires } = issueToken(whose, { key, now: NOW, random })
    expect(expires).toBe(NOW + 15 * 60_000)
    expect(readToken(token, { key, now: NOW, audience })).toEqual({ ...whose, issued: NOW, expires })
    expect(readToken(token, { key, now: expires - 1, audience }).vault).toBe('alice')
  })

  test('shows nothing of it to others, and no two are the same', () => {
    const [one, other] = [issue(), issue()]
    expect(one).not.toBe(other)
    const bytes = Buffer.from(one.slice(4), 'base64url')
    for (const part of [whose.user, whose.device, Buffer.from(audience)]) expect(bytes.includes(part)).toBe(false)
  })

  test.each<[string, (token: string) => string, Partial<{ now: number; audience: string }>]>([
    ['over', (token) => token, { now: NOW + 15 * 60_000 }],
    ['from a later time', (token) => token, { now: NOW - 1 }],
    ['for another audience', (token) => token, { audience: 'https://elsewhere.example' }],
    ['changed', (token) => token.slice(0, -2) + (token.endsWith('AA') ? 'BB' : 'AA'), {}],
    ['of another form', (token) => `v4${token.slice(3)}`, {}],
    ['cut off', (token) => token.slice(0, 20), {}],
    ['not base64', (token) => `${token}!`, {}],
    ['endless', (token) => token.padEnd(5_000, 'A'), {}],
  ])('that is %s is none', (_what, change, at) => {
    const use = { key, now: NOW, audience, ...at }
    expect(() => readToken(change(issue()), use)).toThrow(expect.objectContaining({ code: 'token-invalid' }))
  })

  test('of another host is none', () => {
    const other = nativeSecret(random(32))
    expect(() => readToken(issue(), { key: other, now: NOW, audience })).toThrow(
      expect.objectContaining({ code: 'token-invalid' }),
    )
  })
})
