/** Consents in words, for the owner to decide by. Codes are said as they are: a display need not fit its code. */
import { encodeUtf8 } from '../sdk/utf8.ts'
import { refuse } from '../sdk/refuse.ts'
import type { Actor, Coding, Consent, Effect, Period, Provision } from './model.ts'

/** What a host shows of a question. */
const QUESTION_BYTES_MAX = 512

/** The connection that asks, by its id, and what the owner calls it. */
export interface Asker {
  readonly id: string
  readonly alias: string
}

/**
 * A question that says all of it.
 *
 * @throws refusal `question-too-long`: what cannot be shown in full is not asked
 */
export function question(text: string): string {
  if (encodeUtf8(text).length <= QUESTION_BYTES_MAX) return text
  return refuse('question-too-long', 'the owner could not be shown all of it: ask for less at a time')
}

/** Everything a consent would do. */
export function wordsOfConsent(consent: Consent, asker: Asker): string {
  const { grantees, decision, period, provisions } = consent
  const whom = grantees.length === 0 ? 'everyone' : names(grantees, asker)
  const scope = `${whom}${times(period)}`
  if (provisions.length === 0) return `${decision} ${scope} everything`
  const exceptions = wordsOfProvisions(provisions, opposite(decision), asker)
  if (decision === 'deny' && grantees.length === 0) return `${exceptions}${times(period)}`
  return `${decision} ${scope} everything, but ${exceptions}`
}

function wordsOfProvisions(provisions: readonly Provision[], effect: Effect, asker: Asker): string {
  return provisions.map((provision) => wordsOfProvision(provision, effect, asker)).join('; ')
}

function wordsOfProvision(provision: Provision, effect: Effect, asker: Asker): string {
  const { actors, actions, resourceTypes, data, purposes, period, provisions } = provision
  const records = [
    recordWords(resourceTypes.map(codeOf), data),
    conditionWords('with code', provision.codes),
    conditionWords('labelled', provision.labels),
    conditionWords('in documents of type', provision.documentTypes),
  ]
  const words = [
    effect,
    actors.length === 0 ? 'anyone' : names(actors, asker),
    'to',
    actions.map(codeOf).join('/') || 'do anything with',
    records.filter((text) => text !== '').join(' '),
    purposes.length === 0 ? 'for any purpose' : `for ${purposes.map(codeOf).join(', ')}`,
  ]
  const own = `${words.join(' ')}${times(period)}`
  return provisions.length === 0 ? own : `${own} (but ${wordsOfProvisions(provisions, opposite(effect), asker)})`
}

/** Types and single records are two conditions: a record has to meet both. */
function recordWords(types: readonly string[], data: readonly string[]): string {
  if (data.length === 0) return types.join(', ') || 'all records'
  const single = types.length === 0 ? data : data.filter((one) => types.some((type) => one.startsWith(`${type}/`)))
  return single.join(', ') || 'no record'
}

function conditionWords(what: string, codings: readonly Coding[]): string {
  if (codings.length === 0) return ''
  return `${what} ${codings.map(({ system, code }) => `${system}|${code}`).join(' or ')}`
}

function names(actors: readonly Actor[], asker: Asker): string {
  return actors
    .map(({ connection, name }) => {
      const who = connection === asker.id ? asker.alias : `connection ${connection}`
      return name === undefined ? who : `${name} at ${who}`
    })
    .join(', ')
}

function times(period: Period | undefined): string {
  const start = period?.start === undefined ? '' : ` from ${period.start}`
  return `${start}${period?.end === undefined ? '' : ` until ${period.end}`}`
}

function codeOf({ code }: Coding): string {
  return code
}

function opposite(effect: Effect): Effect {
  return effect === 'permit' ? 'deny' : 'permit'
}
