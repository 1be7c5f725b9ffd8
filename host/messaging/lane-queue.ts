/** What waits to be delivered on the memory bus. */
import { BEST_EFFORT_AGE_MS_MAX, BEST_EFFORT_LANE_BYTES_MAX } from '#host/limits.ts'

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

export interface LaneQueue {
  put(item: LaneItem): void
  /** The next message that is still wanted. */
  take(): LaneItem | undefined
}

/** First in, first out. Best-effort messages are dropped by age and by bytes. */
export function laneQueue(timer: Timer): LaneQueue {
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
