import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto'

import { afterEach, expect, test } from 'vitest'

import { decodeBase64url, encodeBase64url } from '../sdk/base64url.ts'
import { grant } from '../sdk/memory/world.ts'
import { encodeUtf8 } from '../sdk/utf8.ts'
import { handle } from './handler.ts'
import { signedStatement } from './statement.ts'

const now = 1_800_000_000_000
const pair = generateKeyPairSync('ed25519')
const raw = new Uint8Array(pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))
const identity = {
  publicKey: raw,
  sign: (message: Uint8Array) => new Uint8Array(sign(null, message, pair.privateKey)),
}
const hash = new Uint8Array(createHash('sha256').update('the lease').digest())
const request = { algorithm: 'sha-256', hash: encodeBase64url(hash), title: 'Lease, 12 Rose Lane' }
const document = { algorithm: 'sha-256', hash, title: request.title } as const

afterEach(() => grant({}))

test('asks the owner first: who asks, which hash, which title, and nothing is signed', () => {
  let signed = 0
  const shown = Buffer.from(hash.subarray(0, 8)).toString('hex')
  grant({ keys: { identity: { publicKey: raw, sign: () => new Uint8Array(64).fill((signed += 1)) } }, now })
  expect(ask(request)).toEqual({
    tag: 'suspended',
    val: {
      text: `acme asks you to sign a document (sha-256 ${shown}…): Lease, 12 Rose Lane`,
      choices: [],
    },
  })
  expect(signed).toBe(0)
})

test('after the yes the signature verifies, over exactly this hash, algorithm, title and moment', () => {
  grant({ keys: { identity }, now, answer: { tag: 'yes' } })
  const answer = replyTo(request)
  expect(answer).toMatchObject({ algorithm: 'Ed25519', publicKey: encodeBase64url(raw), signedAt: now })
  const statement = signedStatement(document, now)
  expect(decodeBase64url(answer.statement)).toEqual(statement)
  const signature = decodeBase64url(answer.signature) ?? new Uint8Array()
  const verifies = (message: Uint8Array): boolean => verify(null, message, pair.publicKey, signature)
  expect(verifies(statement)).toBe(true)
  expect(verifies(signedStatement({ ...document, title: 'Lease' }, now))).toBe(false)
  expect(verifies(signedStatement({ ...document, hash: new Uint8Array(32) }, now))).toBe(false)
  expect(verifies(signedStatement({ ...document, algorithm: 'sha-384' }, now))).toBe(false)
  expect(verifies(signedStatement(document, now + 1))).toBe(false)
  expect(verifies(hash)).toBe(false)
})

test('the signed bytes are fixed, and no two documents share them', () => {
  const small = { algorithm: 'sha-256', hash: new Uint8Array([1, 2, 3]), title: 'ü' } as const
  expect(Buffer.from(signedStatement(small, 0x1_0000_0002)).toString('hex')).toBe(
    [
      `00000014${Buffer.from('vine/1 document.sign').toString('hex')}`,
      `00000007${Buffer.from('sha-256').toString('hex')}`,
      '00000003010203',
      '00000002c3bc',
      '0000000100000002',
    ].join(''),
  )
  const moved = { algorithm: 'sha-256', hash: new Uint8Array([1, 2]), title: '\u0003ü' } as const
  expect(signedStatement(moved, 1)).not.toEqual(signedStatement(small, 1))
})

test('the longest title and the longest name fit one question', () => {
  grant({ keys: { identity }, session: { ...session, connection: '€'.repeat(64) } })
  const outcome = ask({ ...request, algorithm: 'sha-384', hash: 'A'.repeat(64), title: 'é'.repeat(80) })
  if (outcome.tag !== 'suspended') throw new Error('no question')
  expect(encodeUtf8(outcome.val.text).length).toBeLessThanOrEqual(512)
})

test.each([
  ['a hash of 31 bytes', { hash: encodeBase64url(hash.subarray(1)) }, 'hash-invalid'],
  ['a hash of 33 bytes', { hash: encodeBase64url(new Uint8Array(33)) }, 'hash-invalid'],
  ['a hash of the other length', { algorithm: 'sha-384' }, 'hash-invalid'],
  ['a hash that is not base64url', { hash: `${request.hash}=` }, 'hash-invalid'],
  ['a hash in hex', { hash: Buffer.from(hash).toString('hex') }, 'hash-invalid'],
  ['another algorithm', { algorithm: 'sha-1' }, 'hash-invalid'],
  ['a name that every object has', { algorithm: 'toString' }, 'hash-invalid'],
  ['a title of nothing', { title: ' ' }, 'title-invalid'],
  ['a title of two lines', { title: 'Lease\nGift' }, 'title-invalid'],
  ['a title that turns the reading order', { title: 'Lease \u202Etfig' }, 'title-invalid'],
  ['a title with what is not seen', { title: 'Lea\u200Bse' }, 'title-invalid'],
  ['a title over 160 bytes', { title: 'é'.repeat(81) }, 'title-invalid'],
])('refuses %s, before the owner is asked and after', (_name, change, code) => {
  grant({ keys: { identity }, now })
  expect(() => ask({ ...request, ...change })).toThrow(expect.objectContaining({ code }))
  grant({ keys: { identity }, now, answer: { tag: 'yes' } })
  expect(() => ask({ ...request, ...change })).toThrow(expect.objectContaining({ code }))
})

test('refuses without a key in the grant', () => {
  grant({ now, answer: { tag: 'yes' } })
  expect(() => ask(request)).toThrow(expect.objectContaining({ code: 'key-unavailable' }))
})

const session = {
  connection: 'acme',
  kind: 'service',
  contractVersion: 1,
  eventId: 'event-1',
  eventType: 'document.sign',
  deadlineMs: 1_000,
  approved: false,
} as const

function ask(body: unknown): ReturnType<typeof handle> {
  return handle(encodeUtf8(JSON.stringify(body)))
}

function replyTo(body: unknown): { statement: string; signature: string } {
  const outcome = ask(body)
  if (outcome.tag !== 'reply') throw new Error('no reply')
  return JSON.parse(new TextDecoder().decode(outcome.val)) as { statement: string; signature: string }
}
