/** What a plug-in's `handle` left, as the outcome a component would have given. */
import { Refusal } from '#host/errors.ts'
import { EXTISM_ANSWER_BYTES } from '#host/plugin/limits.ts'

import { parseBody } from '../body.ts'
import { Trap } from '../component/trap.ts'
import type { OwnerQuestion } from '../port.ts'
import type { HandlerAnswer } from '../refusal.ts'
import type { Left } from './kernel.ts'

/** WIT `result<outcome, refusal>`. */
type Handled =
  | { readonly tag: 'ok'; readonly val: { readonly tag: 'reply'; readonly val: Uint8Array } }
  | { readonly tag: 'ok'; readonly val: { readonly tag: 'accepted' } }
  | { readonly tag: 'ok'; readonly val: { readonly tag: 'suspended'; readonly val: OwnerQuestion } }
  | { readonly tag: 'err'; readonly val: HandlerAnswer }

/**
 * `{"reply": …}`, `{"accepted": true}`, `{"suspended": {"text", "choices"}}` or
 * `{"refusal": {"code", "message", "retry"}}`. An error, or a code that is not 0, is the refusal `plugin-error`.
 *
 * @throws Trap `output` when the output is none of these, or longer than a reply may be
 */
export function handledOf(code: unknown, { output, error }: Left, outputBytesMax: number): Handled {
  if (error !== undefined || code !== 0) {
    const message = error ?? `the plug-in returned ${String(code)}`
    return { tag: 'err', val: { code: 'plugin-error', message, retry: false } }
  }
  if (output === undefined) throw new Trap('output', 'answered nothing')
  if (output.length > outputBytesMax + EXTISM_ANSWER_BYTES) {
    throw new Trap('output', `replied with more than ${outputBytesMax} bytes`)
  }
  const handled = parseHandled(parseAnswer(output))
  if (handled === undefined) throw new Trap('output', 'answered neither reply, accepted, suspended nor refusal')
  return handled
}

function parseHandled(answer: Readonly<Record<string, unknown>>): Handled | undefined {
  const [name, ...others] = Object.keys(answer)
  if (name === undefined || others.length > 0) return undefined
  const value = answer[name]
  if (name === 'reply') {
    return { tag: 'ok', val: { tag: 'reply', val: new TextEncoder().encode(JSON.stringify(value)) } }
  }
  if (name === 'accepted') return value === true ? { tag: 'ok', val: { tag: 'accepted' } } : undefined
  if (name === 'suspended') {
    const question = parseQuestion(value)
    return question === undefined ? undefined : { tag: 'ok', val: { tag: 'suspended', val: question } }
  }
  const refusal = name === 'refusal' ? parseRefusal(value) : undefined
  return refusal === undefined ? undefined : { tag: 'err', val: refusal }
}

function parseAnswer(output: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value = parseBody(output, { code: 'handler-output', what: 'the answer' })
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch (error) {
    throw error instanceof Refusal ? new Trap('output', error.message, { cause: error }) : error
  }
}

function parseRefusal(value: unknown): HandlerAnswer | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { code, message, retry = false, ...others }: Readonly<Record<string, unknown>> = { ...value }
  if (typeof code !== 'string' || typeof message !== 'string' || typeof retry !== 'boolean') return undefined
  return Object.keys(others).length === 0 ? { code, message, retry } : undefined
}

function parseQuestion(value: unknown): OwnerQuestion | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { text, choices = [], ...others }: Readonly<Record<string, unknown>> = { ...value }
  if (typeof text !== 'string' || !Array.isArray(choices) || Object.keys(others).length > 0) return undefined
  const named = choices.filter((choice) => typeof choice === 'string')
  return named.length === choices.length ? { text, choices: named } : undefined
}
