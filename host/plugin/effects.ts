/** From a cell's report to effects. Neither the cell nor the guest in it is believed: everything is checked again. */
import { Refusal, type RefusalCode, unreachable } from '#host/errors.ts'
import {
  CHOICE_BYTES_MAX,
  CHOICES_MAX,
  EFFECT_BYTES_MAX,
  KEY_BYTES_MAX,
  LOG_LINE_BYTES,
  OUTBOX_ITEMS_MAX,
  QUESTION_BYTES_MAX,
  REFUSAL_CODE_BYTES_MAX,
  REFUSAL_MESSAGE_BYTES_MAX,
  VALUE_BYTES_MAX,
} from '#host/limits.ts'
import { bytesUpTo, check, z } from '#host/schema.ts'
import type { Change } from '#host/storage/port.ts'

import { parseBody } from './body.ts'
import type { Desk } from './imports.ts'
import { FACTS_MAX } from './limits.ts'
import type { Effects, LogLine, OwnerQuestion, Sources } from './port.ts'
import { type HandlerAnswer, HandlerFailure, HandlerRefusal } from './refusal.ts'
import type { Registered } from './registry.ts'
import {
  type FailReason,
  isCategory,
  isEventType,
  isFact,
  type Outcome,
  type Report,
  type ReportedEvent,
  sensitivities,
  type Write,
} from './report.ts'

const bytes = z.instanceof(Uint8Array)

const writeSchema = z.object({
  label: z.string(),
  key: z.string(),
  value: bytesUpTo(VALUE_BYTES_MAX).nullable(),
  attributes: z
    .object({
      visibility: z.enum(['transparent', 'opaque']),
      category: z.union([z.string(), z.undefined()]),
      sensitivity: z.enum(sensitivities).optional(),
    })
    .optional(),
})

const reportSchema = z.object({
  sequence: z.number(),
  outcome: z.discriminatedUnion('kind', [
    z.object({
      kind: z.literal('done'),
      reply: z.union([bytes, z.undefined()]),
      writes: z.array(writeSchema),
      outgoing: z.array(
        z.object({
          to: z.enum(['owner', 'connection', 'connections']),
          alias: z.exactOptional(z.string()),
          type: z.string(),
          body: bytes,
        }),
      ),
      facts: z.array(z.string()),
    }),
    z.object({
      kind: z.literal('suspended'),
      question: z.object({ text: z.string(), choices: z.array(z.string()) }),
    }),
    z.object({
      kind: z.literal('refused'),
      answer: z.object({ code: z.string(), message: z.string(), retry: z.boolean() }),
    }),
    z.object({
      kind: z.literal('failed'),
      reason: z.enum(['trap', 'stack', 'fuel', 'deadline', 'lied', 'memory', 'output', 'calls', 'not-granted']),
      message: z.string().max(1_024),
    }),
  ]),
  hostCalls: z.number().int().min(0),
  log: z.array(z.object({ level: z.enum(['debug', 'info', 'warn', 'error']), message: z.string() })),
  logCut: z.boolean(),
})

/** The event a report is about. */
export interface Event {
  readonly registered: Registered
  readonly sources: Sources
  readonly desk: Desk
  /** The owner answered already. */
  readonly answered: boolean
}

/** @throws Refusal `handler-lied` when it is not the report of this event */
export function parseReport(value: unknown, sequence: number): Report {
  const report = check(reportSchema, value, 'handler-lied', 'the report of its cell')
  if (report.sequence !== sequence) throw new Refusal('handler-lied', 'its cell reported on another event')
  return report
}

/** @throws HandlerRefusal for the handler's own no; HandlerFailure `handler-*` or `not-granted` for any other end */
export function effectsOf(report: Report, event: Event): Effects {
  const log = logOf(report, event)
  const fail = (code: RefusalCode, what: string): never => {
    throw new HandlerFailure(code, `${event.registered.name} ${what}`, { log, hostCalls: report.hostCalls })
  }
  const { hostCalls, deadlineMs } = event.registered.manifest.limits
  if (report.hostCalls > hostCalls) fail('handler-calls', `made more than ${hostCalls} host calls`)
  if (event.desk.over()) fail('handler-calls', `made more than ${hostCalls} host calls, or read or proved too much`)
  const { outcome } = report
  switch (outcome.kind) {
    case 'failed':
      return fail(
        failCodes[outcome.reason],
        outcome.reason === 'deadline' ? `took longer than ${deadlineMs} ms` : `ended badly: ${outcome.message}`,
      )
    case 'refused':
      if (!isAnswer(outcome.answer)) fail('handler-output', 'refused with a code or message out of bounds')
      throw new HandlerRefusal(outcome.answer, { log, hostCalls: report.hostCalls })
    case 'suspended': {
      const wrong = questionMistake(outcome.question, event)
      if (wrong !== undefined) fail('handler-output', wrong)
      const nothing = { reply: undefined, changes: [], outgoing: [], facts: [] }
      const expected = event.desk.expected()
      return { ...nothing, question: outcome.question, expected, log, hostCalls: report.hostCalls }
    }
    case 'done': {
      const wrong = outputMistake(outcome, event) ?? replyMistake(outcome.reply, event)
      if (wrong !== undefined) fail('handler-output', wrong)
      const lie = grantMistake(outcome, event.sources) ?? factMistake(outcome, event)
      if (lie !== undefined) fail('handler-lied', lie)
      const { reply, outgoing, facts } = outcome
      const author = `handler/${event.registered.name}`
      const changes = outcome.writes.flatMap((write) => changeOf(write, { ...event, author }))
      const expected = event.desk.expected()
      return { question: undefined, reply, changes, expected, outgoing, facts, log, hostCalls: report.hostCalls }
    }
    default:
      return unreachable(outcome)
  }
}

const failCodes: Readonly<Record<FailReason, RefusalCode>> = {
  trap: 'handler-trapped',
  stack: 'handler-stack',
  fuel: 'handler-fuel',
  deadline: 'handler-deadline',
  memory: 'handler-memory',
  lied: 'handler-lied',
  output: 'handler-output',
  calls: 'handler-calls',
  'not-granted': 'not-granted',
}

type Done = Extract<Outcome, { kind: 'done' }>

function outputMistake({ reply, writes, outgoing }: Done, { registered }: Event): string | undefined {
  const { outputBytes, hostCalls } = registered.manifest.limits
  if (reply !== undefined && reply.length > outputBytes) return `replied with more than ${outputBytes} bytes`
  if (outgoing.length > OUTBOX_ITEMS_MAX) return `left more than ${OUTBOX_ITEMS_MAX} outgoing events`
  if (outgoing.some(({ body }) => body.length > outputBytes)) return `left an event of more than ${outputBytes} bytes`
  if (writes.length > hostCalls) return `left more than ${hostCalls} writes`
  const written = writes.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0)
  const sent = outgoing.reduce((sum, { type, body }) => sum + type.length + body.length, 0)
  return written + sent > EFFECT_BYTES_MAX ? `left more than ${EFFECT_BYTES_MAX} bytes of effects` : undefined
}

function questionMistake({ text, choices }: OwnerQuestion, { registered, answered }: Event): string | undefined {
  if (!registered.manifest.needs.approval) return 'asks the owner, which its manifest does not need'
  if (answered) return 'asks the owner twice about one request'
  if (text.length === 0 || Buffer.byteLength(text) > QUESTION_BYTES_MAX) {
    return `asks in no words or more than ${QUESTION_BYTES_MAX} bytes`
  }
  if (choices.length > CHOICES_MAX) return `offers more than ${CHOICES_MAX} choices`
  if (new Set(choices).size < choices.length) return 'offers a choice twice'
  const out = choices.find((choice) => choice.length === 0 || Buffer.byteLength(choice) > CHOICE_BYTES_MAX)
  return out !== undefined ? `offers an empty choice or one over ${CHOICE_BYTES_MAX} bytes` : undefined
}

/** An honest cell never lets these through: the guest got `unavailable` or `too-large`. */
function grantMistake({ writes, outgoing }: Done, sources: Sources): string | undefined {
  if (writes.some(({ label }) => sources.namespaces.get(label)?.writable !== true)) return 'wrote outside its grant'
  if (writes.some(({ key }) => !isKey(key))) return `wrote under no key, or one over ${KEY_BYTES_MAX} bytes`
  if (!writes.every((write) => mayBe(write, sources))) return 'wrote a category outside its grant'
  if (outgoing.some((event) => !maySend(event, sources))) return 'sends outside its grant'
  return outgoing.every(({ type }) => isEventType(type)) ? undefined : 'sends an event of no type'
}

/** An honest cell never lets these through either. */
function factMistake({ facts }: Done, { registered }: Event): string | undefined {
  if (facts.length > 0 && !registered.manifest.needs.audit)
    return 'adds to the audit trail, which its manifest does not need'
  return facts.length > FACTS_MAX || !facts.every(isFact) ? 'adds facts out of bounds to the audit trail' : undefined
}

/** The category it names, if it names one. What a key keeps unnamed is held against the contract by the commit. */
function mayBe({ label, attributes }: Write, sources: Sources): boolean {
  const category = attributes?.category
  if (category === undefined) return true
  const categories = sources.namespaces.get(label)?.cap?.categories ?? undefined
  return isCategory(category) && (categories === undefined || categories.includes(category))
}

/** Whether the connection named takes the event is for the vault to say, when it is committed. */
function maySend({ to, alias }: ReportedEvent, sources: Sources): boolean {
  return sources.outbox.has(to) && (to === 'connections') === (alias !== undefined)
}

/** What the store takes as a key. */
function isKey(key: string): boolean {
  return key !== '' && key.isWellFormed() && Buffer.byteLength(key) <= KEY_BYTES_MAX
}

function replyMistake(reply: Uint8Array | undefined, { registered }: Event): string | undefined {
  if (reply === undefined) return undefined
  try {
    const mistake = registered.checkReply(parseBody(reply, { code: 'handler-output', what: 'the reply' }))
    return mistake === undefined ? undefined : `replied with what its manifest does not promise: ${mistake}`
  } catch (error) {
    if (error instanceof Refusal) return `replied with what cannot be read: ${error.message}`
    throw error
  }
}

function isAnswer({ code, message }: HandlerAnswer): boolean {
  if (code.length > REFUSAL_CODE_BYTES_MAX || !/^[a-z0-9]+(-[a-z0-9]+)*$/u.test(code)) return false
  return Buffer.byteLength(message) <= REFUSAL_MESSAGE_BYTES_MAX
}

function changeOf(
  { label, key, value, attributes }: Write,
  { sources, author }: Pick<Event, 'sources'> & { readonly author: string },
): Change[] {
  const namespace = sources.namespaces.get(label)?.namespace.name
  if (namespace === undefined) return []
  if (attributes === undefined) return [{ namespace, key, value, author }]
  const { visibility, category = null, sensitivity } = attributes
  return [{ namespace, key, value, visibility, category, author, ...(sensitivity && { sensitivity }) }]
}

/** @throws Refusal `handler-lied` when there is more than the manifest allows: the cell cuts, it does not overrun */
function logOf({ log, logCut }: Report, { registered }: Event): readonly LogLine[] {
  const { logBytes } = registered.manifest.limits
  const size = log.reduce((sum, { message }) => sum + Buffer.byteLength(message) + LOG_LINE_BYTES, 0)
  if (size > logBytes) throw new Refusal('handler-lied', `${registered.name} logged more than ${logBytes} bytes`)
  return logCut ? [...log, { level: 'warn', message: `log cut at ${logBytes} bytes` }] : log
}
