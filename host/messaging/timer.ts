/** Runs once after a delay, unless the returned function is called first. Injected, so that tests own the time. */
export type Timer = (delayMs: number, run: () => void) => () => void

export const wallTimer: Timer = (delayMs, run) => {
  const handle = setTimeout(run, delayMs)
  return () => clearTimeout(handle)
}

/** Timers that all end with their owner. */
export interface Timers {
  readonly start: Timer
  cancelAll(): void
}

export function timersOf(timer: Timer): Timers {
  const cancels = new Set<() => void>()
  return {
    start(delayMs, run) {
      const cancel = timer(delayMs, () => {
        cancels.delete(cancel)
        run()
      })
      cancels.add(cancel)
      return () => {
        cancels.delete(cancel)
        cancel()
      }
    },
    cancelAll() {
      for (const cancel of cancels) cancel()
      cancels.clear()
    },
  }
}
