/**
 * The decision: default deny, deny overrides, and what the asker does not say counts against the asker.
 *
 * A consent is a tree (FHIR R5 Consent, "Provisions"): its decision is the base, each level of provisions an exception
 * to the one above, with the opposite effect. Siblings are alternatives; all conditions of a provision must hold. The
 * leaves that apply, of all consents together, decide: one deny is enough.
 *
 * A condition on something the asker left open (a label, which record it is) is neither true nor false. A permit needs
 * certainty all the way down; for a deny it is enough that it may apply. A purpose permits to the letter; a denied
 * purpose denies what specialises it, too.
 */
import type { Effect } from './model.ts'
import { lineOf } from './purposes.ts'
import type { Node, Rule, When } from './rules.ts'

/** One record, or all of a type. What is undefined was left open; an empty list says that there is none. */
export interface AskedRecord {
  readonly type: string
  readonly reference?: string
  /** `system|code` each. */
  readonly documents?: readonly string[]
  readonly labels?: readonly string[]
  readonly codes?: readonly string[]
}

/** Who asks to do what, and why. */
export interface Asked {
  /** The connection that asks, as the host tells. */
  readonly connection: string
  /** Who asks there, as the connection tells; undefined when it does not. */
  readonly name?: string
  readonly action: string
  readonly purpose: string
}

export interface Verdict {
  readonly decision: Effect
  /** What decided; null when nothing did, which is a deny. */
  readonly by: null | { readonly consent: string; readonly at: string }
  /** What the asker left open, and the deciding deny depends on. */
  readonly open: readonly string[]
}

interface Question extends Asked {
  readonly record: AskedRecord
}

interface Leaf {
  readonly effect: Effect
  readonly consent: string
  readonly at: string
  readonly open: readonly string[]
}

/** Nothing decided: the default. */
const nothing: Verdict = { decision: 'deny', by: null, open: [] }

/** The order of the rules does not matter. `now` is in ms since the epoch. */
export function decide(rules: readonly Rule[], question: Question, now: number): Verdict {
  let leaf: Leaf | undefined
  for (const rule of rules) {
    for (const other of leavesOfRule(rule, question, now)) leaf = leaf === undefined ? other : first(leaf, other)
  }
  if (leaf === undefined) return nothing
  return { decision: leaf.effect, by: { consent: leaf.consent, at: leaf.at }, open: leaf.open }
}

/** The one that decides: a deny; of two alike the one whose place comes first, whatever the order in the store. */
function first(left: Leaf, right: Leaf): Leaf {
  if (left.effect !== right.effect) return left.effect === 'deny' ? left : right
  if (left.consent !== right.consent) return left.consent < right.consent ? left : right
  return left.at <= right.at ? left : right
}

/**
 * A moment after `now` until which the decisions stay what they are, as far as the consents that are there tell:
 * undefined when they stay for ever. Where few rules are in question it is the first moment at which they change.
 */
export function holdsUntil(rules: readonly Rule[], questions: readonly Question[], now: number): number | undefined {
  const answersAt = (time: number): string => questions.map((one) => decide(rules, one, time).decision).join()
  const today = answersAt(now)
  const turns = [...new Set(rules.flatMap(turnsOf))].filter((turn) => turn > now).sort((left, right) => left - right)
  const looks = Math.floor(LOOKED_RULES_MAX / (rules.length * questions.length))
  return turns.slice(0, looks).find((turn) => answersAt(turn) !== today) ?? turns[looks]
}

/** Rules looked at to find out when a decision changes: as many again as the largest check has to look at. */
const LOOKED_RULES_MAX = 1_024

/** Leaves out the rules that can never apply to any of the questions, whatever the time. */
export function relevant(rules: readonly Rule[], questions: readonly Question[]): readonly Rule[] {
  return rules.filter((rule) => {
    const effect = opposite(rule.decision)
    return questions.some(
      (question) =>
        hold(rule, question, { effect: rule.decision }) !== never &&
        (rule.isBase || rule.but.some((node) => hold(node, question, { effect }) !== never)),
    )
  })
}

function turnsOf({ from, to, but = [] }: Pick<Node, 'from' | 'to' | 'but'>): number[] {
  return [from, to].filter((turn) => turn !== undefined).concat(but.flatMap(turnsOf))
}

function leavesOfRule(rule: Rule, question: Question, now: number): Leaf[] {
  const { consent, decision, isBase, but } = rule
  const root = hold(rule, question, { effect: decision, now })
  if (root.certainty === 'no') return []
  const inside = { question, now, consent, effect: opposite(decision), isCertain: root.certainty === 'yes' }
  const exceptions = but.flatMap((node) => leavesOf(node, inside))
  if (!isBase) return exceptions
  return withExceptions({ effect: decision, consent, at: '', open: root.open }, exceptions, inside.isCertain)
}

interface Inside {
  readonly question: Question
  readonly now: number
  readonly consent: string
  readonly effect: Effect
  /** Whether everything above is known to hold. */
  readonly isCertain: boolean
}

function leavesOf(node: Node, inside: Inside): Leaf[] {
  const { question, now, consent, effect } = inside
  const { certainty, open } = hold(node, question, { effect, now })
  if (certainty === 'no') return []
  const isCertain = inside.isCertain && certainty === 'yes'
  const deeper = { ...inside, effect: opposite(effect), isCertain }
  const exceptions = (node.but ?? []).flatMap((nested) => leavesOf(nested, deeper))
  return withExceptions({ effect, consent, at: node.at, open }, exceptions, isCertain)
}

/** What a level says where its exceptions leave something: an exception takes the place of what it is one to. */
function withExceptions(self: Leaf, exceptions: Leaf[], isCertain: boolean): Leaf[] {
  if (exceptions.some(({ effect }) => effect !== self.effect)) return exceptions
  return self.effect === 'permit' && !isCertain ? exceptions : [self, ...exceptions]
}

type Certainty = 'yes' | 'no' | 'maybe'

interface Holding {
  readonly certainty: Certainty
  /** What would have to be known. */
  readonly open: readonly string[]
}

/** Without a time: whether it may ever hold. */
function hold(when: When, question: Question, { effect, now }: { effect: Effect; now?: number }): Holding {
  const { record, purpose } = question
  if (now !== undefined && ((when.from ?? now) > now || now >= (when.to ?? Infinity))) return never
  if (!among(when.types, record.type) || !among(when.actions, question.action)) return never
  const isMeant =
    among(when.purposes, purpose) || (effect === 'deny' && lineOf(purpose).some((code) => among(when.purposes, code)))
  if (!isMeant) return never
  if (!isSpecial(when)) return always
  const conditions: readonly [string, Certainty][] = [
    ['actor', actorHolds(when.actors, question)],
    ['documentTypes', anyOf(when.documents, record.documents)],
    ['labels', anyOf(when.labels, record.labels)],
    ['codes', anyOf(when.codes, record.codes)],
    ['reference', recordHolds(when.data, record)],
  ]
  if (conditions.some(([, certainty]) => certainty === 'no')) return never
  const open = conditions.filter(([, certainty]) => certainty === 'maybe').map(([name]) => name)
  return { certainty: open.length === 0 ? 'yes' : 'maybe', open }
}

const never: Holding = { certainty: 'no', open: [] }
const always: Holding = { certainty: 'yes', open: [] }

/** Whether there is a condition that may stay open. */
function isSpecial({ actors, documents, labels, codes, data }: When): boolean {
  return (actors ?? documents ?? labels ?? codes ?? data) !== undefined
}

function among(wanted: readonly string[] | undefined, stated: string): boolean {
  return wanted === undefined || wanted.includes(stated)
}

function anyOf(wanted: readonly string[] | undefined, stated: readonly string[] | undefined): Certainty {
  if (wanted === undefined) return 'yes'
  if (stated === undefined) return 'maybe'
  return stated.some((value) => wanted.includes(value)) ? 'yes' : 'no'
}

function actorHolds(wanted: readonly string[] | undefined, { connection, name }: Question): Certainty {
  if (wanted === undefined || wanted.includes(connection)) return 'yes'
  if (name !== undefined) return wanted.includes(`${connection} ${name}`) ? 'yes' : 'no'
  return wanted.some((actor) => actor.startsWith(`${connection} `)) ? 'maybe' : 'no'
}

/** All records of a type may hold the one that is named. */
function recordHolds(wanted: readonly string[] | undefined, { type, reference }: AskedRecord): Certainty {
  if (wanted === undefined || reference !== undefined) return anyOf(wanted, [reference ?? ''])
  return wanted.some((one) => one.startsWith(`${type}/`)) ? 'maybe' : 'no'
}

function opposite(effect: Effect): Effect {
  return effect === 'permit' ? 'deny' : 'permit'
}
