import { generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'

import { afterEach, expect, test } from 'vitest'

import { decodeBase64url } from '../sdk/base64url.ts'
import { type Grant, grant, type HeldCredential, type MemoryItem, type MemoryNamespace } from '../sdk/memory/world.ts'
import { encodeUtf8 } from '../sdk/utf8.ts'
import { shownAmount } from './currency.ts'
import { handle } from './handler.ts'
import { keyStatement, paymentStatement } from './statement.ts'
import { isReadable } from './text.ts'

const now = 1_800_000_000_000
const request = { amount: 1_250, currency: 'EUR', payee: 'Rose Bakery', reference: 'inv-7' }
const [payment, identity] = [keyPair(), keyPair()]
const visa: HeldCredential = {
  kind: 'payment-card',
  issuer: 'A'.repeat(43),
  label: 'My Visa',
  claims: ['number'],
  expires: null,
  prove: () => new Uint8Array(),
}

const hex = (text: string): string => Buffer.from(text).toString('hex')

afterEach(() => grant({}))

test('the authorisation verifies, for exactly this payment, and the identity vouches for the key', () => {
  allow(space())
  const reply = replyTo(request)
  const statement = decodeBase64url(reply.statement) ?? new Uint8Array()
  const signature = decodeBase64url(reply.signature) ?? new Uint8Array()
  const authorised = { connection: 'acme-1', ...request, credential: 'visa', authorisedAt: now }
  const verifies = (change: Partial<typeof authorised>): boolean =>
    verify(null, paymentStatement({ ...authorised, ...change }), payment.verifyKey, signature)
  expect(statement).toEqual(paymentStatement(authorised))
  expect(verifies({})).toBe(true)
  for (const change of [
    { connection: 'bolt-1' },
    { payee: 'Rose' },
    { reference: 'inv-8' },
    { currency: 'USD' },
    { credential: 'giro' },
    { amount: 1_251 },
    { authorisedAt: now + 1 },
  ]) {
    expect(verifies(change)).toBe(false)
  }
  expect(decodeBase64url(reply.publicKey)).toEqual(payment.raw)
  const certificate = decodeBase64url(reply.certificate) ?? new Uint8Array()
  expect(verify(null, keyStatement(payment.raw), identity.verifyKey, certificate)).toBe(true)
  expect(verify(null, keyStatement(identity.raw), identity.verifyKey, certificate)).toBe(false)
})

test('the signed bytes are fixed, and no two payments share them', () => {
  const paid = { connection: 'c', payee: 'ü', reference: 'r', currency: 'EUR', credential: 'v' }
  expect(Buffer.from(paymentStatement({ ...paid, amount: 0x1_0000_0002, authorisedAt: 3 })).toString('hex')).toBe(
    [
      `00000016${hex('vine/1 payment.request')}0000000163`,
      '00000002c3bc',
      `0000000172`,
      `00000003${hex('EUR')}0000000176`,
      '0000000100000002',
      '0000000000000003',
    ].join(''),
  )
  const [one, other] = [
    { ...paid, payee: 'ab', reference: 'c' },
    { ...paid, payee: 'a', reference: 'bc' },
  ].map((each) => paymentStatement({ ...each, amount: 1, authorisedAt: 1 }))
  expect(one).not.toEqual(other)
  expect(Buffer.from(keyStatement(new Uint8Array([1, 2]))).toString('hex')).toBe(
    `00000012${hex('vine/1 payment.key')}000000020102`,
  )
})

test('the sums that were read are the ones that are replaced', () => {
  const own = space()
  allow(own)
  replyTo(request)
  replyTo({ ...request, reference: 'inv-8' })
  const item = own.items.get('spent/EUR')
  expect(item?.revision).toBe(2)
  expect(JSON.parse(new TextDecoder().decode(item?.value))).toMatchObject({ dayAmount: 2_500, monthAmount: 2_500 })
})

test('a sum or a reference that changed meanwhile is not written over', () => {
  for (const key of ['spent/EUR', 'spent/EUR/acme-1', 'paid/acme-1/inv-7']) {
    const own = space()
    const items = new (class extends Map<string, MemoryItem> {
      override get(name: string): MemoryItem | undefined {
        const item = super.get(name)
        const other = { value: encodeUtf8('{}'), revision: 1, visibility: 'transparent', category: null } as const
        if (name === key && item === undefined) this.set(name, other)
        return item
      }
    })()
    allow({ ...own, items })
    expect(() => ask(request)).toThrow(expect.objectContaining({ code: 'not-kept', retry: true }))
    expect(items.get(key)?.revision).toBe(1)
  }
})

test('refuses when it cannot be written down', () => {
  allow({ ...space(), writable: false })
  expect(() => ask(request)).toThrow(expect.objectContaining({ code: 'not-kept', retry: true }))
})

test('the longest names fit one question', () => {
  allow(space(), { answer: { tag: 'none' }, session: { connection: '€'.repeat(64), connectionId: 'acme-1' } })
  const outcome = ask({ ...request, amount: 1e12, payee: 'é'.repeat(64), reference: 'r'.repeat(64) })
  if (outcome.tag !== 'suspended') throw new Error('no question')
  expect(encodeUtf8(outcome.val.text).length).toBeLessThanOrEqual(512)
})

test('amounts are shown with the decimals of their currency', () => {
  expect([shownAmount(1, 'ISK'), shownAmount(1_000, 'TND'), shownAmount(1, 'UYW'), shownAmount(1e12, 'EUR')]).toEqual([
    '1 ISK',
    '1.000 TND',
    '0.0001 UYW',
    '10000000000.00 EUR',
  ])
})

test.each([0x1f, 0x7f, 0x9f, 0xad, 0x61c, 0x200b, 0x202e, 0x2066, 0xd800, 0xe000, 0xfeff, 0xe0001, 0x10ffff])(
  'a payee with U+%i is not shown',
  (code) => {
    expect(isReadable(`Rose${String.fromCodePoint(code)}`)).toBe(false)
  },
)

function space(): MemoryNamespace {
  return { items: new Map(), writable: true }
}

function allow(own: MemoryNamespace, more: Grant = {}): void {
  grant({
    namespaces: { handler: own },
    keys: {
      payment: { publicKey: payment.raw, sign: payment.signed },
      identity: { publicKey: identity.raw, sign: identity.signed },
    },
    credentials: { visa },
    answer: { tag: 'chosen', val: 'visa' },
    now,
    ...more,
    session: { eventType: 'payment.request', ...more.session },
  })
}

function keyPair(): { raw: Uint8Array; verifyKey: KeyObject; signed: (message: Uint8Array) => Uint8Array } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return {
    raw: new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)),
    verifyKey: publicKey,
    signed: (message) => new Uint8Array(sign(null, message, privateKey)),
  }
}

function ask(body: unknown): ReturnType<typeof handle> {
  return handle(encodeUtf8(JSON.stringify(body)))
}

function replyTo(body: unknown): { statement: string; signature: string; publicKey: string; certificate: string } {
  const outcome = ask(body)
  if (outcome.tag !== 'reply') throw new Error('no reply')
  return JSON.parse(new TextDecoder().decode(outcome.val)) as ReturnType<typeof replyTo>
}
