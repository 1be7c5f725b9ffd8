/** Times with tinybench: the contenders of one ratio take turns, so that a slow minute of the machine hits them all. */
import { Bench } from 'tinybench'

/** Something that can be timed. Give `calls` when one run makes several. */
export interface Contender {
  readonly run: () => Promise<unknown>
  readonly calls?: number
  /** Measured in all rounds together. */
  readonly ms: number
}

/** Per call. */
export interface Measured {
  readonly medianUs: number
  readonly p99Us: number
  readonly perSecond: number
  readonly samples: number
}

const ROUNDS = 5
/** Of each round: caches fill and code is compiled. */
const WARM_PART = 0.3
const RUNS_MIN = 3

/** Runs everything in turns and gives each its median over all rounds. @throws what a run throws */
export async function measure<Name extends string>(
  contenders: Readonly<Record<Name, Contender>>,
): Promise<Record<Name, Measured>> {
  const names = Object.keys(contenders) as Name[]
  const samples = new Map<Name, number[]>(names.map((name) => [name, []]))
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of names) samples.get(name)?.push(...(await samplesOf(contenders[name])))
  }
  return Object.fromEntries(names.map((name) => [name, summarize(samples.get(name) ?? [])])) as Record<Name, Measured>
}

async function samplesOf({ run, calls = 1, ms }: Contender): Promise<readonly number[]> {
  const time = ms / ROUNDS
  const bench = new Bench({
    time,
    warmupTime: time * WARM_PART,
    iterations: RUNS_MIN,
    warmupIterations: 1,
    retainSamples: true,
    throws: true,
  })
  bench.add(
    'run',
    async () => {
      const start = performance.now()
      await run()
      const took = performance.now() - start
      return { overriddenDuration: took / calls, overriddenIterationCost: took }
    },
    { async: true },
  )
  const [task] = await bench.run()
  if (task?.result.state !== 'completed') throw new Error(`the bench ended as ${task?.result.state}`)
  return task.result.latency.samples ?? []
}

/** The summary of samples in milliseconds. */
function summarize(samplesMs: readonly number[]): Measured {
  const medianUs = 1_000 * quantile(samplesMs, 0.5)
  return {
    medianUs,
    p99Us: 1_000 * quantile(samplesMs, 0.99),
    perSecond: 1_000_000 / medianUs,
    samples: samplesMs.length,
  }
}

export function quantile(samples: readonly number[], part: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

/** `total` calls, `inFlight` of them at a time. */
export async function keepInFlight(
  { inFlight, total }: { inFlight: number; total: number },
  call: () => Promise<unknown>,
): Promise<void> {
  let left = total
  const lane = async (): Promise<void> => {
    while (left-- > 0) await call()
  }
  await Promise.all(Array.from({ length: inFlight }, lane))
}
