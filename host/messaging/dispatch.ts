/** The memory bus's lanes: one queue, the consumers that share it, and what comes again when it is not settled. */
import { Refusal } from '#host/errors.ts'

import type { Dice } from './chaos.ts'
import { type LaneItem, laneQueue } from './lane-queue.ts'
import type { Delivery } from './port.ts'
import type { Timer } from './timer.ts'

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
  const desk: Desk = { options, again, pump, isClosed: () => closed }

  function pump(): void {
    if (scheduled || closed) return
    scheduled = true
    queueMicrotask(run)
  }

  function put(item: LaneItem): void {
    queue.put(item)
    pump()
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
    handOver(item, member, desk)
  }

  function again(item: LaneItem, delayMs: number): void {
    if (!item.critical || closed) return
    if (delayMs > 0) timer(delayMs, () => again(item, 0))
    // Last: one that nobody answers must not stand in the way of all others.
    else put(item)
  }

  return {
    offer(item) {
      const hold = dice.holdMs()
      if (hold > 0) timer(hold, () => put(item))
      else put(item)
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

/** What a delivery needs of the dispatcher. */
interface Desk {
  readonly options: DispatchOptions
  readonly again: (item: LaneItem, delayMs: number) => void
  readonly pump: () => void
  readonly isClosed: () => boolean
}

function handOver(item: LaneItem, member: Member, desk: Desk): void {
  const { timer, ackWaitMs, onSettled } = desk.options
  let cancel: () => void
  const release = (): boolean => {
    if (!member.held.delete(giveBack)) return false
    cancel()
    if (member.leaving && member.held.size === 0) member.idle.resolve()
    desk.pump()
    return true
  }
  const giveBack = (): void => {
    if (release()) desk.again(item, 0)
  }
  const refuseWhenGone = (): void => {
    if (member.gone || desk.isClosed()) throw new Refusal('bus-unavailable', 'this consumer has left the bus')
  }
  const settle = async (): Promise<void> => {
    refuseWhenGone()
    // A late ack counts: what waits to be delivered again is passed over.
    item.settled = true
    onSettled(item.sequence)
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
      refuseWhenGone()
      if (release()) desk.again(item, delayMs)
    },
  })
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
