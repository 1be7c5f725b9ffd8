/** Holds what a handler did against what its case expects. */
import { isDeepStrictEqual } from 'node:util'

import { Refusal } from '#host/errors.ts'
import { parseBody } from '#host/plugin/body.ts'
import type { Effects, Outgoing } from '#host/plugin/port.ts'
import { HandlerRefusal } from '#host/plugin/refusal.ts'
import type { Change } from '#host/storage/port.ts'
import type { Case, Stored } from './cases.ts'
import { bytesOfStored } from './given.ts'

/** How one run of a case ended: with effects, or with a refusal. */
export type Ended = Effects | Refusal

/** In a word: `reply`, `accepted`, `suspended`, the handler's own code, or the host's. */
export function outcomeOf(ended: Ended): string {
  if (ended instanceof HandlerRefusal) return `no: ${ended.answer.code}`
  if (ended instanceof Refusal) return ended.code
  if (ended.question !== undefined) return 'suspended'
  return ended.reply === undefined ? 'accepted' : 'reply'
}

/** Bytes the handler left: its reply, what it writes and what it sends. */
export function bytesLeft(ended: Ended): number {
  if (ended instanceof HandlerRefusal) return Buffer.byteLength(ended.answer.code + ended.answer.message)
  if (ended instanceof Refusal) return 0
  const written = ended.changes.reduce((sum, { key, value }) => sum + Buffer.byteLength(key) + (value?.length ?? 0), 0)
  const sent = ended.outgoing.reduce((sum, { type, body }) => sum + type.length + body.length, 0)
  return (ended.reply?.length ?? 0) + written + sent
}

/** What is otherwise than expected, one line each; none when the case passed. */
export function differences({ expect }: Case, ended: Ended): string[] {
  if (ended instanceof HandlerRefusal) return refusalDifference(expect, ended)
  if (ended instanceof Refusal) {
    return expect.failure === ended.code ? [] : [`expected ${wanted(expect)}, got ${ended.code}: ${ended.message}`]
  }
  if (ended.question !== undefined) {
    if (isDeepStrictEqual(ended.question, expect.suspended)) return []
    return [`expected ${wanted(expect)}, asked the owner ${said(ended.question)}`]
  }
  const found: string[] = []
  const reply = ended.reply === undefined ? undefined : parsed(ended.reply)
  const isAsWanted = ended.reply === undefined ? expect.accepted === true : isDeepStrictEqual(reply, expect.reply)
  if (!isAsWanted) found.push(`expected ${wanted(expect)}, got ${ended.reply === undefined ? 'accepted' : said(reply)}`)
  const { own, shared, asker } = Object.groupBy(ended.changes, spaceOf)
  found.push(...writeDifferences(expect.writes, asker))
  found.push(...writeDifferences(expect.handlerWrites, own))
  found.push(...writeDifferences(sharedWrites(expect.sandboxes), shared?.map(byArea)))
  const sent = ended.outgoing.map(shownOutgoing)
  if (expect.outgoing !== undefined && !isDeepStrictEqual(sent, expect.outgoing)) {
    found.push(`expected to send ${said(expect.outgoing)}, sent ${said(sent)}`)
  }
  const { hostCallsMax } = expect
  if (hostCallsMax !== undefined && ended.hostCalls > hostCallsMax) {
    found.push(`expected at most ${hostCallsMax} host calls, made ${ended.hostCalls}`)
  }
  return found
}

function spaceOf({ namespace }: Change): 'own' | 'shared' | 'asker' {
  if (namespace.startsWith('handler/')) return 'own'
  return namespace.startsWith('sandbox/') ? 'shared' : 'asker'
}

/** A write to a sandbox, under the label that its handler opened and its key. */
function byArea(change: Change): Change {
  const label = change.namespace.replace(/-mutual$/u, '/mutual').replace(/-creator$/u, '/own')
  return { ...change, key: `${label}/${change.key}` }
}

/** The same of those that a case expects. */
function sharedWrites(sandboxes: Case['expect']['sandboxes']): Case['expect']['writes'] {
  if (sandboxes === undefined) return undefined
  const writes = Object.entries(sandboxes).flatMap(([id, areas]) =>
    Object.entries(areas).flatMap(([area, items]) =>
      Object.entries(items ?? {}).map(([key, wanted]) => [`sandbox/${id}/${area}/${key}`, wanted] as const),
    ),
  )
  return Object.fromEntries(writes)
}

function refusalDifference(expect: Case['expect'], { answer }: HandlerRefusal): string[] {
  const { refusal } = expect
  if (refusal === undefined) return [`expected ${wanted(expect)}, got refusal ${said(answer)}`]
  const isAsWanted =
    refusal.code === answer.code &&
    (refusal.message === undefined || refusal.message === answer.message) &&
    (refusal.retry === undefined || refusal.retry === answer.retry)
  return isAsWanted ? [] : [`expected refusal ${said(refusal)}, got ${said(answer)}`]
}

function writeDifferences(expected: Case['expect']['writes'], changes: readonly Change[] = []): string[] {
  if (expected === undefined) return []
  const written = new Map(changes.map((change) => [change.key, change]))
  const missing = Object.entries(expected).flatMap(([key, wanted]) => {
    const change = written.get(key)
    if (change !== undefined && isStored(change, wanted)) return []
    return [`expected ${said(wanted)} at ${said(key)}, ${change === undefined ? 'it is not written' : got(change)}`]
  })
  const extra = [...written.keys()].filter((key) => !Object.hasOwn(expected, key))
  return [...missing, ...extra.map((key) => `expected nothing at ${said(key)}, which it writes`)]
}

function got({ value, visibility, category }: Change): string {
  if (value === null) return 'it is deleted'
  return `got ${text(value)}${visibility === undefined ? '' : `, ${visibility}, of ${category ?? 'no category'}`}`
}

/** Attributes are compared when the case names them. */
function isStored({ value, visibility, category, sensitivity }: Change, wanted: Stored | null): boolean {
  if (value === null || wanted === null) return value === wanted
  if (typeof wanted === 'object') {
    if (wanted.visibility !== undefined && wanted.visibility !== visibility) return false
    if (wanted.category !== undefined && wanted.category !== category) return false
    if (wanted.sensitivity !== undefined && wanted.sensitivity !== sensitivity) return false
    if ('json' in wanted) return isDeepStrictEqual(parsed(value), wanted.json)
  }
  return Buffer.compare(value, bytesOfStored(wanted)) === 0
}

function shownOutgoing({ to, alias, type, body }: Outgoing): unknown {
  return { to, ...(alias === undefined ? {} : { alias }), type, body: parsed(body) }
}

function wanted({ reply, suspended, refusal, failure }: Case['expect']): string {
  if (suspended !== undefined) return `to ask the owner ${said(suspended)}`
  if (refusal !== undefined) return `refusal ${said(refusal)}`
  return failure ?? (reply === undefined ? 'accepted' : said(reply))
}

/** As JSON; as text when it is none. */
function parsed(bytes: Uint8Array): unknown {
  try {
    return parseBody(bytes, { code: 'handler-output', what: 'it' })
  } catch {
    return text(bytes)
  }
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

function said(value: unknown): string {
  return JSON.stringify(value)
}
