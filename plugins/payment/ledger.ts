/** What is remembered, in the handler's own namespace: the policy, what was spent, and which reference was paid. */
import { type Namespace, open } from 'trellis:handler/store@0.1.0'

import { payloadOf, refuse } from '../sdk/refuse.ts'
import { decodeUtf8, encodeUtf8 } from '../sdk/utf8.ts'
import type { Policy, Spent } from './policy.ts'
import type { Payment } from './statement.ts'

const POLICY = 'policy'

/** An authorisation that was given, as it is given again. */
export interface Paid {
  readonly asked: Payment
  readonly reply: unknown
}

/** A value and the revision it was read at; 0 when there is none. */
interface Read<T> {
  readonly value: T | undefined
  readonly revision: number
}

export interface Ledger {
  policy(): Policy | undefined
  setPolicy(policy: Policy | null): void
  spent(currency: string, connection?: string): Read<Spent>
  paid(connection: string, reference: string): Paid | undefined
  /** Both sums at the revisions they were read at, and the answer: all of it is committed, or none. */
  pay(payment: Payment & { connection: string }, kept: { all: Counted; each: Counted; reply: unknown }): void
}

interface Counted {
  readonly spent: Spent
  readonly revision: number
}

export function openLedger(): Ledger {
  const space = open('handler')
  return {
    policy: () => read(space, POLICY).value as Policy | undefined,
    setPolicy(policy) {
      if (policy === null) space.delete(POLICY)
      else write(space, POLICY, policy)
    },
    spent: (currency, connection) => read(space, spentKey(currency, connection)) as Read<Spent>,
    paid: (connection, reference) => read(space, paidKey(connection, reference)).value as Paid | undefined,
    pay({ connection, ...asked }, { all, each, reply }) {
      write(space, spentKey(asked.currency), all.spent, all.revision)
      write(space, spentKey(asked.currency, connection), each.spent, each.revision)
      write(space, paidKey(connection, asked.reference), { asked, reply }, 0)
    },
  }
}

function spentKey(currency: string, connection?: string): string {
  return connection === undefined ? `spent/${currency}` : `spent/${currency}/${connection}`
}

function paidKey(connection: string, reference: string): string {
  return `paid/${connection}/${reference}`
}

function read(space: Namespace, key: string): Read<unknown> {
  const item = space.get(key)
  if (item === null) return { value: undefined, revision: 0 }
  return { value: JSON.parse(decodeUtf8(item.value)) as unknown, revision: item.revision }
}

function write(space: Namespace, key: string, value: unknown, expected?: number): void {
  try {
    space.put(key, encodeUtf8(JSON.stringify(value)), expected, undefined)
  } catch (error) {
    if (payloadOf(error) === undefined) throw error
    refuse('not-kept', 'this vault cannot write down a payment now', { retry: true })
  }
}
