/** Payments on a whole host: a shop that asks, an owner with a policy, two cards and a key, and verifiable answers. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { openIssuer } from '#client/issuer.ts'
import { discover } from '#client/service.ts'
import { importEd25519, verifyEd25519 } from '#host/crypto/ed25519.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { createPool } from '#host/plugin/pool.ts'
import { keyStatement, paymentStatement } from '../plugins/payment/statement.ts'
import { type Asker, connectService } from './service.fixture.ts'
import { startWorld, until, type World } from './world.fixture.ts'

const bank = openIssuer(nativeCrypto, new Uint8Array(32).fill(1))
const DAY_MS = 24 * 3_600_000
const SECRET_NUMBER = '4111 1111 1111 1111'
const refused = (code: string) => expect.objectContaining({ status: 'refused', code })
const decode = (text: string) => Uint8Array.fromBase64(text, { alphabet: 'base64url' })
const noPayments = {
  events: ['payment.request'],
  store: null,
  messages: true,
  authentication: true,
  payment: false,
}

interface Authorised {
  readonly credential: { readonly alias: string; readonly kind: string }
  readonly authorisedAt: number
  readonly signature: string
  readonly publicKey: string
  readonly certificate: string
}

let world: World
let shop: Asker
let references = 0

beforeAll(async () => {
  world = await startWorld({ handlers: ['payment'] })
  await world.alice.createKey('payment', 'ed25519')
  for (const [alias, kind] of [
    ['giro', 'iban'],
    ['visa', 'payment-card'],
  ] as const) {
    const credential = bank.issue({ kind, expires: null, claims: [['number', SECRET_NUMBER]] })
    await world.alice.addCredential(alias, { label: `My ${alias}`, credential })
  }
  shop = await connectService(world, 'Shop')
})
afterAll(() => world[Symbol.asyncDispose]())
beforeEach(() => {
  world.clock.now += 40 * DAY_MS
})

const payment = (amount: number, reference = `inv-${(references += 1)}`) => ({
  amount,
  currency: 'EUR',
  payee: 'Rose Bakery',
  reference,
})

/** The owner's policy for euros. */
const setPolicy = (rule: object) => {
  const policy = { rules: [{ currency: 'EUR', ...rule }], credential: 'visa' }
  return world.alice.run('payment.policy', { policy })
}

async function authorised(asker: Asker, body: unknown): Promise<Authorised> {
  const answer = await asker.ask('payment.request', body)
  if (answer.status !== 'replied') throw new Error(JSON.stringify(answer))
  return answer.body as Authorised
}

/** Today, of one connection or of all. */
async function spentOf(connection?: string): Promise<number> {
  const key = connection === undefined ? 'spent/EUR' : `spent/EUR/${connection}`
  const item = (await world.vault()).store.namespace('handler/payment').get(key)
  if (!item) return 0
  const { day, dayAmount } = JSON.parse(new TextDecoder().decode(item.value)) as { day: number; dayAmount: number }
  return day === Math.floor(world.clock.now / DAY_MS) ? dayAmount : 0
}

test('under the amount of the policy it is authorised at once, and the shop verifies what was signed', async () => {
  await setPolicy({ askAbove: 2_000 })
  const body = payment(1_250)
  const reply = await authorised(shop, body)
  const { documents } = await discover(shop.invitation, shop.options)
  const key = decode(reply.publicKey)
  const vouched = { message: keyStatement(key), signature: decode(reply.certificate) }
  expect(verifyEd25519(importEd25519(documents), vouched)).toBe(true)
  const { authorisedAt, credential } = reply
  expect([authorisedAt, credential]).toEqual([world.clock.now, { alias: 'visa', kind: 'payment-card' }])
  const verifies = (change: object): boolean => {
    const paid = { connection: shop.invitation.connection, ...body, credential: 'visa', authorisedAt, ...change }
    return verifyEd25519(importEd25519(key), { message: paymentStatement(paid), signature: decode(reply.signature) })
  }
  expect(verifies({})).toBe(true)
  expect(verifies({ amount: 1_251 })).toBe(false)
  expect(verifies({ connection: 'another' })).toBe(false)
  expect(JSON.stringify(reply)).not.toContain(SECRET_NUMBER)
  expect((await world.alice.pending()).questions).toEqual([])
})

describe('above the amount', () => {
  test('the owner reads it and chooses what to pay with, also after a restart in between', async () => {
    await setPolicy({ askAbove: 2_000 })
    const { answer, pending } = await shop.request('payment.request', payment(2_001, 'inv-big'))
    await pending
    const question = await world.questions.take()
    expect(question).toMatchObject({
      text: 'Shop asks you to pay 20.01 EUR, reference inv-big, to: Rose Bakery',
      choices: ['giro', 'visa'],
    })
    await world.kill()
    await world.start()
    await world.alice.approve(question, 'giro')
    const reply = await answer
    if (reply.status !== 'replied') throw new Error(reply.status)
    const { credential } = JSON.parse(new TextDecoder().decode(reply.body)) as Authorised
    expect(credential).toEqual({ alias: 'giro', kind: 'iban' })
  })

  test('a no authorises nothing and spends nothing', async () => {
    await setPolicy({ askAbove: 0, dailyMax: 100 })
    const { answer, pending } = await shop.request('payment.request', payment(100))
    await pending
    await world.alice.deny(await world.questions.take())
    expect(await answer).toMatchObject({ status: 'refused', code: 'consent-denied' })
    await setPolicy({ askAbove: 100, dailyMax: 100 })
    await authorised(shop, payment(100))
  })

  test('a policy that was tightened meanwhile holds against the yes', async () => {
    await setPolicy({ askAbove: 0 })
    const { answer, pending } = await shop.request('payment.request', payment(500))
    await pending
    const question = await world.questions.take()
    await setPolicy({ askAbove: 0, paymentMax: 499 })
    await world.alice.approve(question, 'visa')
    expect(await answer).toMatchObject({ status: 'refused', code: 'policy-refused' })
  })
})

describe('budgets', () => {
  test('what is used up is refused, until the next day', async () => {
    await setPolicy({ askAbove: 1_000, dailyMaxEach: 1_000 })
    await authorised(shop, payment(600))
    expect(await shop.ask('payment.request', payment(401))).toEqual(refused('policy-refused'))
    await authorised(shop, payment(400))
    expect(await shop.ask('payment.request', payment(1))).toEqual(refused('policy-refused'))
    const bolt = await connectService(world, 'Bolt')
    await authorised(bolt, payment(1_000))
    world.clock.now += DAY_MS
    await authorised(shop, payment(1))
  })

  test('many at once, of two connections, cannot pass one budget together', async () => {
    await setPolicy({ askAbove: 1_000, dailyMax: 1_000 })
    const other = await connectService(world, 'Other')
    const askers = [shop, other, shop, other, shop, other]
    const answers = await Promise.all(askers.map((asker) => asker.ask('payment.request', payment(300))))
    expect(answers.filter(({ status }) => status === 'replied')).toHaveLength(3)
    expect(answers.filter(({ status }) => status === 'refused')).toEqual(Array(3).fill(refused('policy-refused')))
    expect(await spentOf()).toBe(900)
    const each = await Promise.all([shop, other].map(({ invitation }) => spentOf(invitation.connection)))
    expect(each.reduce((sum, amount) => sum + amount, 0)).toBe(900)
  })
})

describe('the owner’s policy', () => {
  test('holds at once, also what it takes back', async () => {
    await setPolicy({ askAbove: 1_000 })
    await authorised(shop, payment(900))
    await setPolicy({ askAbove: 1_000, paymentMax: 800 })
    expect(await shop.ask('payment.request', payment(900))).toEqual(refused('policy-refused'))
    await world.alice.run('payment.policy', { policy: null })
    const { answer, pending } = await shop.request('payment.request', payment(1))
    await pending
    await world.alice.deny(await world.questions.take())
    expect(await answer).toMatchObject({ code: 'consent-denied' })
    expect(await world.alice.run('payment.policy', {})).toEqual({ policy: null })
  })

  test('is the owner’s alone, and does not lift the contract', async () => {
    await setPolicy({ askAbove: 1_000 })
    expect(await shop.ask('payment.policy', { policy: null })).toMatchObject({ status: 'refused' })
    const bolt = await connectService(world, 'Broke', { changes: { permissions: noPayments } })
    await using pool = await createPool({ registry: world.host.registry, cells: 1, spares: 0 })
    const before = pool.stats.instances
    const asked = await world.hand(bolt.seal('payment.request', payment(1)), { pool })
    expect(asked.outcome).toBe('not-permitted')
    expect(pool.stats.instances).toBe(before)
    expect((await world.hand(shop.seal('payment.request', payment(1)), { pool })).outcome).toBe('done')
    expect(pool.stats.instances).toBe(before + 1)
  })
})

describe('what comes again', () => {
  test('the same message has one answer and one effect', async () => {
    await setPolicy({ askAbove: 1_000 })
    const { answer, message } = await shop.hold('payment.request', payment(700))
    await shop.options.transport.publish(message.subject, message.data)
    expect(await answer).toMatchObject({ status: 'replied' })
    expect((await world.hand(message)).outcome).toBe('replayed')
    expect(await spentOf()).toBe(700)
  })

  test('the same reference in a new message has the same answer, and on other terms none', async () => {
    await setPolicy({ askAbove: 1_000 })
    const first = await authorised(shop, payment(700, 'once'))
    world.clock.now += 1_000
    expect(await authorised(shop, payment(700, 'once'))).toEqual(first)
    expect(await shop.ask('payment.request', payment(701, 'once'))).toEqual(refused('reference-used'))
    expect(await spentOf()).toBe(700)
    const bolt = await connectService(world, 'Twice')
    expect(await authorised(bolt, payment(700, 'once'))).not.toEqual(first)
    expect(await spentOf()).toBe(1_400)
  })

  test('the same reference many times at once is authorised once', async () => {
    await setPolicy({ askAbove: 1_000 })
    const body = payment(100)
    const answers = await Promise.all([1, 2, 3, 4].map(() => authorised(shop, body)))
    for (const answer of answers) expect(answer).toEqual(answers[0])
    expect(await spentOf()).toBe(100)
  })
})

test('the owner hears of each that was not asked for', async () => {
  await setPolicy({ askAbove: 1_000 })
  const told: unknown[] = []
  world.alice.conversation.on(
    'payment.authorised',
    ({ body }) => void told.push(JSON.parse(new TextDecoder().decode(body))),
  )
  await authorised(shop, payment(42, 'heard'))
  await until('the notice', () => told.length > 0)
  expect(told).toEqual([expect.objectContaining({ amount: 42, reference: 'heard', asked: false })])
})
