/** The owner's policy: what is refused, and what needs no question. It never permits what the contract does not. */
import type { Periods } from './time.ts'

/** Of one currency; amounts in its minor units. */
export interface Rule {
  readonly currency: string
  /** Up to this amount the owner is not asked; absent: always. */
  readonly askAbove?: number
  readonly paymentMax?: number
  /** Of all connections together. */
  readonly dailyMax?: number
  readonly monthlyMax?: number
  /** Of one connection. */
  readonly dailyMaxEach?: number
  readonly monthlyMaxEach?: number
}

export interface Policy {
  /** A currency that is not here is refused. */
  readonly rules: readonly Rule[]
  /** Hours of the day in which payments are authorised: from 22 to 6 is the night; absent: all. */
  readonly hours?: { readonly from: number; readonly to: number }
  /** What a day and an hour are. */
  readonly utcOffsetMinutes?: number
  /** What is paid with when nobody is asked. */
  readonly credential?: string
}

/** What was authorised in the day and the month that are named. */
export interface Spent {
  readonly day: number
  readonly dayAmount: number
  readonly month: number
  readonly monthAmount: number
}

/** In words what is wrong with it; undefined when it is one. */
export function policyMistake({ rules, hours }: Policy): string | undefined {
  if (new Set(rules.map(({ currency }) => currency)).size !== rules.length) return 'give each currency one rule'
  return hours !== undefined && hours.from === hours.to ? 'let the hours end at another than they begin' : undefined
}

/** Whether the hour of the day is one of the policy's. */
export function isOpen({ hours }: Policy, hour: number): boolean {
  if (hours === undefined) return true
  const { from, to } = hours
  return from < to ? hour >= from && hour < to : hour >= from || hour < to
}

/** Whether this payment is within its own limit and, with what went before it, within the budgets. */
export function isWithin(
  rule: Rule,
  sums: { readonly amount: number; readonly all: Spent; readonly each: Spent },
): boolean {
  const pairs: readonly (readonly [number, number | undefined])[] = [
    [sums.amount, rule.paymentMax],
    [sums.all.dayAmount, rule.dailyMax],
    [sums.all.monthAmount, rule.monthlyMax],
    [sums.each.dayAmount, rule.dailyMaxEach],
    [sums.each.monthAmount, rule.monthlyMaxEach],
  ]
  return pairs.every(([sum, max]) => max === undefined || sum <= max)
}

/** What is spent with this payment; of another day or month, nothing was before it. */
export function spentWith(before: Spent | undefined, { day, month }: Periods, amount: number): Spent {
  const dayAmount = before?.day === day ? before.dayAmount : 0
  const monthAmount = before?.month === month ? before.monthAmount : 0
  return { day, dayAmount: dayAmount + amount, month, monthAmount: monthAmount + amount }
}
