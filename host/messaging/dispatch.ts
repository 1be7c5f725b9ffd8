/** The memory bus's lanes: one queue, the consumers that share it, and what comes again when it is not settled. */
import { Refusal } from '#host/errors.ts'
import { BEST_EFFORT_AGE_MS_MAX, BEST_EFFORT_LANE_BYTES_MAX } from '#host/limits.ts'

import type { Dice } from './chaos.ts'
import type { Delivery } from './port.ts'
import type { Timer } from './timer.ts'

/** Taken places at the head of the queue before it is moved up: one copy per so many messages. */
const QUEUE_HEAD_MAX = 1_024

/** One message of a lane. A critical one is offered until it is settled, another at most once. */
export interface LaneItem {
  readonly subject: string
  readonly data: Uint8Array
  readonly critical: boolean
  /** Of a stored message; 0 for others. */
  readonly sequence: number
  attempts: number
  settled: boolean
}

/** One consumer. */
export interface Consumer {
  /** No new deliveries; resolves when those in hand are settled or their time is over. */
  drain(): Promise<void>
  /** As when its process ends: what it holds goes to others at once. */
  leave(): void
}

export interface Dispatcher {
  offer(item: LaneItem): void
  join(receive: (delivery: Delivery) => void, inFlight: number): Consumer
  /** Nothing is delivered any more. */
  close(): void
}

export interface DispatchOptions {
  readonly ackWaitMs: number
  readonly dice: Dice
  readonly timer: Timer
  /** A stored message is done with, for good. */
  readonly onSettled: (sequence: number) => void
}

interface Member {
  readonly receive: (delivery: Delivery) => void
  readonly inFlight: number
  /** What it holds: each entry gives its message back. */
  readonly held: Set<() => void>
  readonly idle: PromiseWithResolvers<void>
  leaving: boolean
  gone: boolean
}

export function dispatcher(options: DispatchOptions): Dispatcher {
  const { ackWaitMs, dice, timer } = options
  const queue = laneQueue(timer)
  let members: Member[] = []
  let scheduled = false
  let closed = false

  function pump(): void {
    if (scheduled || closed) return
    scheduled = true
    queueMicrotask(run)
  }

  function run(): void {
    scheduled = false
    for (;;) {
      const member = members.find((candidate) => !candidate.leaving && candidate.held.size < candidate.inFlight)
      const item = member && queue.take()
      if (!item) break
      // The next one gets the next message: hosts share a lane evenly.
      if (members.length > 1) members = [...members.filter((other) => other !== member), member]
      deliver(item, member)
    }
  }

  function deliver(item: LaneItem, member: Member): void {
    item.attempts += 1
    // Its twin is not settled with it, as when an ack is lost; a twin has none.
    if (item.attempts === 1 && dice.repeats()) queue.put({ ...item })
    if (dice.loses()) {
      again(item, ackWaitMs)
      return
    }
    handOver(item, member)
  }

  function handOver(item: LaneItem, member: Member): void {
    let cancel: () => void
    const release = (): boolean => {
      if (!member.held.delete(giveBack)) return false
      cancel()
      if (member.leaving && member.held.size === 0) member.idle.resolve()
      pump()
      return true
    }
    const giveBack = (): void => {
      if (release()) again(item, 0)
    }
    const settle = async (): Promise<void> => {
      refuseWhenGone(member)
      // A late ack counts: the copy that waits to be delivered again is dropped.
      item.settled = true
      options.onSettled(item.sequence)
      release()
    }
    cancel = timer(ackWaitMs, giveBack)
    member.held.add(giveBack)
    member.receive({
      subject: item.subject,
      data: item.data,
      attempt: item.attempts,
      ack: settle,
      term: settle,
      async nak(delayMs = 0) {
        refuseWhenGone(member)
        if (release()) again(item, delayMs)
      },
    })
  }

  function refuseWhenGone(member: Member): void {
    if (member.gone || closed) throw new Refusal('bus-unavailable', 'this consumer has left the bus')
  }

  function again(item: LaneItem, delayMs: number): void {
    if (!item.critical || item.settled || closed) return
    if (delayMs > 0) timer(delayMs, () => again(item, 0))
    else {
      // Last: one that nobody answers must not stand in the way of all others.
      queue.put(item)
      pump()
    }
  }

  return {
    offer(item) {
      const hold = dice.holdMs()
      const put = (): void => {
        queue.put(item)
        pump()
      }
      if (hold > 0) timer(hold, put)
      else put()
    },
    join(receive, inFlight) {
      const idle = Promise.withResolvers<void>()
      const member: Member = { receive, inFlight, held: new Set(), idle, leaving: false, gone: false }
      members.push(member)
      pump()
      return consumerOf(member, () => {
        members = members.filter((other) => other !== member)
      })
    },
    close() {
      closed = true
      for (const member of members) member.idle.resolve()
    },
  }
}

function consumerOf(member: Member, remove: () => void): Consumer {
  return {
    drain() {
      member.leaving = true
      if (member.held.size === 0) member.idle.resolve()
      return member.idle.promise
    },
    leave() {
      member.leaving = true
      member.gone = true
      remove()
      for (const giveBack of member.held) giveBack()
      member.idle.resolve()
    },
  }
}

interface LaneQueue {
  put(item: LaneItem): void
  /** The next message that is still wanted. */
  take(): LaneItem | undefined
}

/** First in, first out; what comes again goes first. Best-effort messages are dropped by age and by bytes. */
function laneQueue(timer: Timer): LaneQueue {
  let waiting: LaneItem[] = []
  let head = 0
  let bytes = 0
  const expiries = new Map<LaneItem, () => void>()

  function forget(item: LaneItem): void {
    expiries.get(item)?.()
    if (expiries.delete(item)) bytes -= item.data.length
  }
  function drop(item: LaneItem): void {
    forget(item)
    item.settled = true
  }
  function next(): LaneItem | undefined {
    const item = waiting[head]
    head += 1
    if (head >= waiting.length || head >= QUEUE_HEAD_MAX) {
      waiting = waiting.slice(head)
      head = 0
    }
    return item
  }

  return {
    put(item) {
      waiting.push(item)
      if (item.critical) return
      bytes += item.data.length
      expiries.set(
        item,
        timer(BEST_EFFORT_AGE_MS_MAX, () => drop(item)),
      )
      for (const oldest of expiries.keys()) {
        if (bytes <= BEST_EFFORT_LANE_BYTES_MAX) break
        drop(oldest)
      }
    },
    take() {
      for (;;) {
        const item = next()
        if (!item) return undefined
        forget(item)
        if (!item.settled) return item
      }
    },
  }
}
