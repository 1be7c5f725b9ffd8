/**
 * One sealed conversation with a vault, from the other side of it: requests that wait for their answer, events that come
 * unasked, epochs that move on.
 *
 * A request is stored before it leaves and forgotten when its final answer is there: the sender's outbox is what makes
 * a critical event durable, the broker is not (`DESIGN` §12).
 */
import { answerRekey, finishRekey, offerRekey, rekeyDue, settleRekey } from '#host/crypto/rekey.ts'
import { exportSession, type Session } from '#host/crypto/session.ts'
import { Refusal } from '#host/errors.ts'
import type { DataEnvelope } from '#host/wire/envelope.ts'
import { decodeEvent, encodeEvent, type VineEvent } from '#host/wire/event.ts'
import { type EventId, type EventType, newEventId, parseEventType } from '#host/wire/id.ts'
import { decodeReply, type Reply } from '#host/wire/reply.ts'
import { bindOf, buildSubject, type Subject } from '#host/wire/subject.ts'
import { openLane } from './lane.ts'
import { outboxKey, readOutbox, writeOutbox } from './outbox.ts'
import type { ClientStore, Surroundings, Transport } from './transport.ts'

export interface ConversationOptions extends Surroundings {
  readonly session: Session
  /** Names the conversation in the store. */
  readonly name: string
  readonly store: ClientStore
  readonly transport: Transport
  /** The subject an event of this type is sent on. */
  readonly outward: (type: EventType) => Subject
  /** Matches everything the vault sends back. */
  readonly inward: string
  /** The contract version that requests are made under. */
  readonly contractVersion: () => number
}

export interface Request {
  readonly id: EventId
  /** The answer that is final; `pending` came before, if it came. */
  readonly answer: Promise<Reply>
  /** Resolves when the vault said that the owner was asked. */
  readonly pending: Promise<void>
}

export interface Conversation {
  /** Seals and sends one event. */
  request(type: string, body: Uint8Array, options: { lifeMs: number }): Promise<Request>
  /** Sends every request again that has no final answer: after a restart, or when the vault was away. */
  resend(): Promise<void>
  /** Told of events that answer nothing: notices, contract changes. */
  on(type: string, receive: (event: VineEvent) => void): void
  /** Seals an event without sending it. For those who must see bytes: tests, and the demo's wrong turns. */
  seal(event: VineEvent): { subject: string; data: Uint8Array }
  close(): Promise<void>
}

interface Waiting {
  readonly answer: PromiseWithResolvers<Reply>
  readonly pending: PromiseWithResolvers<void>
}

const REKEY = parseEventType('session.rekey')

/** Subscribes first, so that no answer is missed. */
export async function openConversation(options: ConversationOptions): Promise<Conversation> {
  const { session, name, store, transport, outward, now, random } = options
  const waiting = new Map<EventId, Waiting>()
  const listeners = new Map<string, (event: VineEvent) => void>()
  const unanswered = readOutbox(store, name)

  function seal(event: VineEvent): { subject: string; data: Uint8Array } {
    const subject = outward(event.type)
    const data = session.seal(encodeEvent(event), { bind: bindOf(subject), lane: 0, mid: random(16) })
    return { subject: buildSubject(subject), data }
  }

  /** Where the conversation stands, with what else changed: stored before anything leaves. */
  function save(changes: Iterable<readonly [string, Uint8Array | null]> = []): Promise<void> {
    return store.put(new Map([...changes, [`${name}/progress`, session.exportProgress()]]))
  }

  async function send(event: VineEvent): Promise<void> {
    const { subject, data } = seal(event)
    await save([[outboxKey(name), writeOutbox(unanswered)]])
    await transport.publish(subject, data, { durable: true })
    await turnEpoch()
  }

  async function turnEpoch(): Promise<void> {
    settleRekey(session, now())
    if (!rekeyDue(session, now())) return
    const offer = offerRekey(session, { bind: bindOf(outward(REKEY)), mid: random(16), now: now() })
    await save([[`${name}/session`, exportSession(session)]])
    if (offer) await transport.publish(buildSubject(outward(REKEY)), offer, { durable: true })
  }

  async function receive(subject: Subject, envelope: DataEnvelope): Promise<void> {
    const opened = session.open(envelope, { bind: bindOf(subject) })
    if (opened.kind === 'rekey-offer') {
      const answer = answerRekey(
        session,
        { envelope, opened },
        { bind: bindOf(outward(REKEY)), mid: random(16), now: now() },
      )
      await save([[`${name}/session`, exportSession(session)]])
      if (answer) await transport.publish(buildSubject(outward(REKEY)), answer, { durable: true })
      return
    }
    if (opened.kind === 'rekey-answer') {
      finishRekey(session, { envelope, opened }, now())
      return save([[`${name}/session`, exportSession(session)]])
    }
    if (opened.replay) return
    opened.mark()
    const event = decodeEvent(opened.plaintext)
    if (event.type !== subject.type) throw new Refusal('misrouted', 'not the type of its lane')
    await take(event)
  }

  async function take(event: VineEvent): Promise<void> {
    const asked = event.causation === null ? undefined : waiting.get(event.causation)
    if (event.causation === null || !unanswered.has(event.causation)) {
      await save()
      listeners.get(event.type)?.(event)
      return
    }
    const reply = decodeReply(event.body)
    if (reply.status === 'pending') {
      await save()
      asked?.pending.resolve()
      return
    }
    unanswered.delete(event.causation)
    waiting.delete(event.causation)
    await save([[outboxKey(name), writeOutbox(unanswered)]])
    asked?.answer.resolve(reply)
  }

  await save([[`${name}/session`, exportSession(session)]])
  const lane = openLane((envelope) => session.owns(envelope.cid), receive)
  const subscription = await transport.subscribe(options.inward, lane.push)

  return {
    async request(type, body, { lifeMs }) {
      const event: VineEvent = {
        id: newEventId(random),
        type: parseEventType(type),
        ts: now(),
        exp: now() + lifeMs,
        contractVersion: options.contractVersion(),
        causation: null,
        body,
      }
      const wait = { answer: Promise.withResolvers<Reply>(), pending: Promise.withResolvers<void>() }
      waiting.set(event.id, wait)
      unanswered.set(event.id, event)
      await send(event)
      return { id: event.id, answer: wait.answer.promise, pending: wait.pending.promise }
    },
    async resend() {
      for (const event of unanswered.values()) if (event.exp > now()) await send(event)
    },
    on: (type, listener) => void listeners.set(type, listener),
    seal,
    async close() {
      await subscription.drain()
      await lane.idle()
    },
  }
}
