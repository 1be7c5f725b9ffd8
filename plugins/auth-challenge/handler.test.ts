import { generateKeyPairSync, sign, verify } from 'node:crypto'

import { afterEach, expect, test } from 'vitest'

import { decodeBase64url, encodeBase64url } from '../sdk/base64url.ts'
import { grant, type MemoryNamespace } from '../sdk/memory/world.ts'
import { encodeUtf8 } from '../sdk/utf8.ts'
import { handle } from './handler.ts'
import { challengeMessage } from './message.ts'

const now = 1_800_000_000_000
const pair = generateKeyPairSync('ed25519')
const raw = new Uint8Array(pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))
const connection = {
  publicKey: raw,
  sign: (message: Uint8Array) => new Uint8Array(sign(null, message, pair.privateKey)),
}
const nonce = new Uint8Array(32).fill(7)
const challenge = { nonce: encodeBase64url(nonce), audience: 'acme.example', expires: now + 60_000 }

afterEach(() => grant({}))

test('the signature verifies, over exactly this audience, nonce and expiry', () => {
  grant({ keys: { connection }, namespaces: { handler: shelf() }, now })
  const answer = ask(challenge)
  expect(answer).toMatchObject({ algorithm: 'Ed25519', publicKey: encodeBase64url(raw) })
  const signature = decodeBase64url(answer.signature) ?? new Uint8Array()
  const verifies = (over: Partial<{ audience: string; nonce: Uint8Array; expires: number }>): boolean =>
    verify(null, challengeMessage({ ...challenge, nonce, ...over }), pair.publicKey, signature)
  expect(verifies({})).toBe(true)
  expect(verifies({ audience: 'other.example' })).toBe(false)
  expect(verifies({ nonce: new Uint8Array(32) })).toBe(false)
  expect(verifies({ expires: challenge.expires + 1 })).toBe(false)
})

test('the signed bytes are fixed, and no two challenges share them', () => {
  const message = challengeMessage({ audience: 'ab', nonce: new Uint8Array([1, 2, 3]), expires: 0x1_0000_0002 })
  const hex = Buffer.from(message).toString('hex')
  expect(hex).toBe(
    `00000015${Buffer.from('vine/1 auth.challenge').toString('hex')}000000026162000000030102030000000100000002`,
  )
  expect(challengeMessage({ audience: 'a', nonce: encodeUtf8('b'), expires: 1 })).not.toEqual(
    challengeMessage({ audience: 'ab', nonce: encodeUtf8(''), expires: 1 }),
  )
})

test.each([
  ['an expired challenge', { expires: now }, 'challenge-expired'],
  ['one that holds too long', { expires: now + 600_001 }, 'challenge-too-long'],
  ['a short nonce', { nonce: encodeBase64url(new Uint8Array(15)) }, 'nonce-invalid'],
  ['a nonce that is not base64url', { nonce: `${challenge.nonce}=` }, 'nonce-invalid'],
])('refuses %s', (_name, change, code) => {
  grant({ keys: { connection }, namespaces: { handler: shelf() }, now })
  expect(() => ask({ ...challenge, ...change })).toThrow(expect.objectContaining({ code }))
})

test('refuses without a key in the grant', () => {
  grant({ namespaces: { handler: shelf() }, now })
  expect(() => ask(challenge)).toThrow(expect.objectContaining({ code: 'key-unavailable' }))
})

test('signs nothing that it has no room to write down', () => {
  grant({ keys: { connection }, namespaces: { handler: { ...shelf(), bytesMax: 64 } }, now })
  expect(() => ask(challenge)).toThrow(expect.objectContaining({ code: 'not-kept', retry: true }))
})

test('what it writes down is bounded for each connection, and goes with its time', () => {
  const handler = shelf()
  const flood = (time: number, connectionId: string): number => {
    for (let id = 0; id < 200; id++) {
      grant({ keys: { connection }, namespaces: { handler }, now: time, session: { connectionId } })
      const drawn = new Uint8Array(32).fill(id)
      try {
        ask({ ...challenge, nonce: encodeBase64url(drawn), expires: time + 60_000 })
      } catch (error) {
        expect(error).toMatchObject({ code: 'too-many-challenges', retry: true })
        return id
      }
    }
    return Infinity
  }
  expect(flood(now, 'acme-1')).toBe(64)
  expect(flood(now, 'bolt-1')).toBe(64)
  expect(flood(now + 60_000, 'acme-1')).toBe(64)
  expect([...handler.items.keys()]).toEqual(['signed/acme-1'])
})

function shelf(): MemoryNamespace {
  return { items: new Map(), writable: true }
}

function ask(request: unknown): { signature: string } {
  const outcome = handle(encodeUtf8(JSON.stringify(request)))
  if (outcome.tag !== 'reply') throw new Error('no reply')
  return JSON.parse(new TextDecoder().decode(outcome.val)) as { signature: string }
}
