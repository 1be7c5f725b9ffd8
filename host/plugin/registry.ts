/** Which handler answers which event type. Made once; every mistake is found before anything runs. */
import { Refusal } from '#host/errors.ts'
import { CONTRACT_FIELDS_MAX } from '#host/limits.ts'

import { atPointer, parseBody, replaceAtPointer } from './body.ts'
import { type Manifest, type ManifestEvent, type Needs, type PublishedManifest, publishedManifest } from './manifest.ts'
import { isExtism, type Program } from './program.ts'
import { compileSchema, type SchemaCheck } from './schemas.ts'
import { typeMistakes } from './world.ts'

export interface Handler {
  readonly name: string
  readonly manifest: Manifest
  readonly component: Program
}

/** One event type and who answers it. */
export interface Registered extends Handler {
  /** Place of the handler in `Registry.handlers`. */
  readonly index: number
  readonly event: ManifestEvent
  readonly checkRequest: SchemaCheck
  readonly checkReply: SchemaCheck
}

export type Sender = ManifestEvent['from'][number]

export interface Registry {
  readonly handlers: readonly Handler[]
  /** Who answers an event type of a sender (else of a connection); what only others may send is as if not there. */
  lookup(type: string, from?: Sender): Registered | undefined
  /** Event types that connections may send, by delivery class, sorted. */
  lanes(): { readonly critical: readonly string[]; readonly bestEffort: readonly string[] }
  published(): readonly PublishedManifest[]
  /** From now on these handlers are as if not there. For good: a handler comes back with another image. */
  withdraw(names: Iterable<string>): void
}

/**
 * @throws Refusal `component-invalid` that lists every mistake: two handlers for one type, a component that imports
 *   what its manifest does not need, one that has no `handle`
 */
export function buildRegistry(entries: readonly { manifest: Manifest; component: Program }[]): Registry {
  const found: string[] = []
  const handlers = entries.map(({ manifest, component }) => ({ name: manifest.handler, manifest, component }))
  const byType = new Map<string, Registered>()
  const names = new Set<string>()
  for (const [index, handler] of handlers.entries()) {
    if (names.has(handler.name)) found.push(`${handler.name}: is there twice`)
    names.add(handler.name)
    found.push(...componentMistakes(handler))
    for (const event of handler.manifest.events) {
      const other = byType.get(event.type)
      if (other !== undefined) found.push(`${handler.name}: ${event.type} is answered by ${other.name} already`)
      const checks = { checkRequest: compileSchema(event.request), checkReply: compileSchema(event.reply) }
      byType.set(event.type, { ...handler, index, event, ...checks })
    }
  }
  if (found.length > 0) throw new Refusal('component-invalid', found.join('; '))

  const published = handlers
    .map(({ manifest }) => publishedManifest(manifest))
    .filter(({ events }) => events.length > 0)
  const laneOf = (delivery: ManifestEvent['delivery']): string[] =>
    [...byType.values()]
      .flatMap(({ event }) => (event.delivery === delivery && isFrom(event, 'connection') ? [event.type] : []))
      .sort()
  const lanes = { critical: laneOf('critical'), bestEffort: laneOf('best-effort') }
  const withdrawn = new Set<string>()
  const lookup: Registry['lookup'] = (type, from = 'connection') => {
    const found = byType.get(type)
    return found && isFrom(found.event, from) && !withdrawn.has(found.name) ? found : undefined
  }
  return {
    handlers,
    lookup,
    lanes: () => lanes,
    published: () => (withdrawn.size === 0 ? published : published.filter(({ handler }) => !withdrawn.has(handler))),
    withdraw(gone) {
      for (const name of gone) withdrawn.add(name)
    },
  }
}

function isFrom({ from }: ManifestEvent, sender: Sender): boolean {
  return from.includes(sender)
}

/** The interfaces of the world that a manifest's needs come to. A build narrows the world to these. */
export function neededInterfaces(needs: Needs): ReadonlySet<string> {
  const needed = new Set<string>()
  if (needs.fields) needed.add('fields')
  if (Object.values(needs.namespaces).some((right) => right !== undefined)) needed.add('store')
  if (needs.keys.length > 0) needed.add('keys')
  if (needs.credentials !== undefined) needed.add('credentials')
  if (needs.outbox.length > 0) needed.add('outbox')
  for (const name of ['approval', 'session', 'clock', 'random', 'log', 'audit'] as const)
    if (needs[name]) needed.add(name)
  return needed
}

function componentMistakes({ name, manifest, component }: Handler): string[] {
  const found: string[] = []
  const needed = neededInterfaces(manifest.needs)
  if (isExtism(component)) {
    const beyond = component.needs.filter((owner) => !needed.has(owner))
    return beyond.map((owner) => `${name}: imports functions of ${owner}, which its manifest does not need`)
  }
  for (const imported of component.imports) {
    const parts = /^trellis:handler\/([a-z]+)@0\.1\.0$/u.exec(imported)
    if (parts?.[1] !== undefined && needed.has(parts[1])) continue
    found.push(`${name}: imports ${JSON.stringify(imported)}, which its manifest does not need`)
  }
  if (!component.exports.includes('handle')) found.push(`${name}: exports no handle`)
  found.push(...typeMistakes(component.plan).map((mistake) => `${name}: ${mistake}`))
  return found
}

const encoder = new TextEncoder()

/** A request as the host understood it. */
export type Request =
  | {
      readonly kind: 'request'
      /** Names of the fields it asks for, each once. */
      readonly fields: readonly string[]
      /** What the handler is given: the parsed value written anew, so that both sides read the same. */
      readonly body: Uint8Array
    }
  | { readonly kind: 'malformed'; readonly why: string }

/** What a request says in the place of names, where its schema lets it, to have all that it may have. */
const ALL = 'all'

/**
 * Reads a request body against its event's schema. Nothing is thrown: `admit` has an order to keep.
 *
 * @param all the names that a request for `"all"` fields is given in its place
 */
export function readRequest(
  registered: Registered,
  bytes: Uint8Array,
  all: () => readonly string[] = () => [],
): Request {
  let value: unknown
  try {
    value = parseBody(bytes, { code: 'malformed-request', what: 'the request' })
  } catch (error) {
    if (error instanceof Refusal) return { kind: 'malformed', why: error.message }
    throw error
  }
  const why = registered.checkRequest(value)
  if (why !== undefined) return { kind: 'malformed', why }
  const { fields: pointer } = registered.event
  if (pointer !== null && atPointer(value, pointer) === ALL) replaceAtPointer(value, pointer, all())
  const fields = requestFields(registered.event, value)
  if (fields === undefined) return { kind: 'malformed', why: `${registered.event.fields}: must be a list of names` }
  return { kind: 'request', fields, body: encoder.encode(JSON.stringify(value)) }
}

/** The field names a request asks for, each once; none when it has no such list; `undefined` when it is not one. */
export function requestFields(event: ManifestEvent, value: unknown): readonly string[] | undefined {
  if (event.fields === null) return []
  const found = atPointer(value, event.fields) ?? []
  if (!Array.isArray(found) || found.length > CONTRACT_FIELDS_MAX) return undefined
  const names = found.filter((name) => typeof name === 'string')
  return names.length === found.length ? [...new Set(names)] : undefined
}
