// `payment.request`: authorises a payment with the owner's key, within the owner's policy, asking where it does not say
// otherwise. `payment.policy`: the owner reads or changes it.
import { Json, Message, encodeBase64url, readJson } from './trellis/body.as'
import { Credential, listCredentials } from './trellis/credentials.as'
import {
  Asked, Namespace, Refused, Replied, Session, Suspended, bodyOf, currentApproval, currentSession, jsonText,
  notifyOwner, now, publicKey, sign, textOf, toBytes,
} from './trellis/world.as'
export { cabi_post_handle, cabi_realloc } from './trellis/world.as'

const KEY = 'payment'
const IDENTITY = 'identity'
// As many as a question may offer.
const CHOICES_MAX = 8
// With the asker's name, the amount and the reference it fits the 512 bytes of a question.
const PAYEE_BYTES_MAX = 128
const MINUTE_MS: i64 = 60_000
const DAY_MS: i64 = 24 * 60 * MINUTE_MS

export function handle(at: usize, size: usize): usize {
  const request = readJson(textOf(bodyOf(at, size)))
  const asker = currentSession()
  const space = Namespace.open('handler')!
  if (asker.eventType == 'payment.policy') return policyOf(space, request)
  return pay(space, new Payment(asker, request), request.textOf('kind'))
}

class Payment {
  /** Who may use it: the connection's id. */
  connection: string
  /** The owner's alias for the connection. */
  asker: string
  /** In minor units of the currency. */
  amount: i64
  currency: string
  payee: string
  reference: string

  constructor(asker: Session, request: Json) {
    this.connection = asker.connectionId
    this.asker = asker.connection
    this.amount = request.wholeOf('amount', 0)
    this.currency = request.textOf('currency')
    this.payee = request.textOf('payee')
    this.reference = request.textOf('reference')
  }

  /** The members that are the asker's, as JSON. */
  members(): string {
    return '"amount":' + this.amount.toString() + ',"currency":"' + this.currency + '","payee":' + jsonText(this.payee)
      + ',"reference":' + jsonText(this.reference)
  }

  isAs(asked: Json | null): bool {
    return asked != null && asked.wholeOf('amount', 0) == this.amount && asked.textOf('currency') == this.currency
      && asked.textOf('payee') == this.payee
  }
}

// -- the owner's policy -----------------------------------------------------------------------------------------------

function policyOf(space: Namespace, request: Json): usize {
  const policy = request.get('policy')
  if (policy != null) {
    const mistake = policyMistake(policy)
    if (mistake != null) return Refused('policy-invalid', mistake)
    if (!space.put('policy', toBytes(policy.write()))) return notKept()
    return Replied('{"policy":' + policy.write() + '}')
  }
  if (request.has('policy')) return space.delete('policy') ? Replied('{"policy":null}') : notKept()
  const kept = space.get('policy')
  return Replied('{"policy":' + (kept == null ? 'null' : textOf(kept.value)) + '}')
}

function policyMistake(policy: Json): string | null {
  const seen: string[] = []
  const rules = policy.listOf('rules')
  for (let at = 0; at < rules.length; at++) {
    const currency = rules[at].textOf('currency')
    if (seen.includes(currency)) return 'give each currency one rule'
    seen.push(currency)
  }
  const hours = policy.get('hours')
  const isNever = hours != null && hours.wholeOf('from', 0) == hours.wholeOf('to', 0)
  return isNever ? 'let the hours end at another than they begin' : null
}

function ruleFor(policy: Json, currency: string): Json | null {
  const rules = policy.listOf('rules')
  for (let at = 0; at < rules.length; at++) if (rules[at].textOf('currency') == currency) return rules[at]
  return null
}

function isOpen(policy: Json, hour: i64): bool {
  const hours = policy.get('hours')
  if (hours == null) return true
  const from = hours.wholeOf('from', 0)
  const to = hours.wholeOf('to', 0)
  return from < to ? hour >= from && hour < to : hour >= from || hour < to
}

function isWithin(rule: Json, amount: i64, all: Spent, each: Spent): bool {
  return amount <= rule.wholeOf('paymentMax', i64.MAX_VALUE)
    && all.dayAmount <= rule.wholeOf('dailyMax', i64.MAX_VALUE)
    && all.monthAmount <= rule.wholeOf('monthlyMax', i64.MAX_VALUE)
    && each.dayAmount <= rule.wholeOf('dailyMaxEach', i64.MAX_VALUE)
    && each.monthAmount <= rule.wholeOf('monthlyMaxEach', i64.MAX_VALUE)
}

// -- what is spent ----------------------------------------------------------------------------------------------------

/** In the day and the month that are named, with this payment; of another day or month, nothing was before it. */
class Spent {
  dayAmount: i64
  monthAmount: i64
  /** At which it was read; 0 when there was none. */
  private revision: i64 = 0

  constructor(private space: Namespace, private key: string, private day: i64, amount: i64) {
    this.dayAmount = amount
    this.monthAmount = amount
    const item = space.get(key)
    if (item != null) {
      const before = readJson(textOf(item.value))
      this.revision = <i64>item.revision
      if (before.wholeOf('day', -1) == day) this.dayAmount += before.wholeOf('dayAmount', 0)
      if (before.wholeOf('month', -1) == monthOf(day)) this.monthAmount += before.wholeOf('monthAmount', 0)
    }
  }

  keep(): bool {
    const json = '{"day":' + this.day.toString() + ',"dayAmount":' + this.dayAmount.toString()
      + ',"month":' + monthOf(this.day).toString() + ',"monthAmount":' + this.monthAmount.toString() + '}'
    return this.space.put(this.key, toBytes(json), this.revision)
  }
}

/** Year times twelve, and months since January, of a day since 1970-01-01: the Gregorian calendar, from March on. */
function monthOf(day: i64): i64 {
  const since = day + 719_468
  const era = since / 146_097
  const inEra = since % 146_097
  const year = (inEra - inEra / 1_460 + inEra / 36_524 - inEra / 146_096) / 365
  const inYear = inEra - (365 * year + year / 4 - year / 100)
  return (era * 400 + year) * 12 + (5 * inYear + 2) / 153 + 2
}

// -- a payment --------------------------------------------------------------------------------------------------------

function pay(space: Namespace, payment: Payment, kind: string): usize {
  if (!isReadable(payment.payee)) return Refused('payee-invalid', 'name the payee in visible characters, in one line')
  if (!isReference(payment.reference)) {
    return Refused('reference-invalid', 'send a reference of visible ASCII characters, without spaces')
  }
  const paidKey = 'paid/' + payment.connection + '/' + payment.reference
  const paid = space.get(paidKey)
  if (paid != null) {
    const before = readJson(textOf(paid.value))
    if (payment.isAs(before.get('asked'))) return Replied(before.get('reply')!.write())
    return Refused('reference-used', 'this reference was paid already, on other terms: take a new one')
  }
  const kept = space.get('policy')
  const policy: Json | null = kept == null ? null : readJson(textOf(kept.value))
  // The time is of this century: days and hours are not negative.
  const local = <i64>now() + (policy == null ? 0 : policy.wholeOf('utcOffsetMinutes', 0)) * MINUTE_MS
  const day = local / DAY_MS
  const hour = (local % DAY_MS) / (60 * MINUTE_MS)
  const all = new Spent(space, 'spent/' + payment.currency, day, payment.amount)
  const each = new Spent(space, 'spent/' + payment.currency + '/' + payment.connection, day, payment.amount)
  let askAbove: i64 = 0
  let usual = ''
  if (policy != null) {
    const rule = ruleFor(policy, payment.currency)
    // Which of the limits it is stays with the owner: an asker could measure them.
    if (rule == null || !isOpen(policy, hour) || !isWithin(rule, payment.amount, all, each)) {
      return Refused('policy-refused', 'the owner’s policy does not allow this payment now')
    }
    askAbove = rule.wholeOf('askAbove', 0)
    usual = policy.textOf('credential')
  }
  const key = publicKey(KEY)
  if (key == null || publicKey(IDENTITY) == null) return noKey()

  const able = credentialsOf(kind)
  if (able.length == 0) return noCredential()
  const approval = currentApproval()
  const isAsked = approval.asked == Asked.Chosen
  if (usual == '' && able.length == 1) usual = able[0].alias
  const chosen = find(able, isAsked ? approval.choice : usual)
  if (isAsked && chosen == null) return noCredential()
  if (chosen == null || (!isAsked && payment.amount > askAbove)) return ask(payment, able)
  const reply = authorise(payment, chosen, key)
  if (reply == null) return noKey()
  const record = '{"asked":{' + payment.members() + '},"reply":' + reply + '}'
  if (!all.keep() || !each.keep() || !space.put(paidKey, toBytes(record), 0)) return notKept()
  notifyOwner('payment.authorised', '{"connection":' + jsonText(payment.connection) + ',' + payment.members()
    + ',"credential":' + jsonText(chosen.alias) + ',"authorisedAt":' + now().toString()
    + ',"asked":' + (isAsked ? 'true' : 'false') + '}')
  return Replied(reply)
}

/** As JSON; null when a key is not there. */
function authorise(payment: Payment, chosen: Credential, key: Uint8Array): string | null {
  const statement = new Message('vine/1 payment.request').text(payment.connection).text(payment.payee)
    .text(payment.reference).text(payment.currency).text(chosen.alias).number(<u64>payment.amount).number(now())
  const signature = sign(KEY, statement.bytes)
  const certificate = sign(IDENTITY, new Message('vine/1 payment.key').part(key).bytes)
  if (signature == null || certificate == null) return null
  return '{"algorithm":"Ed25519","credential":{"alias":' + jsonText(chosen.alias) + ',"kind":' + jsonText(chosen.kind)
    + '},"authorisedAt":' + now().toString() + ',"statement":"' + encodeBase64url(statement.bytes)
    + '","signature":"' + encodeBase64url(signature) + '","publicKey":"' + encodeBase64url(key)
    + '","certificate":"' + encodeBase64url(certificate) + '"}'
}

// -- what it is paid with ---------------------------------------------------------------------------------------------

function credentialsOf(kind: string): Credential[] {
  const able: Credential[] = []
  const held = listCredentials()
  for (let at = 0; at < held.length; at++) {
    const own = held[at].kind
    if (kind == '' ? own == 'payment-card' || own == 'iban' : own == kind) able.push(held[at])
  }
  return able
}

function find(able: Credential[], alias: string): Credential | null {
  for (let at = 0; at < able.length; at++) if (able[at].alias == alias) return able[at]
  return null
}

/** The payee is last, and a reference has no spaces: nothing in them can pass for the words around them. */
function ask(payment: Payment, able: Credential[]): usize {
  const choices: string[] = []
  for (let at = 0; at < able.length && at < CHOICES_MAX; at++) choices.push(able[at].alias)
  return Suspended(payment.asker + ' asks you to pay ' + shownAmount(payment.amount, payment.currency)
    + ', reference ' + payment.reference + ', to: ' + payment.payee, choices)
}

/** An amount in minor units as a person writes it. ISO 4217 says how many decimals a currency has. */
function shownAmount(amount: i64, currency: string): string {
  let decimals = 2
  if ('BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'.includes(currency)) decimals = 0
  else if ('BHD IQD JOD KWD LYD OMR TND'.includes(currency)) decimals = 3
  else if ('CLF UYW'.includes(currency)) decimals = 4
  const digits = amount.toString().padStart(decimals + 1, '0')
  const point = digits.length - decimals
  const whole = digits.substring(0, point)
  return decimals == 0 ? whole + ' ' + currency : whole + '.' + digits.substring(point) + ' ' + currency
}

// First and last of what is not seen, turns the order of what is, or is nobody's.
const UNREADABLE: i32[] = [
  0x0, 0x1f, 0x7f, 0x9f, 0xad, 0xad, 0x34f, 0x34f, 0x61c, 0x61c, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x180b, 0x180f,
  0x200b, 0x200f, 0x2028, 0x202e, 0x2060, 0x206f, 0x3164, 0x3164, 0xd800, 0xf8ff, 0xfe00, 0xfe0f, 0xfeff, 0xfeff,
  0xffa0, 0xffa0, 0xfff0, 0xffff, 0xe0000, 0x10ffff,
]

function isReadable(text: string): bool {
  let isBlank = true
  for (let at = 0; at < text.length; at++) {
    const code = text.codePointAt(at)
    if (code > 0xffff) at++
    if (code != 0x20) isBlank = false
    for (let range = 0; range < UNREADABLE.length; range += 2) {
      if (code >= UNREADABLE[range] && code <= UNREADABLE[range + 1]) return false
    }
  }
  return !isBlank && toBytes(text).length <= PAYEE_BYTES_MAX
}

function isReference(text: string): bool {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) < 0x21 || text.charCodeAt(at) > 0x7e) return false
  return text != ''
}

// -- refusals that have several reasons -------------------------------------------------------------------------------

function noKey(): usize {
  return Refused('key-unavailable', 'the owner has made no key for payments')
}

function noCredential(): usize {
  return Refused('credential-unavailable', 'the owner has nothing of this kind to pay with')
}

function notKept(): usize {
  return Refused('not-kept', 'this vault cannot write down a payment now', true)
}
