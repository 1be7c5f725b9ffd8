/**
 * What this vault keeps of expenses, in the handler's own namespace:
 *
 * - `policy`, `delegations`: the rules' facts, of now.
 * - `expense/<id>`: an expense with every decision on it, in one item: of two decisions at the same moment the second
 *   is taken anew on what the first left.
 * - `made/<time>-<id>`: the same by age; `open/<person>`: what a submitter has undecided.
 */
import { parseJson } from '../sdk/json.ts'
import { refuse } from '../sdk/refuse.ts'
import { openShelf } from '../sdk/shelf.ts'
import type { Delegation, Policy } from './policy.ts'
import type { Choice, Decision, Expense } from './rules.ts'

const { read, write, attempt } = openShelf({ code: 'book-full', message: 'there is no room for another expense' })

/** A decision as it was taken; one that was denied again in the same way is counted, not repeated. */
export interface Recorded extends Decision {
  readonly choice: Choice
  readonly at: number
  readonly times: number
  readonly policyVersion: number
  readonly comment: string | null
}

export interface Entry extends Expense {
  readonly id: string
  readonly currency: string
  readonly purpose: string
  readonly submittedAt: number
  readonly decisions: readonly Recorded[]
}

/** Undecided ones of one submitter. */
const OPEN_MAX = 64
/** Ten years, the longest that bookkeeping asks for in most places. */
const KEPT_MS = 10 * 365 * 24 * 3_600_000
/** Forgotten with one that is submitted: more than come with it. */
const FORGOTTEN_MAX = 2

export function readPolicy(): Policy | undefined {
  return read('policy') as Policy | undefined
}

export function writePolicy(policy: Policy): void {
  write('policy', policy)
}

export function readDelegations(): readonly Delegation[] {
  return (read('delegations') as readonly Delegation[] | undefined) ?? []
}

export function writeDelegations(delegations: readonly Delegation[]): void {
  write('delegations', delegations)
}

export function readEntry(id: string): Entry | undefined {
  return read(`expense/${id}`) as Entry | undefined
}

export function writeEntry(entry: Entry): void {
  write(`expense/${entry.id}`, entry)
}

/** Writes a new one, and forgets the oldest. @throws refusal `too-many-open` */
export function addEntry(entry: Entry): void {
  const { id, submitter, submittedAt } = entry
  const key = `open/${submitter}`
  const before = (read(key) as readonly string[] | undefined) ?? []
  const undecided = before.filter((each) => readEntry(each)?.state === 'open')
  if (undecided.length >= OPEN_MAX) {
    refuse('too-many-open', `at most ${OPEN_MAX} of one person wait for a decision`, { retry: true })
  }
  write(key, [...undecided, id])
  writeEntry(entry)
  // Keys sort as times do.
  write(`made/${String(submittedAt).padStart(15, '0')}-${id}`, { id, submittedAt })
  for (const item of attempt((space) => space.scan('made/', undefined, FORGOTTEN_MAX)).items) {
    const made = parseJson(item.value) as Pick<Entry, 'id' | 'submittedAt'>
    if (made.submittedAt + KEPT_MS > submittedAt) continue
    attempt((space) => space.delete(item.key))
    attempt((space) => space.delete(`expense/${made.id}`))
  }
}
