/**
 * How long an event may go on, and how fast: past its deadline it ends, and one that runs long makes way for others. A
 * loop takes a whole core otherwise, and whoever is served beside it feels that in their slowest answers.
 */
import { LONG_EVENT_MS, STEP_ASIDE_MS, STEP_MS_MIN } from '#host/plugin/limits.ts'

/** Of one handler in one cell. */
export interface Pace {
  /** From now on its deadline counts. */
  readonly begin: () => void
  /** Asked again and again while it runs: whether the event has had its time. Before that it may rest a moment. */
  readonly isLate: () => boolean
}

interface PaceOptions {
  readonly deadlineMs: number
  /** Milliseconds with a fraction. */
  readonly monotonic: () => number
  /** Blocks the thread. */
  readonly rest: (ms: number) => void
}

export function openPace({ deadlineMs, monotonic, rest }: PaceOptions): Pace {
  let startedMs = 0
  let restedMs = 0
  return {
    begin() {
      startedMs = restedMs = monotonic()
    },
    isLate() {
      const nowMs = monotonic()
      const leftMs = startedMs + deadlineMs - nowMs
      if (leftMs < 0) return true
      if (nowMs - startedMs <= LONG_EVENT_MS || nowMs - restedMs < STEP_MS_MIN) return false
      rest(Math.min(STEP_ASIDE_MS, leftMs))
      restedMs = monotonic()
      return false
    },
  }
}

/** A thread that waits for nothing. */
export function restThread(): (ms: number) => void {
  const never = new Int32Array(new SharedArrayBuffer(4))
  return (ms) => void Atomics.wait(never, 0, 0, ms)
}
