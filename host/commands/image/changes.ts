/** What changes for an owner between two manifests of one handler: what it may now do, and may no longer. */
import type { Manifest, ManifestEvent } from '#host/plugin/manifest.ts'

export interface Change {
  /** `widened`: the handler may do, see or use more than before. */
  readonly effect: 'widened' | 'narrowed' | 'changed'
  readonly text: string
}

/** From the least to the most that a handler may do. */
const ORDERS = {
  namespace: ['nothing', 'r', 'rw'],
  credentials: ['nothing', 'list', 'prove'],
  approval: ['always', 'by-tier', 'never'],
} as const

const LIMITS = {
  deadlineMs: 'ms of one event',
  fuel: 'steps of one event',
  memoryBytes: 'bytes of memory',
  outputBytes: 'bytes of one reply',
  hostCalls: 'calls to the host',
  logBytes: 'bytes of log',
} as const

/** In the order of the manifest: author, events, needs, limits. Empty when nothing of that kind changed. */
export function changesOf(before: Manifest, after: Manifest): readonly Change[] {
  return [
    ...originChanges(before, after),
    ...eventChanges(before.events, after.events),
    ...needChanges(before.needs, after.needs),
    ...limitChanges(before, after),
  ]
}

function originChanges(before: Manifest, after: Manifest): readonly Change[] {
  return (['author', 'runtime'] as const).flatMap((name): readonly Change[] => {
    if (before[name] === after[name]) return []
    return [{ effect: 'changed', text: `${name}: ${after[name]} (was: ${before[name]})` }]
  })
}

/** All that a new handler may do. */
export function grantsOf(manifest: Manifest): readonly Change[] {
  return changesOf({ ...manifest, events: [], needs: NOTHING }, manifest)
}

const NOTHING: Needs = {
  fields: false,
  kinds: [],
  namespaces: {},
  keys: [],
  outbox: [],
  approval: false,
  session: false,
  clock: false,
  random: false,
  log: false,
  audit: false,
}

type Events = Manifest['events']
type Needs = Manifest['needs']

function eventChanges(before: Events, after: Events): readonly Change[] {
  const old = new Map(before.map((event) => [event.type, event]))
  const now = new Set(after.map(({ type }) => type))
  return [
    ...setChanges('answers', [before.map(({ type }) => type), [...now]]),
    ...after.flatMap((event) => {
      const previous = old.get(event.type)
      return previous ? oneEventChanges(previous, event) : []
    }),
  ]
}

function oneEventChanges(before: ManifestEvent, after: ManifestEvent): readonly Change[] {
  const { type } = after
  const changed: Change[] = []
  const note = (what: string, isOther: boolean): void => {
    if (isOther) changed.push({ effect: 'changed', text: `${type}: ${what}` })
  }
  note(`is now ${after.delivery}`, before.delivery !== after.delivery)
  note('has another request', !isSame(before.request, after.request))
  note('has another reply', !isSame(before.reply, after.reply))
  return [
    ...setChanges(`${type}: may be sent by`, [before.from, after.from]),
    ...permissionChanges(type, [before.permission, after.permission]),
    ...rankChanges(`${type}: the owner is asked`, ORDERS.approval, [before.approval, after.approval]),
    ...fieldChanges(type, [before.fields, after.fields]),
    ...changed,
  ]
}

/** A contract that need not permit an event lets more of them in; one permission for another is neither. */
function permissionChanges(type: string, [before, after]: readonly [string | null, string | null]): readonly Change[] {
  if (before === after) return []
  const effect = after === null ? 'widened' : before === null ? 'narrowed' : 'changed'
  const text = `${type}: the contract must permit ${after ?? 'nothing more'} (was: ${before ?? 'nothing more'})`
  return [{ effect, text }]
}

function fieldChanges(type: string, [before, after]: readonly [string | null, string | null]): readonly Change[] {
  if (before === after) return []
  if (after === null) return [{ effect: 'narrowed', text: `${type}: asks for no personal fields any more` }]
  if (before === null) return [{ effect: 'widened', text: `${type}: asks for personal fields` }]
  return [{ effect: 'changed', text: `${type}: names the personal fields elsewhere in its request` }]
}

function needChanges(before: Needs, after: Needs): readonly Change[] {
  const spaces = (['connection', 'handler', 'sandbox/mutual', 'sandbox/own'] as const).flatMap((name) =>
    rankChanges(`store of the ${name}:`, ORDERS.namespace, [
      before.namespaces[name] ?? 'nothing',
      after.namespaces[name] ?? 'nothing',
    ]),
  )
  // All there are, also those that a later manifest knows.
  const usesOf = (needs: Needs) => Object.entries(needs).flatMap(([name, value]) => (value === true ? [name] : []))
  const flags = setChanges('uses', [usesOf(before), usesOf(after)])
  return [
    ...flags,
    ...setChanges('reads entries of kind', [before.kinds, after.kinds]),
    ...spaces,
    ...setChanges('signs with', [before.keys.map(keyText), after.keys.map(keyText)]),
    ...rankChanges('credentials:', ORDERS.credentials, [
      before.credentials ?? 'nothing',
      after.credentials ?? 'nothing',
    ]),
    ...setChanges('sends to', [before.outbox, after.outbox]),
  ]
}

function keyText({ alias, algorithm }: Needs['keys'][number]): string {
  return algorithm === undefined ? `key ${alias}` : `key ${alias} (${algorithm})`
}

function limitChanges({ limits: before }: Manifest, { limits: after }: Manifest): readonly Change[] {
  const names = ['deadlineMs', 'fuel', 'memoryBytes', 'outputBytes', 'hostCalls', 'logBytes'] as const
  return names.flatMap((name): readonly Change[] => {
    if (before[name] === after[name]) return []
    const effect = after[name] > before[name] ? 'widened' : 'narrowed'
    return [{ effect, text: `limit: ${after[name]} ${LIMITS[name]} (was: ${before[name]})` }]
  })
}

function setChanges(what: string, [before, after]: readonly [readonly string[], readonly string[]]): readonly Change[] {
  const added = after.filter((item) => !before.includes(item))
  const removed = before.filter((item) => !after.includes(item))
  return [
    ...added.map((item): Change => ({ effect: 'widened', text: `${what} ${item}` })),
    ...removed.map((item): Change => ({ effect: 'narrowed', text: `${what} ${item} no more` })),
  ]
}

function rankChanges<Rank extends string>(
  what: string,
  order: readonly Rank[],
  [before, after]: readonly [Rank, Rank],
): readonly Change[] {
  if (before === after) return []
  const effect = order.indexOf(after) > order.indexOf(before) ? 'widened' : 'narrowed'
  return [{ effect, text: `${what} ${after} (was: ${before})` }]
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
