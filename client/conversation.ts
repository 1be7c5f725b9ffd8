/**
 * One sealed conversation with a vault, from the other side of it: requests that wait for their answer, events that
 * come unasked, epochs that move on.
 *
 * A request is stored before it leaves and forgotten when its final answer is there: the sender's outbox is what makes
 * a critical event durable, the broker is not (`DESIGN` §12).
 */
import { type UnknownSession, verifyUnknown } from '#host/contracts/unknown.ts'
import { exportSession, type Session } from '#host/crypto/session.ts'
import { Refusal } from '#host/errors.ts'
import type { DataEnvelope } from '#host/wire/envelope.ts'
import { decodeEvent, encodeEvent, type VineEvent } from '#host/wire/event.ts'
import { type EventId, type EventType, newEventId, parseEventType } from '#host/wire/id.ts'
import { decodeReply, type Reply } from '#host/wire/reply.ts'
import { bindOf, buildSubject, type Subject } from '#host/wire/subject.ts'

import { type Epochs, openEpochs } from './epochs.ts'
import { type Inlet, openInlet } from './inlet.ts'
import type { Lanes } from './lanes.ts'
import { outboxKey, readOutbox } from './outbox.ts'
import type { ClientStore, Surroundings, Transport } from './transport.ts'

export interface ConversationOptions extends Surroundings {
  readonly session: Session
  /** Names the conversation in the store. */
  readonly name: string
  readonly store: ClientStore
  readonly transport: Transport
  readonly lanes: Lanes
  /** How a device takes its vault's word that it does not know the session of a message. Others are never told. */
  readonly unknown?: {
    /** Raw composite verify key of the vault. */
    readonly vaultKey: Uint8Array
    /** Whether it has forgotten what this request relied on: then it is another copy, and will not answer. */
    readonly isBehind: (request: Uint8Array, anchor: UnknownSession['anchor']) => boolean
  }
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

/** Subscribes first, so that no answer is missed. */
export async function openConversation(options: ConversationOptions): Promise<Conversation> {
  const conversation = new SealedConversation(options)
  await conversation.open()
  return conversation
}

class SealedConversation implements Conversation {
  readonly #options: ConversationOptions
  readonly #epochs: Epochs
  readonly #inlet: Inlet
  readonly #waiting = new Map<EventId, Waiting>()
  readonly #listeners = new Map<string, (event: VineEvent) => void>()
  /** Sent, and not finally answered. */
  readonly #unanswered: Map<EventId, VineEvent>
  /** The ids of envelopes that requests left in. */
  readonly #sent = new Map<string, EventId>()
  #subscription: { drain(): Promise<void> } | undefined

  constructor(options: ConversationOptions) {
    const { session, store, name, transport, lanes } = options
    const rekey = lanes.outward('session.rekey')
    this.#options = options
    this.#unanswered = readOutbox(store, name)
    this.#inlet = openInlet(
      (envelope) => session.owns(envelope.cid),
      (subject, envelope) => this.#receive(subject, envelope),
      (statement) => this.#isUnknown(statement),
    )
    this.#epochs = openEpochs({
      ...options,
      bind: bindOf(rekey),
      save: () => this.#save([[`${name}/session`, exportSession(session)]]),
      publish: (message) => transport.publish(buildSubject(rekey), message, { durable: true }),
    })
  }

  async open(): Promise<void> {
    const { session, name, transport, lanes } = this.#options
    await this.#save([[`${name}/session`, exportSession(session)]])
    this.#subscription = await transport.subscribe(lanes.everything, (message) => this.#inlet.push(message))
  }

  async request(type: string, body: Uint8Array, { lifeMs }: { lifeMs: number }): Promise<Request> {
    const { now, random, contractVersion } = this.#options
    const event: VineEvent = {
      id: newEventId(random),
      type: parseEventType(type),
      ts: now(),
      exp: now() + lifeMs,
      contractVersion: contractVersion(),
      causation: null,
      body,
    }
    const wait = { answer: Promise.withResolvers<Reply>(), pending: Promise.withResolvers<void>() }
    this.#waiting.set(event.id, wait)
    this.#unanswered.set(event.id, event)
    await this.#send(event)
    return { id: event.id, answer: wait.answer.promise, pending: wait.pending.promise }
  }

  async resend(): Promise<void> {
    const now = this.#options.now()
    for (const event of this.#unanswered.values()) if (event.exp > now) await this.#send(event)
  }

  on(type: string, receive: (event: VineEvent) => void): void {
    this.#listeners.set(type, receive)
  }

  seal(event: VineEvent): { subject: string; data: Uint8Array } {
    return this.#seal(event.type, encodeEvent(event))
  }

  async close(): Promise<void> {
    await this.#subscription?.drain()
    await this.#inlet.idle()
  }

  #seal(type: EventType, encoded: Uint8Array, id?: EventId): { subject: string; data: Uint8Array } {
    const { session, lanes, random } = this.#options
    const subject = lanes.outward(type)
    const mid = random(16)
    if (id !== undefined && this.#options.unknown) this.#sent.set(mid.toHex(), id)
    const data = session.seal(encoded, { bind: bindOf(subject), lane: 0, mid })
    return { subject: buildSubject(subject), data }
  }

  async #send(event: VineEvent): Promise<void> {
    const encoded = encodeEvent(event)
    const { subject, data } = this.#seal(event.type, encoded, event.id)
    await this.#save([[outboxKey(this.#options.name, event.id), encoded]])
    await this.#options.transport.publish(subject, data, { durable: true })
    await this.#epochs.turn()
  }

  /** Where the conversation stands, with what else changed: stored before anything leaves. */
  #save(changes: Iterable<readonly [string, Uint8Array | null]> = []): Promise<void> {
    const { store, name, session } = this.#options
    return store.put(new Map([...changes, [`${name}/progress`, session.exportProgress()]]))
  }

  async #receive(subject: Subject, envelope: DataEnvelope): Promise<void> {
    const opened = this.#options.session.open(envelope, { bind: bindOf(subject) })
    if (opened.kind !== 'data') return this.#epochs.follow(envelope, opened)
    if (opened.replay) return
    opened.mark()
    const event = decodeEvent(opened.plaintext)
    if (event.type !== subject.type) throw new Refusal('misrouted', 'not the type of its lane')
    // A handler may send events of other types about the same request: the answer has the request's own type.
    const asked = event.causation === null ? undefined : this.#unanswered.get(event.causation)
    if (asked && asked.type === event.type) return this.#settle(asked.id, decodeReply(event.body))
    await this.#save()
    this.#listeners.get(event.type)?.(event)
  }

  /** The vault does not know the session: when it has forgotten more than that, nobody will answer. */
  async #isUnknown(statement: Uint8Array): Promise<void> {
    const { unknown } = this.#options
    if (!unknown) return
    const { mid, anchor } = verifyUnknown(this.#options.crypto, statement, unknown.vaultKey)
    const id = this.#sent.get(mid.toHex())
    const request = id === undefined ? undefined : this.#unanswered.get(id)
    if (!request || !unknown.isBehind(request.body, anchor)) return
    const message = 'the vault knows nothing of this session: an older or another copy is in its place'
    await this.#settle(request.id, { status: 'refused', code: 'journal-behind', message, retry: false })
  }

  async #settle(request: EventId, reply: Reply): Promise<void> {
    const waiting = this.#waiting.get(request)
    if (reply.status === 'pending') {
      await this.#save()
      waiting?.pending.resolve()
      return
    }
    this.#unanswered.delete(request)
    for (const [mid, id] of this.#sent) if (id === request) this.#sent.delete(mid)
    this.#waiting.delete(request)
    await this.#save([[outboxKey(this.#options.name, request), null]])
    waiting?.answer.resolve(reply)
  }
}
