/** Pulls both lanes, one outstanding pull per partition, and hands over at most so many messages at a time. */
import type { ConsumerMessages, JetStreamClient, JsMsg } from '@nats-io/jetstream'

import { Refusal } from '#host/errors.ts'
import { PARTITION_FETCH_AHEAD } from '#host/limits.ts'

import { partitionNames, publishedSubject, type Space } from './nats-lanes.ts'
import type { Delivery, Lanes } from './port.ts'
import { type Timers, timersOf, wallTimer } from './timer.ts'

export interface Pull {
  /** Gives back what was fetched and not handed over; resolves when the rest is settled or its time is over. */
  drain(): Promise<void>
  /** The same without waiting for the receiver: critical messages in hand are given back too. */
  leave(): Promise<void>
}

export interface PullOptions {
  readonly client: JetStreamClient
  readonly space: Space
  readonly receive: (delivery: Delivery) => void
  readonly inFlight: number
  /** After that the broker delivers again, so the place is free. */
  readonly ackWaitMs: number
  readonly warn: (line: string) => void
}

/** What the loops of one pull share. */
interface Hands {
  readonly held: Set<Held>
  readonly timers: Timers
  leaving: boolean
  /** Nothing is settled any more. */
  gone: boolean
  /** Resolves when a place may be free, or the pull ends. */
  turn: PromiseWithResolvers<void>
}

interface Held {
  /** Unless an answer is already on its way. */
  giveBack(): void
}

/** @throws Refusal `bus-unavailable` when the lanes are not provisioned */
export async function pullLanes(options: PullOptions): Promise<Pull> {
  const { client, space } = options
  const hands: Hands = {
    held: new Set(),
    timers: timersOf(wallTimer),
    leaving: false,
    gone: false,
    turn: Promise.withResolvers<void>(),
  }
  const lanes: readonly (keyof Lanes)[] = ['critical', 'bestEffort']
  const wanted = lanes.flatMap((lane) => partitionNames.map((name) => ({ lane, name })))
  const found = await Promise.all(
    wanted.map(async ({ lane, name }) => ({ lane, consumer: await client.consumers.get(space.streams[lane], name) })),
  ).catch((error: unknown) => {
    throw new Refusal('bus-unavailable', 'the lanes cannot be consumed: provision them first', { cause: error })
  })
  const streams: Stream[] = []
  for (const { lane, consumer } of found) {
    const messages = await consumer.consume({ max_messages: PARTITION_FETCH_AHEAD })
    streams.push({ lane, messages, hands, options })
    void watch(messages, options.warn)
  }
  const loops = streams.map(pump)

  function stop(): void {
    hands.leaving = true
    wake(hands)
    for (const { messages } of streams) void messages.close()
  }
  return {
    async drain() {
      stop()
      await Promise.all(loops)
      while (hands.held.size > 0) await hands.turn.promise
    },
    async leave() {
      stop()
      hands.gone = true
      for (const held of hands.held) held.giveBack()
      await Promise.all(loops)
      while (hands.held.size > 0) await hands.turn.promise
      hands.timers.cancelAll()
    },
  }
}

function wake(hands: Hands): void {
  hands.turn.resolve()
  hands.turn = Promise.withResolvers<void>()
}

interface Stream {
  readonly lane: keyof Lanes
  readonly messages: ConsumerMessages
  readonly hands: Hands
  readonly options: PullOptions
}

async function pump(stream: Stream): Promise<void> {
  const { hands, options } = stream
  for await (const message of stream.messages) {
    while (!hands.leaving && hands.held.size >= options.inFlight) await hands.turn.promise
    if (!hands.leaving) handOver(message, stream)
    else if (stream.lane === 'critical') message.nak()
  }
}

function handOver(message: JsMsg, stream: Stream): void {
  const { hands, options } = stream
  const critical = stream.lane === 'critical'
  let isSettling = false
  const held: Held = {
    giveBack() {
      if (isSettling) return
      if (critical) message.nak()
      release()
    },
  }
  const cancel = hands.timers.start(options.ackWaitMs, () => release())
  function release(): void {
    cancel()
    if (!hands.held.delete(held)) return
    wake(hands)
  }
  function refuseWhenGone(): void {
    if (hands.gone) throw new Refusal('bus-unavailable', 'this consumer has left the bus')
  }
  hands.held.add(held)
  const delivery: Delivery = {
    subject: publishedSubject(message.subject),
    data: plainBytes(message.data),
    attempt: message.info.deliveryCount,
    async ack() {
      refuseWhenGone()
      isSettling = true
      try {
        if (critical) await message.ackAck()
      } catch (error) {
        throw new Refusal('bus-unavailable', 'the broker did not take the ack: the message comes again', {
          cause: error,
        })
      } finally {
        release()
      }
    },
    async nak(delayMs = 0) {
      refuseWhenGone()
      if (critical) message.nak(delayMs)
      release()
    },
    async term() {
      refuseWhenGone()
      // Without a reason: older servers do not know `+TERM reason` and deliver for ever.
      if (critical) message.term()
      release()
    },
  }
  surfaceFaults(() => options.receive(delivery))
}

/** A fault of the receiver ends the process, as everywhere, instead of ending the client's loop in silence. */
export function surfaceFaults(run: () => void): void {
  try {
    run()
  } catch (fault) {
    queueMicrotask(() => {
      throw fault
    })
  }
}

/** The client hands out views of Node's buffers; ours are plain. */
export function plainBytes(data: Uint8Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

async function watch(messages: ConsumerMessages, warn: (line: string) => void): Promise<void> {
  for await (const status of messages.status()) {
    if (status.type === 'stream_not_found' || status.type === 'consumer_not_found') {
      warn(`nats: ${status.type.replaceAll('_', ' ')}: ${status.name}; provision the lanes again`)
    }
  }
}
