/** What the owner's payment key signs, and what the vault's identity says of that key. */
import { encodeUtf8 } from '../sdk/utf8.ts'

export interface Payment {
  /** In minor units of the currency. */
  readonly amount: number
  readonly currency: string
  readonly payee: string
  readonly reference: string
}

export interface Authorisation extends Payment {
  /** Who may use it: the connection's id. */
  readonly connection: string
  /** What it is paid with, by the owner's name for it. */
  readonly credential: string
  /** Milliseconds since the epoch. */
  readonly authorisedAt: number
}

/** No other message signed with these keys begins like one of these. */
const domain = 'vine/1 payment.request'
const keyDomain = 'vine/1 payment.key'

/**
 * `lp(domain) ‖ lp(connection) ‖ lp(payee) ‖ lp(reference) ‖ lp(currency) ‖ lp(credential) ‖ u64be(amount) ‖
 * u64be(authorisedAt)`, where `lp` puts a u32be length before the bytes and texts are UTF-8. No two authorisations have
 * the same bytes.
 */
export function paymentStatement(paid: Authorisation): Uint8Array {
  const texts = [domain, paid.connection, paid.payee, paid.reference, paid.currency, paid.credential]
  return joined([...texts.map((text) => lengthFirst(encodeUtf8(text))), u64(paid.amount), u64(paid.authorisedAt)])
}

/** `lp("vine/1 payment.key") ‖ lp(public key)`: with the identity's signature, whose payment key it is. */
export function keyStatement(publicKey: Uint8Array): Uint8Array {
  return joined([lengthFirst(encodeUtf8(keyDomain)), lengthFirst(publicKey)])
}

function lengthFirst(bytes: Uint8Array): Uint8Array {
  const part = new Uint8Array(4 + bytes.length)
  new DataView(part.buffer).setUint32(0, bytes.length)
  part.set(bytes, 4)
  return part
}

function u64(value: number): Uint8Array {
  const part = new Uint8Array(8)
  const view = new DataView(part.buffer)
  view.setUint32(0, Math.floor(value / 0x1_0000_0000))
  view.setUint32(4, value % 0x1_0000_0000)
  return part
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
