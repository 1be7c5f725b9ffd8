/** What a delivery looked like from outside: its steps, their microseconds, its end. Holds nothing of the event. */
import type { RefusalCode } from './errors.ts'

/** One delivered message, told when it is over. */
export interface Trace {
  readonly subject: string
  readonly steps: readonly { readonly name: string; readonly us: number }[]
  /** `done`, or the refusal's code. */
  readonly outcome: 'done' | RefusalCode
}

/** The stopwatch of one delivery. */
export interface Watch {
  /** Ends a step: the time since the step before is its own. */
  step(name: string): void
  /** A step of its own for work that succeeds. */
  timed<T>(name: string, work: Promise<T>): Promise<T>
  refused(code: RefusalCode): void
  end(): void
}

/** `monotonic` gives milliseconds with a fraction; `reached` is told of each step as it ends. */
export function startWatch(
  subject: string,
  options: { monotonic: () => number; tell: (trace: Trace) => void; reached?: ((step: string) => void) | undefined },
): Watch {
  const { monotonic, tell, reached } = options
  const steps: { name: string; us: number }[] = []
  let outcome: Trace['outcome'] = 'done'
  let last = monotonic()
  function step(name: string): void {
    const now = monotonic()
    steps.push({ name, us: (now - last) * 1_000 })
    last = now
    reached?.(name)
  }
  return {
    step,
    async timed(name, work) {
      const result = await work
      step(name)
      return result
    },
    refused(code) {
      outcome = code
    },
    end() {
      tell({ subject, steps, outcome })
    },
  }
}
