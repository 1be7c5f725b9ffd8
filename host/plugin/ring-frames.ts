/** How an event and the report on it lie in a slot of the ring. Events with keys or credentials do not go this way. */
import { type Carried, decodeItem, encodeItem } from './calls.ts'
import type { FrameReader, FrameWriter } from './frame.ts'
import { RING_SLOT_BYTES } from '#host/plugin/limits.ts'
import {
  type CellJob,
  type FailReason,
  type Outcome,
  type Report,
  type ReportedEvent,
  type ReportedLine,
  sensitivities,
  type Write,
} from './report.ts'

/** @throws RangeError when the slot is too small for it */
export function encodeJob(job: CellJob, into: FrameWriter): void {
  const { sequence, handler, now, body, session, answer, namespaces, fields, outbox, carried = [] } = job
  into.u32(sequence)
  into.u32(handler)
  into.u53(now)
  into.text(JSON.stringify({ session, answer, namespaces, fields: [...fields], outbox }))
  into.bytes(body)
  into.u8(carried.length)
  for (const { label, key, item } of carried) {
    into.text(label)
    into.text(key)
    into.u8(item === undefined ? 0 : 1)
    if (item !== undefined) encodeItem(item, into)
  }
}

const noKeys: CellJob['keys'] = new Map()

export function decodeJob(from: FrameReader): CellJob {
  const [sequence, handler, now] = [from.u32(), from.u32(), from.u53()]
  const { session, answer, namespaces, fields, outbox } = JSON.parse(from.text()) as Pick<
    CellJob,
    'session' | 'answer' | 'namespaces' | 'outbox'
  > & { readonly fields: readonly (readonly [string, string])[] }
  const body = from.bytes()
  const carried: Carried[] = []
  for (let left = from.u8(); left > 0; left--) {
    const [label, key] = [from.text(), from.text()]
    carried.push({ label, key, item: from.u8() === 0 ? undefined : decodeItem(from) })
  }
  const granted = { namespaces, fields: new Map(fields), keys: noKeys, credentials: [], outbox }
  return { sequence, handler, now, session, answer, body, carried, ...granted }
}

const outcomes = ['done', 'suspended', 'refused', 'failed'] as const satisfies readonly Outcome['kind'][]
const levels = ['debug', 'info', 'warn', 'error'] as const satisfies readonly ReportedLine['level'][]
const targets = ['owner', 'connection', 'connections'] as const satisfies readonly ReportedEvent['to'][]
const reasons = [
  'trap',
  'stack',
  'fuel',
  'deadline',
  'lied',
  'memory',
  'output',
  'calls',
  'not-granted',
] as const satisfies readonly FailReason[]

/** `used`: a bit for each carried value that was read. @throws RangeError when the slot is too small for it */
export function encodeReport({ sequence, outcome, hostCalls, log, logCut }: Report, used: number, into: FrameWriter) {
  into.u32(sequence)
  into.u32(hostCalls)
  into.u8(used)
  into.u8(logCut ? 1 : 0)
  into.u32(log.length)
  for (const { level, message } of log) {
    into.u8(levels.indexOf(level))
    into.text(message)
  }
  into.u8(outcomes.indexOf(outcome.kind))
  if (outcome.kind === 'done') return encodeDone(outcome, into)
  if (outcome.kind === 'suspended') return into.text(JSON.stringify(outcome.question))
  if (outcome.kind === 'refused') return into.text(JSON.stringify(outcome.answer))
  into.u8(reasons.indexOf(outcome.reason))
  return into.text(outcome.message)
}

type Done = Extract<Outcome, { kind: 'done' }>

function encodeDone({ reply, writes, outgoing, facts }: Done, into: FrameWriter): void {
  encodeBytes(reply, into)
  into.u32(writes.length)
  for (const { label, key, value, attributes } of writes) {
    into.text(label)
    into.text(key)
    encodeBytes(value ?? undefined, into)
    into.u8(attributes === undefined ? 0 : attributes.visibility === 'opaque' ? 2 : 1)
    if (attributes === undefined) continue
    encodeText(attributes.category, into)
    into.u8(attributes.sensitivity === undefined ? 0 : sensitivities.indexOf(attributes.sensitivity) + 1)
  }
  into.u32(outgoing.length)
  for (const { to, alias, type, body } of outgoing) {
    into.u8(targets.indexOf(to))
    encodeText(alias, into)
    into.text(type)
    into.bytes(body)
  }
  into.u32(facts.length)
  for (const fact of facts) into.text(fact)
}

/** The cell's own words, in the form of a report and not yet believed. @throws RangeError when it is no frame of one */
export function decodeReport(from: FrameReader): { readonly report: unknown; readonly used: number } {
  const [sequence, hostCalls, used] = [from.u32(), from.u32(), from.u8()]
  const logCut = from.u8() === 1
  const log = listOf(from, () => ({ level: levels[from.u8()], message: from.text() }))
  const kind = outcomes[from.u8()]
  const outcome = outcomeOf(kind, from)
  return { report: { sequence, outcome, hostCalls, log, logCut }, used }
}

function outcomeOf(kind: Outcome['kind'] | undefined, from: FrameReader): unknown {
  if (kind === 'done') return decodeDone(from)
  if (kind === 'suspended') return { kind, question: jsonOf(from) }
  if (kind === 'refused') return { kind, answer: jsonOf(from) }
  return { kind, reason: reasons[from.u8()], message: from.text() }
}

function decodeDone(from: FrameReader): unknown {
  const reply = decodeBytes(from)
  const writes = listOf(from, (): Write => {
    const [label, key, value] = [from.text(), from.text(), decodeBytes(from) ?? null]
    const kept = from.u8()
    if (kept === 0) return { label, key, value }
    const [category, sensitivity] = [decodeText(from), sensitivities[from.u8() - 1]]
    const visibility = kept === 2 ? 'opaque' : 'transparent'
    return { label, key, value, attributes: { visibility, category, ...(sensitivity && { sensitivity }) } }
  })
  const outgoing = listOf(from, () => {
    const [to, alias, type, body] = [targets[from.u8()], decodeText(from), from.text(), from.bytes()]
    return alias === undefined ? { to, type, body } : { to, alias, type, body }
  })
  return { kind: 'done', reply, writes, outgoing, facts: listOf(from, () => from.text()) }
}

function jsonOf(from: FrameReader): unknown {
  try {
    return JSON.parse(from.text())
  } catch (cause) {
    throw new RangeError('a report holds no JSON', { cause })
  }
}

/** Items, none of which takes no byte. @throws RangeError when a slot cannot hold as many */
function listOf<Item>(from: FrameReader, next: () => Item): Item[] {
  const length = from.u32()
  if (length > RING_SLOT_BYTES) throw new RangeError('a report has more items than bytes')
  const items: Item[] = []
  while (items.length < length) items.push(next())
  return items
}

function encodeBytes(value: Uint8Array | undefined, into: FrameWriter): void {
  into.u8(value === undefined ? 0 : 1)
  if (value !== undefined) into.bytes(value)
}

function decodeBytes(from: FrameReader): Uint8Array | undefined {
  return from.u8() === 0 ? undefined : from.bytes()
}

function encodeText(value: string | undefined, into: FrameWriter): void {
  into.u8(value === undefined ? 0 : 1)
  if (value !== undefined) into.text(value)
}

function decodeText(from: FrameReader): string | undefined {
  return from.u8() === 0 ? undefined : from.text()
}
