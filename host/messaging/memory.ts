/**
 * The broker inside the process: what NATS does for several machines, for one, over one log.
 *
 * A critical message is durable before its publish resolves and comes again after a crash; the rest is gone with the
 * process. Bytes are handed over, not copied: nobody writes to them again.
 */
import { Refusal } from '#host/errors.ts'
import { ACK_WAIT_MS, MESSAGE_BYTES_MAX } from '#host/limits.ts'
import type { LogStore } from '#host/storage/port.ts'

import { type Chaos, diceOf } from './chaos.ts'
import { type Consumer, dispatcher, type Dispatcher } from './dispatch.ts'
import type { LaneItem } from './lane-queue.ts'
import { type MessageLog, openMessageLog } from './memory-log.ts'
import { checkSubject, covers, laneTable, type LaneTable, parsePattern } from './pattern.ts'
import type { Bus, Lanes, Message, Subscription } from './port.ts'
import { type Timer, timersOf, wallTimer } from './timer.ts'

export interface MemoryOptions {
  /** Holds the critical lane. It stays the caller's to close, after the broker. */
  readonly log: LogStore
  readonly chaos?: Chaos
  /** A delivery that is not settled by then comes again. */
  readonly ackWaitMs?: number
  readonly timer?: Timer
}

/** One client of the broker. Disposing it gives what it holds to others. */
export interface MemoryBus extends Bus {
  readonly kind: 'memory'
  /** As when the client's process is killed: what it holds goes to others at once, nothing is waited for. */
  abandon(): void
}

export interface MemoryBroker extends AsyncDisposable {
  connect(): MemoryBus
  /** As when the machine is switched off: nothing is flushed, the log is let go, every client is cut off. */
  abandon(): void
}

/** What all clients share. */
interface Shared {
  readonly log: MessageLog
  readonly lanes: Dispatcher
  readonly air: Air
  /** Lanes are not stored: whoever owns them provisions after each opening, before anybody publishes. */
  table: LaneTable | undefined
  closed: boolean
}

/**
 * Opens a broker; what an earlier one stored and nobody acknowledged is delivered again, with an attempt of at least 2.
 *
 * @throws Refusal of the log store when it cannot be read
 */
export async function memoryBroker(options: MemoryOptions): Promise<MemoryBroker> {
  const timers = timersOf(options.timer ?? wallTimer)
  const timer = timers.start
  const dice = diceOf(options.chaos)
  const log = await openMessageLog({ log: options.log, timer })
  const shared: Shared = {
    log,
    lanes: dispatcher({
      ackWaitMs: options.ackWaitMs ?? ACK_WAIT_MS,
      dice,
      timer,
      onSettled: (sequence) => log.settle(sequence),
    }),
    air: airOf((deliver) => {
      if (dice.loses()) return
      const repeats = dice.repeats() ? 2 : 1
      for (let count = 0; count < repeats; count += 1) {
        const hold = dice.holdMs()
        if (hold > 0) timer(hold, deliver)
        else queueMicrotask(deliver)
      }
    }),
    table: undefined,
    closed: false,
  }
  for (const message of log.recovered) {
    shared.lanes.offer({ ...message, critical: true, attempts: 1, settled: false })
  }
  function close(): void {
    shared.closed = true
    shared.lanes.close()
    timers.cancelAll()
  }
  return {
    connect: () => clientOf(shared),
    abandon() {
      close()
      options.log.abandon()
    },
    async [Symbol.asyncDispose]() {
      close()
      await log.flush()
    },
  }
}

function clientOf(shared: Shared): MemoryBus {
  const consumers = new Set<Consumer>()
  const unsubscribes = new Set<() => void>()
  let gone = false

  function refuseWhenGone(): void {
    if (gone || shared.closed) throw new Refusal('bus-unavailable', 'the bus is closed: connect again')
  }
  function leave(): void {
    gone = true
    for (const unsubscribe of unsubscribes) unsubscribe()
    for (const consumer of consumers) consumer.leave()
  }
  async function drainConsumer(consumer: Consumer): Promise<void> {
    await consumer.drain()
    consumer.leave()
    consumers.delete(consumer)
  }

  return {
    kind: 'memory',
    async provision(lanes: Lanes) {
      refuseWhenGone()
      shared.table = laneTable(lanes)
    },
    async publish(subject, data, options) {
      refuseWhenGone()
      await publishTo(shared, { subject, data }, options?.durable === true)
    },
    async subscribe(pattern, receive): Promise<Subscription> {
      refuseWhenGone()
      const unsubscribe = shared.air.subscribe(pattern, receive)
      unsubscribes.add(unsubscribe)
      return {
        async drain() {
          // What was sent before is on its way for one turn.
          await Promise.resolve()
          unsubscribes.delete(unsubscribe)
          unsubscribe()
        },
      }
    },
    async consume(receive, options): Promise<Subscription> {
      refuseWhenGone()
      if (!shared.table) throw new Refusal('bus-unavailable', 'no lanes to consume: provision them first')
      const consumer = shared.lanes.join(receive, options.inFlight)
      consumers.add(consumer)
      return { drain: () => drainConsumer(consumer) }
    },
    async drain() {
      await Promise.all([...consumers].map(drainConsumer))
      await Promise.resolve()
      leave()
      await shared.log.flush()
    },
    abandon: leave,
    async [Symbol.asyncDispose]() {
      leave()
      await shared.log.flush()
    },
  }
}

async function publishTo(shared: Shared, message: Message, durable: boolean): Promise<void> {
  const { subject, data } = message
  checkSubject(subject)
  if (data.length > MESSAGE_BYTES_MAX) {
    throw new Refusal('too-large', `a message of ${data.length} bytes: at most ${MESSAGE_BYTES_MAX}`)
  }
  shared.air.send(message)
  const lane = shared.table?.laneOf(subject)
  if (lane === undefined) return
  const item: LaneItem = { subject, data, critical: lane === 'critical', sequence: 0, attempts: 0, settled: false }
  if (!item.critical) {
    shared.lanes.offer(item)
    return
  }
  const stored = shared.log.store(subject, data).then((sequence) => shared.lanes.offer({ ...item, sequence }))
  if (durable) await stored
  // Nobody waits for it: like any message sent without `durable`, it may be lost.
  else stored.catch(() => {})
}

/** Ordinary messages: whoever listens now hears them. */
interface Air {
  send(message: Message): void
  subscribe(pattern: string, receive: (message: Message) => void): () => void
}

/** `carry` calls each delivery when, as often and if it likes. */
function airOf(carry: (deliver: () => void) => void): Air {
  interface Listener {
    readonly pattern: readonly string[]
    readonly receive: (message: Message) => void
  }
  const listeners = new Set<Listener>()
  return {
    send(message) {
      if (listeners.size === 0) return
      const tokens = message.subject.split('.')
      for (const listener of listeners) {
        if (!covers(listener.pattern, tokens)) continue
        carry(() => {
          if (listeners.has(listener)) listener.receive(message)
        })
      }
    },
    subscribe(pattern, receive) {
      const listener: Listener = { pattern: parsePattern(pattern), receive }
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
