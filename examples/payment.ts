/**
 * A shop and an owner: what is paid without a question, what is asked, and what no yes can lift.
 *
 *     node examples/payment.ts
 *
 * Exits with 0 only if all of it came out as it should.
 */
import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { join } from 'node:path'

import { openIssuer } from '#client/issuer.ts'
import type { Question } from '#client/owner.ts'
import { mailbox } from '#host/commands/demo/mailbox.ts'
import { importEd25519, verifyEd25519 } from '#host/crypto/ed25519.ts'
import { nativeCrypto } from '#host/crypto/native.ts'
import { keyStatement, type Payment, paymentStatement } from '../plugins/payment/statement.ts'
import { type Asker, connectAsker } from './asker.ts'
import { inFolder, type Person, startPerson, type Place } from './person.ts'

const BANK_SECRET_BYTES = 32
const HOUR_MINUTES = 60
const started = new Date()
/** The owner lives where it is noon: the day does not end in the middle of the story. */
const utcOffsetMinutes = 12 * HOUR_MINUTES - started.getUTCHours() * HOUR_MINUTES - started.getUTCMinutes()
const rule = { currency: 'EUR', askAbove: 20_00, paymentMax: 500_00, dailyMaxEach: 100_00 }

interface Authorised {
  readonly credential: { readonly alias: string; readonly kind: string }
  readonly authorisedAt: number
  readonly signature: string
  readonly publicKey: string
  readonly certificate: string
}

await inFolder('payment', play)

async function play({ folder, image }: Place): Promise<void> {
  await using owner = await startPerson('owner', { folder, image })
  const { phone } = owner
  await equip(owner)
  const events = ['payment.request']
  await using shop = await connectAsker(owner, {
    name: 'Rose Bakery',
    folder: join(folder, 'shop'),
    events,
    permissions: { payment: true },
  })
  const questions = mailbox<Question>()
  phone.onQuestion(questions.put)
  const notices = owner.notices('payment.authorised')

  await phone.run('payment.policy', { policy: { rules: [rule], credential: 'visa', utcOffsetMinutes } })
  const bread = order(12_50, 'bread')
  const paid = await pay(shop, bread)
  verify(shop, bread, paid)
  console.log('under 20.00 EUR, at once, with the', paid.credential.kind, 'that the policy names')
  deepEqual(read(await notices.take()), {
    connection: shop.connection,
    ...bread,
    credential: 'visa',
    authorisedAt: paid.authorisedAt,
    asked: false,
  })
  console.log('the phone hears of it, and the shop has verified it')

  deepEqual(await pay(shop, bread), paid)
  await rejects(pay(shop, { ...bread, amount: 13_50 }), /reference-used/u)
  console.log('the same reference again: the same answer, and nothing for another amount')

  const cake = order(80_00, 'wedding-cake')
  const asked = pay(shop, cake)
  const question = await questions.take()
  console.log('above it the phone shows:', question.text, question.choices)
  await phone.approve(question, 'giro')
  const chosen = await asked
  equal(chosen.credential.kind, 'iban')
  verify(shop, cake, chosen)
  console.log('the owner chose the', chosen.credential.kind)

  await rejects(pay(shop, order(7_51, 'too-much-today')), /policy-refused/u)
  await pay(shop, order(7_50, 'the-last-of-today'))
  console.log('100.00 EUR a day to one shop are used up, to the cent')

  const tighter = { ...rule, dailyMaxEach: 200_00, paymentMax: 5_00 }
  await phone.run('payment.policy', { policy: { rules: [tighter], utcOffsetMinutes } })
  await rejects(pay(shop, order(5_01, 'tightened')), /policy-refused/u)
  console.log('a tighter policy holds at once')
  await phone.run('payment.policy', { policy: null })
  const denied = pay(shop, order(1, 'one-cent'))
  await phone.deny(await questions.take())
  await rejects(denied, /consent-denied/u)
  console.log('without a policy even a cent is asked for, and a no is a no')
}

/** A key for payments, a card and an account. */
async function equip({ phone }: Person): Promise<void> {
  await phone.createKey('payment', 'ed25519')
  const bank = openIssuer(nativeCrypto, crypto.getRandomValues(new Uint8Array(BANK_SECRET_BYTES)))
  for (const [alias, kind, number] of [
    ['giro', 'iban', 'CH93 0076 2011 6238 5295 7'],
    ['visa', 'payment-card', '4111 1111 1111 1111'],
  ] as const) {
    const credential = bank.issue({ kind, expires: null, claims: [['number', number]] })
    await phone.addCredential(alias, { label: `My ${alias}`, credential })
  }
}

function order(amount: number, reference: string): Payment {
  return { amount, currency: 'EUR', payee: 'Rose Bakery, 12 Rose Lane', reference }
}

async function pay(shop: Asker, payment: Payment): Promise<Authorised> {
  return (await shop.ask('payment.request', payment)) as Authorised
}

/** As a shop does it: the vault's own key vouches for the payment key, and that one signed this very payment. */
function verify({ connection, documents }: Asker, payment: Payment, reply: Authorised): void {
  const key = decode(reply.publicKey)
  const vouched = { message: keyStatement(key), signature: decode(reply.certificate) }
  ok(verifyEd25519(importEd25519(documents), vouched))
  const { authorisedAt, credential } = reply
  const message = paymentStatement({ connection, ...payment, credential: credential.alias, authorisedAt })
  ok(verifyEd25519(importEd25519(key), { message, signature: decode(reply.signature) }))
}

function decode(text: string): Uint8Array {
  return Uint8Array.fromBase64(text, { alphabet: 'base64url' })
}

function read(body: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(body)) as unknown
}
