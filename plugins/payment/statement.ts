/** What the owner's payment key signs, and what the vault's identity says of that key. */
import { statementOf } from '../sdk/statement.ts'

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
  const { connection, payee, reference, currency, credential, amount, authorisedAt } = paid
  return statementOf([domain, connection, payee, reference, currency, credential, amount, authorisedAt])
}

/** `lp("vine/1 payment.key") ‖ lp(public key)`: with the identity's signature, whose payment key it is. */
export function keyStatement(publicKey: Uint8Array): Uint8Array {
  return statementOf([keyDomain, publicKey])
}
