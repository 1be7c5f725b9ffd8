/**
 * `messaging.send`: a message of the owner to a peer. `messaging.receive`: one that a peer sent, kept and answered with
 * a receipt. `messaging.inbox` and `messaging.remove`: the owner reads and clears what one peer sent.
 */
import { now } from 'trellis:handler/clock@0.1.0'
import { notifyOwner, send } from 'trellis:handler/outbox@0.1.0'
import { current } from 'trellis:handler/session@0.1.0'
import type { Outcome } from 'trellis:handler/types@0.1.0'

import { parseJson, reply } from '../sdk/json.ts'
import { payloadOf, refuse } from '../sdk/refuse.ts'
import { encodeUtf8 } from '../sdk/utf8.ts'
import { keep, openInbox, page, receiptOf, remove } from './inbox.ts'
import { checkMessage, type Message } from './message.ts'

interface SendRequest {
  readonly to: string
  readonly text: string
  readonly attachments?: Message['attachments']
  /** The same id again is the same message: an app that does not know whether it was sent sends it again. */
  readonly id?: string
}

interface InboxRequest {
  readonly after?: string
  readonly limit?: number
}

const PREVIEW_CHARS = 100

export function handle(body: Uint8Array): Outcome {
  const { eventType } = current()
  const request = parseJson(body)
  if (eventType === 'messaging.send') return sendMessage(request as SendRequest)
  if (eventType === 'messaging.receive') return receive(request as Message)
  if (eventType === 'messaging.inbox') {
    const { after, limit } = request as InboxRequest
    return reply(page(openInbox(), after, limit))
  }
  const { id } = request as { readonly id: string }
  return reply({ id, removed: remove(openInbox(), id) })
}

function sendMessage({ to, text, attachments = [], id = current().eventId }: SendRequest): Outcome {
  const message: Message = { id, text, attachments, sentAt: now() }
  checkMessage(message)
  try {
    send(to, 'messaging.receive', encodeUtf8(JSON.stringify(message)))
  } catch (error) {
    const payload = payloadOf(error)
    if (payload === 'limit') return refuse('message-too-large', 'send less text or fewer attachments')
    if (payload !== 'unavailable') throw error
    return refuse('peer-unavailable', 'there is no such peer that takes messages now')
  }
  return reply({ id, sentAt: message.sentAt })
}

function receive(message: Message): Outcome {
  checkMessage(message)
  const { id, text, attachments } = message
  const inbox = openInbox()
  const earlier = receiptOf(inbox, id)
  if (earlier !== null) return reply({ id, receivedAt: earlier.receivedAt })
  const receivedAt = now()
  keep(inbox, { ...message, receivedAt })
  const { connection, connectionId } = current()
  const notice = { from: connection, connection: connectionId, id, receivedAt, attachments: attachments.length }
  const preview = text.slice(0, PREVIEW_CHARS).toWellFormed()
  notifyOwner('messaging.received', encodeUtf8(JSON.stringify({ ...notice, preview })))
  return reply({ id, receivedAt })
}
