/** Row 4: a handler that never ends is stopped in time, and whoever is served beside it does not feel it. */
import type { HandlerFiles } from '#host/host.ts'
import { keptBytes } from '#host/plugin/fixtures/corpus.ts'
import { manifestText } from '#host/plugin/fixtures/stage.ts'
import { FAULTS_FREE, HANDLER_FUEL_MAX } from '#host/plugin/limits.ts'
import { keepInFlight, quantile } from './measure.ts'
import { judged, type Report } from './report.ts'
import { type Asker, openScene, type Scene } from './scene.ts'

const STOPS = 5
const TURNS = 12
const TURN_MS = 1_500
// Well before the most fuel a manifest may ask for is spent: the deadline is what stops it.
const DEADLINE_MS = 400
/** Enough for all stops and for a loop after the other in each turn, none of them from a connection that rests. */
const LOOPERS = Math.ceil((STOPS + TURNS * Math.ceil(TURN_MS / DEADLINE_MS)) / FAULTS_FREE)
const SLACK_MS = 25
const NEIGHBOURS_WORSE = 1.2

/** It may run as long as any handler may, but for its deadline. */
const loops: HandlerFiles = {
  name: 'loops',
  manifest: manifestText({ name: 'loops', limits: { deadline_ms: DEADLINE_MS, fuel: HANDLER_FUEL_MAX } }),
  component: keptBytes('loops'),
}

export async function runawayHandler(): Promise<Report> {
  await using scene = await openScene([loops])
  const looper = await freshLoopers(scene)
  const acme = await scene.connect('Acme Retail', ['data.request'])
  const late: number[] = []
  await keepInFlight({ inFlight: 1, total: STOPS }, async () => late.push(await lateness(looper())))
  const { calm, beside } = await neighbours(acme, looper)
  const p99 = { calm: quantile(calm, 0.99), beside: quantile(beside, 0.99) }
  const p50 = { calm: quantile(calm, 0.5), beside: quantile(beside, 0.5) }
  return {
    title: '4  A runaway handler is stopped, whole host',
    lines: [
      judged('deadline to refusal, median', { value: quantile(late, 0.5), unit: 'ms', most: SLACK_MS }),
      judged('deadline to refusal, worst', { value: Math.max(...late), unit: 'ms' }),
      judged('neighbour, 1 in flight: p50 alone', { value: p50.calm, unit: 'ms' }),
      judged('neighbour, 1 in flight: p50 beside a loop', { value: p50.beside, unit: 'ms' }),
      judged('neighbour, 1 in flight: p99 alone', { value: p99.calm, unit: 'ms' }),
      judged('neighbour, 1 in flight: p99 beside a loop', { value: p99.beside, unit: 'ms' }),
      judged('  times the p99 alone', { value: p99.beside / p99.calm, unit: '×', most: NEIGHBOURS_WORSE }),
    ],
  }
}

/** Gives a connection whose next loop is begun at once: one that failed too often would wait. */
async function freshLoopers(scene: Scene): Promise<() => Asker> {
  const loopers: Asker[] = []
  for (let at = 0; at < LOOPERS; at++) loopers.push(await scene.connect(`Loop Traders ${at}`, ['loops.run']))
  let loops = 0
  return () => {
    const looper = loopers[Math.floor(loops++ / FAULTS_FREE)]
    if (looper === undefined) throw new Error('more loops than were planned')
    return looper
  }
}

/** Milliseconds from the deadline to the refusal, opened by who asked. */
async function lateness(looper: Asker): Promise<number> {
  const start = performance.now()
  const reply = await looper.ask('loops.run', null)
  if (reply.status !== 'refused' || reply.code !== 'handler-deadline') throw new Error(`a loop was ${reply.status}`)
  return performance.now() - start - DEADLINE_MS
}

/** Latencies of reads in turns: with nobody beside them, and with one cell looping all the time. */
async function neighbours(acme: Asker, looper: () => Asker): Promise<{ calm: number[]; beside: number[] }> {
  const calm: number[] = []
  const beside: number[] = []
  for (let round = 0; round < TURNS; round++) {
    await readFor(acme, calm)
    const turn = new AbortController()
    const loops = loopUntil(turn.signal, looper)
    await readFor(acme, beside)
    turn.abort()
    await loops
  }
  return { calm, beside }
}

async function loopUntil(over: AbortSignal, looper: () => Asker): Promise<void> {
  while (!over.aborted) await lateness(looper())
}

async function readFor(acme: Asker, into: number[]): Promise<void> {
  const end = performance.now() + TURN_MS
  while (performance.now() < end) {
    const start = performance.now()
    await acme.ask('data.request', { fields: ['shipping_address'] })
    into.push(performance.now() - start)
  }
}
