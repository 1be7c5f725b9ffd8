/**
 * `payment.request`: authorises a payment with the owner's key, within the owner's policy, asking where it does not say
 * otherwise. `payment.policy`: the owner reads or changes it.
 */
import { current as answer } from 'trellis:handler/approval@0.1.0'
import { now } from 'trellis:handler/clock@0.1.0'
import { list } from 'trellis:handler/credentials@0.1.0'
import { publicKey, sign } from 'trellis:handler/keys@0.1.0'
import { notifyOwner } from 'trellis:handler/outbox@0.1.0'
import { current as session } from 'trellis:handler/session@0.1.0'
import type { Outcome } from 'trellis:handler/types@0.1.0'

import { encodeBase64url } from '../sdk/base64url.ts'
import { parseJson, reply } from '../sdk/json.ts'
import { payloadOf, refuse } from '../sdk/refuse.ts'
import { encodeUtf8 } from '../sdk/utf8.ts'
import { shownAmount } from './currency.ts'
import { type Ledger, openLedger } from './ledger.ts'
import { isOpen, isWithin, type Policy, policyMistake, type Rule, spentWith } from './policy.ts'
import { keyStatement, type Payment, paymentStatement } from './statement.ts'
import { isReadable, isReference } from './text.ts'
import { periodsOf } from './time.ts'

interface PaymentRequest extends Payment {
  /** What it is to be paid with; absent: either. */
  readonly kind?: string
}

interface Payable {
  readonly alias: string
  readonly kind: string
}

const KEY = 'payment'
const IDENTITY = 'identity'
const KINDS: readonly string[] = ['payment-card', 'iban']
/** As many as a question may offer. */
const CHOICES_MAX = 8

export function handle(body: Uint8Array): Outcome {
  const ledger = openLedger()
  const request = parseJson(body)
  if (session().eventType === 'payment.policy') return policyOf(ledger, request as { policy?: Policy | null })
  return pay(ledger, request as PaymentRequest)
}

function policyOf(ledger: Ledger, { policy }: { policy?: Policy | null }): Outcome {
  if (policy === undefined) return reply({ policy: ledger.policy() ?? null })
  const mistake = policy === null ? undefined : policyMistake(policy)
  if (mistake !== undefined) return refuse('policy-invalid', mistake)
  ledger.setPolicy(policy)
  return reply({ policy })
}

function pay(ledger: Ledger, request: PaymentRequest): Outcome {
  const { connectionId: connection } = session()
  const { kind, ...payment } = checked(request)
  const before = ledger.paid(connection, payment.reference)
  if (before !== undefined) {
    if (isSame(before.asked, payment)) return reply(before.reply)
    return refuse('reference-used', 'this reference was paid already, on other terms: take a new one')
  }
  const policy = ledger.policy()
  const at = now()
  const periods = periodsOf(at, policy?.utcOffsetMinutes ?? 0)
  const [all, each] = [ledger.spent(payment.currency), ledger.spent(payment.currency, connection)]
  const sums = {
    amount: payment.amount,
    all: spentWith(all.value, periods, payment.amount),
    each: spentWith(each.value, periods, payment.amount),
  }
  // Which of the limits it is stays with the owner: an asker could measure them.
  const rule = policy?.rules.find(({ currency }) => currency === payment.currency)
  const isAllowed = policy === undefined || (rule && isOpen(policy, periods.hour) && isWithin(rule, sums))
  if (isAllowed !== true) return refuse('policy-refused', 'the owner’s policy does not allow this payment now')
  const key = keyBytes()
  const chosen = choose(payment, { rule, policy, kind })
  if ('tag' in chosen) return chosen

  const authorised = { connection, ...payment, credential: chosen.alias, authorisedAt: at }
  const statement = paymentStatement(authorised)
  const given = {
    algorithm: 'Ed25519',
    credential: chosen,
    authorisedAt: at,
    statement: encodeBase64url(statement),
    signature: encodeBase64url(sign(KEY, statement)),
    publicKey: encodeBase64url(key),
    certificate: encodeBase64url(sign(IDENTITY, keyStatement(key))),
  }
  ledger.pay(
    { connection, ...payment },
    {
      all: { spent: sums.all, revision: all.revision },
      each: { spent: sums.each, revision: each.revision },
      reply: given,
    },
  )
  notifyOwner('payment.authorised', encodeUtf8(JSON.stringify({ ...authorised, asked: answer().tag !== 'none' })))
  return reply(given)
}

/** What it is paid with, or the question to the owner. */
function choose(
  payment: Payment,
  { rule, policy, kind }: { rule: Rule | undefined; policy: Policy | undefined; kind: string | undefined },
): Payable | Outcome {
  const kinds = kind === undefined ? KINDS : [kind]
  const able = list()
    .filter((held) => kinds.includes(held.kind))
    .map(({ alias, kind }): Payable => ({ alias, kind }))
  if (able.length === 0) return noCredential()
  const said = answer()
  if (said.tag === 'chosen') return able.find(({ alias }) => alias === said.val) ?? noCredential()
  const usual = policy?.credential ?? (able.length === 1 ? able[0]?.alias : undefined)
  const unasked = able.find(({ alias }) => alias === usual)
  if (unasked !== undefined && payment.amount <= (rule?.askAbove ?? 0)) return unasked
  const choices = able.slice(0, CHOICES_MAX).map(({ alias }) => alias)
  return { tag: 'suspended', val: { text: questionFor(payment), choices } }
}

function noCredential(): never {
  return refuse('credential-unavailable', 'the owner has nothing of this kind to pay with')
}

/** The payee is last, and a reference has no spaces: nothing in them can pass for the words around them. */
function questionFor({ amount, currency, payee, reference }: Payment): string {
  const { connection } = session()
  return `${connection} asks you to pay ${shownAmount(amount, currency)}, reference ${reference}, to: ${payee}`
}

function checked(request: PaymentRequest): PaymentRequest {
  if (!isReadable(request.payee)) return refuse('payee-invalid', 'name the payee in visible characters, in one line')
  if (isReference(request.reference)) return request
  return refuse('reference-invalid', 'send a reference of visible ASCII characters, without spaces')
}

function keyBytes(): Uint8Array {
  try {
    publicKey(IDENTITY)
    return publicKey(KEY)
  } catch (error) {
    if (payloadOf(error) === undefined) throw error
    return refuse('key-unavailable', 'the owner has made no key for payments')
  }
}

function isSame(one: Payment, other: Payment): boolean {
  return one.amount === other.amount && one.currency === other.currency && one.payee === other.payee
}
