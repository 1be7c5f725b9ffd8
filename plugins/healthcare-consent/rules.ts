/** A consent compiled for deciding: one tree for each connection that it speaks of, with times in milliseconds. */
import type { Actor, Coding, Consent, Effect, Provision } from './model.ts'
import { spanOf } from './time.ts'

/** The shelf of rules that hold for every connection. No connection has this id. */
export const ANYONE = '*'

/** What must hold for a node to apply: all that is there. Of the values of one condition, any. */
export interface When {
  /** The first moment, and the first moment after: ms since the epoch. */
  readonly from?: number
  readonly to?: number
  /** A connection's id; with a space and a name after it, somebody there. */
  readonly actors?: readonly string[]
  readonly actions?: readonly string[]
  readonly purposes?: readonly string[]
  readonly types?: readonly string[]
  /** `system|code`, as FHIR writes a token. */
  readonly documents?: readonly string[]
  readonly labels?: readonly string[]
  readonly codes?: readonly string[]
  readonly data?: readonly string[]
}

/** A provision: its exceptions have the opposite effect. */
export interface Node extends When {
  /** Where it stands in the consent: `provision[0].provision[1]`. */
  readonly at: string
  readonly but?: readonly Node[]
}

/** One consent, as far as it concerns one connection, or anyone. */
export interface Rule extends When {
  readonly consent: string
  readonly decision: Effect
  /** Whether the decision itself holds where no provision applies; else only provisions decide. */
  readonly isBase: boolean
  readonly but: readonly Node[]
}

/** Rules by the connection they are for: `ANYONE` for those that name nobody. */
export function compile(consent: Consent, id: string): ReadonlyMap<string, Rule> {
  const { grantees, provisions, decision } = consent
  const isForAll = grantees.length === 0
  const top = provisions.map((provision, index) => ({ provision, at: `provision[${index}]` }))
  const named = isForAll ? provisions.flatMap(({ actors }) => actors) : grantees
  const shelves = new Set(named.map(({ connection }) => connection))
  if (isForAll && (top.length === 0 || provisions.some(({ actors }) => actors.length === 0))) shelves.add(ANYONE)
  const rules = [...shelves].map((shelf): [string, Rule] => {
    const own = top.filter(({ provision: { actors } }) => {
      if (actors.length === 0) return !isForAll || shelf === ANYONE
      return actors.some(({ connection }) => connection === shelf)
    })
    return [
      shelf,
      {
        consent: id,
        decision,
        // A deny for nobody in particular that has exceptions says what holds anyway; without any it is an opt-out.
        isBase: !isForAll || top.length === 0,
        ...timesOf(consent.period),
        ...conditions({ actors: actorsAt(grantees, shelf) }),
        but: own.map(({ provision, at }) => nodeOf(provision, { at, shelf })),
      },
    ]
  })
  return new Map(rules)
}

function nodeOf(provision: Provision, { at, shelf }: { at: string; shelf: string }): Node {
  const but = provision.provisions.map((nested, index) => nodeOf(nested, { at: `${at}.provision[${index}]`, shelf }))
  return {
    at,
    ...timesOf(provision.period),
    ...conditions({
      actors: provision.actors.map(actorKey),
      actions: provision.actions.map(({ code }) => code),
      purposes: provision.purposes.map(({ code }) => code),
      types: provision.resourceTypes.map(({ code }) => code),
      documents: provision.documentTypes.map(token),
      labels: provision.labels.map(token),
      codes: provision.codes.map(token),
      data: provision.data,
    }),
    ...(but.length > 0 && { but }),
  }
}

function actorsAt(actors: readonly Actor[], connection: string): readonly string[] {
  return actors.filter((actor) => actor.connection === connection).map(actorKey)
}

export function actorKey({ connection, name }: Pick<Actor, 'connection' | 'name'>): string {
  return name === undefined ? connection : `${connection} ${name}`
}

export function token({ system, code }: Pick<Coding, 'system' | 'code'>): string {
  return `${system}|${code}`
}

/** A condition without values always holds, and is left out. */
function conditions(lists: When): When {
  return Object.fromEntries(Object.entries(lists).filter(([, values]) => Array.isArray(values) && values.length > 0))
}

function timesOf(period: Consent['period']): Pick<When, 'from' | 'to'> {
  const from = period?.start === undefined ? undefined : spanOf(period.start)?.from
  const to = period?.end === undefined ? undefined : spanOf(period.end)?.to
  return { ...(from !== undefined && { from }), ...(to !== undefined && { to }) }
}

/** The moment from which a rule can never apply again; undefined when there is none. */
export function endOf({ to, isBase, but }: Rule): number | undefined {
  if (to !== undefined || isBase) return to
  const ends = but.map((node) => node.to)
  return ends.every((end) => end !== undefined) ? Math.max(...ends) : undefined
}
