/** Time that stands still until told: timers run in their order. */
import type { Timer } from './timer.ts'

export interface TestClock {
  readonly timer: Timer
  /** Lets time pass; everything that is due runs, with the turns that it needs. */
  pass(ms: number): Promise<void>
  /** Timers that wait. */
  waiting(): number
}

/** Turns of the event loop after which a test calls everything settled. */
const TURNS = 20

export function testClock(): TestClock {
  let now = 0
  const due = new Set<{ readonly at: number; readonly run: () => void }>()
  return {
    timer(delayMs, run) {
      const entry = { at: now + delayMs, run }
      due.add(entry)
      return () => void due.delete(entry)
    },
    waiting: () => due.size,
    async pass(ms) {
      const end = now + ms
      for (;;) {
        await settled()
        const next = [...due].filter((entry) => entry.at <= end).toSorted((a, b) => a.at - b.at)[0]
        if (!next) break
        now = next.at
        due.delete(next)
        next.run()
      }
      now = end
      await settled()
    },
  }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn += 1) {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
}
