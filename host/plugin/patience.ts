/** Waiting a moment for what an event does next: being woken for it takes several times as long. */
import { CALL_WAITS_MAX, NEXT_CALL_PAUSES } from '#host/plugin/limits.ts'

/** Of one event. */
export interface Patience {
  /** Looks for it a bounded while. False when it did not come, and at once when that was so often enough. */
  awaits(came: () => boolean): boolean
}

export function openPatience(pause: () => void = Atomics.pause): Patience {
  let vain = 0
  return {
    awaits(came) {
      if (vain >= CALL_WAITS_MAX) return false
      for (let left = NEXT_CALL_PAUSES; left > 0; left--) {
        if (came()) return true
        pause()
      }
      vain += 1
      return false
    },
  }
}
