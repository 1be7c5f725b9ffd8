/** Row 3: `data.request` from a sealed request to its opened answer: contract, handler, fdatasync and audit row. */
import type { Trace } from '#host/watch.ts'
import { keepInFlight, measure, quantile } from './measure.ts'
import { judged, type Line, type Report } from './report.ts'
import { openScene } from './scene.ts'

const IN_FLIGHT = 64
const WINDOW = 512
const MS = 8_000
const ADDRESS = { fields: ['shipping_address'] }

export async function governedRead(): Promise<Report> {
  await using scene = await openScene()
  const acme = await scene.connect('Acme Retail', ['data.request'])
  const ask = async (): Promise<void> => {
    const { status } = await acme.ask('data.request', ADDRESS)
    if (status !== 'replied') throw new Error(`a request was ${status}`)
  }
  const steps = { alone: stepsOf(), busy: stepsOf() }
  const { alone, busy } = await measure({
    alone: {
      run() {
        scene.watch(steps.alone.note)
        return ask()
      },
      ms: MS / 2,
    },
    busy: {
      run() {
        scene.watch(steps.busy.note)
        return keepInFlight({ inFlight: IN_FLIGHT, total: WINDOW }, ask)
      },
      calls: WINDOW,
      ms: MS,
    },
  })
  return {
    title: '3  Governed read: whole host, memory bus, fdatasync, client in the same process',
    lines: [
      judged(`${IN_FLIGHT} in flight`, { value: busy.perSecond, unit: 'events/s', least: 3_000 }),
      judged('1 in flight: p50', { value: alone.medianUs / 1_000, unit: 'ms', most: 1.5 }),
      judged('1 in flight: p99', { value: alone.p99Us / 1_000, unit: 'ms' }),
      ...steps.alone.lines(),
    ],
    notes: [`at ${IN_FLIGHT} in flight, each step with its waiting: ${steps.busy.words()}`],
  }
}

interface Steps {
  note(trace: Trace): void
  /** The median of each step, and of all of them. */
  lines(): Line[]
  words(): string
}

/** What the host itself told of each delivery. */
function stepsOf(): Steps {
  const samples = new Map<string, number[]>()
  const add = (name: string, us: number): void => {
    const known = samples.get(name)
    if (known) known.push(us)
    else samples.set(name, [us])
  }
  const medians = () => [...samples].map(([name, us]) => ({ name, us: quantile(us, 0.5) }))
  return {
    note({ subject, steps }) {
      if (!subject.endsWith('.data.request')) return
      for (const { name, us } of steps) add(name, us)
      add('in all', steps.reduce((sum, { us }) => sum + us, 0))
    },
    lines: () => medians().map(({ name, us }) => judged(`  host: ${name}`, { value: us, unit: 'µs' })),
    words: () =>
      medians()
        .map(({ name, us }) => `${name} ${Math.round(us).toLocaleString('en-US')} µs`)
        .join(', '),
  }
}
