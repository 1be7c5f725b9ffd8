/** The answer to an event: the body of an event that names the first one as its cause. */
import { Refusal, unreachable } from '#host/errors.ts'
import { MESSAGE_CHARS_MAX } from '#host/limits.ts'

import { type Cbor, decodeCbor, encodeCbor } from './cbor.ts'

export type Reply =
  | { readonly status: 'replied'; readonly body: Uint8Array }
  /** Done; there is nothing to say. */
  | { readonly status: 'accepted' }
  /** The owner was asked; another answer follows. */
  | { readonly status: 'pending' }
  /** `code` is a refusal code or a handler's own; `retry`: the same event may do better later. */
  | { readonly status: 'refused'; readonly code: string; readonly message: string; readonly retry: boolean }

const codePattern = /^[a-z][a-z0-9-]{0,63}$/

/** @throws Refusal `malformed` when the reply breaks a rule that `decodeReply` checks */
export function encodeReply(reply: Reply): Uint8Array {
  switch (reply.status) {
    case 'replied':
      return encodeCbor({ body: reply.body, status: 'replied' })
    case 'accepted':
    case 'pending':
      return encodeCbor({ status: reply.status })
    case 'refused':
      assertRefusal(reply.code, reply.message)
      return encodeCbor({ code: reply.code, retry: reply.retry, status: 'refused', message: reply.message })
    default:
      return unreachable(reply)
  }
}

/** @throws Refusal `malformed` for an unknown status, an unknown or missing key or a wrong type; `too-large` */
export function decodeReply(bytes: Uint8Array): Reply {
  const value = decodeCbor(bytes, { depthMax: 1, itemsMax: 11 })
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    throw malformed('must be a map')
  }
  const entries: readonly (readonly [string | number, Cbor])[] =
    value instanceof Map ? [...value] : Object.entries(value)
  const keys = entries.map(([key]) => key).join(' ')
  const fields = new Map(entries)
  const status = fields.get('status')
  if ((status === 'accepted' || status === 'pending') && keys === 'status') return { status }
  if (status === 'replied' && keys === 'body status') {
    const body = fields.get('body')
    if (!(body instanceof Uint8Array)) throw malformed('body must be bytes')
    return { status, body }
  }
  if (status !== 'refused' || keys !== 'code retry status message') throw malformed('not one of the four forms')
  const code = fields.get('code')
  const message = fields.get('message')
  const retry = fields.get('retry')
  if (typeof code !== 'string' || typeof message !== 'string') throw malformed('code and message must be text')
  if (typeof retry !== 'boolean') throw malformed('retry must be true or false')
  assertRefusal(code, message)
  return { status, code, message, retry }
}

function assertRefusal(code: string, message: string): void {
  if (!codePattern.test(code)) throw malformed('code must be lower-case words joined by -')
  if (message.length > MESSAGE_CHARS_MAX) throw malformed(`message over ${MESSAGE_CHARS_MAX} characters`)
}

function malformed(what: string): Refusal {
  return new Refusal('malformed', `reply: ${what}`)
}
