/** Row: every module of the corpus that runs, beside a neighbour who asks for governed reads. */
import { setTimeout as pause } from 'node:timers/promises'

import { Refusal } from '#host/errors.ts'
import type { HandlerFiles } from '#host/host.ts'
import { corpus, keptBytes, keptRegistry, manifestBytes, misbehaving } from '#host/plugin/fixtures/corpus.ts'
import type { Hostile } from '#host/plugin/fixtures/text.ts'
import { createPool } from '#host/plugin/pool.ts'
import { quantile } from './measure.ts'
import { judged, type Report } from './report.ts'
import { type Asker, openScene, type Scene } from './scene.ts'

/** The neighbour's, and in a module's place the other one's: calm is beside a connection that behaves. */
const READ = 'data.request'
const TURN_MS = 400
/** Of one that looks worse than it may: the slowest hundredth of one turn is three answers. */
const MORE_TURNS = 8
/** Whoever asks without a pause is a load, whatever answers: a contract's limit of requests is for that. */
const PACE_MS = 25
const NEIGHBOURS_WORSE = 1.2
const NAMED = 6
const PASSES = 5
const GROWN = 1.2
/** Room for what some write before they are refused. */
const STORAGE_BYTES = 4 * 2 ** 20

/** A module, who asks it, and who is served beside it, in how many milliseconds each. */
interface Trial {
  readonly module: Hostile
  readonly attacker: Asker
  readonly neighbour: Asker
  readonly calm: number[]
  readonly beside: number[]
  /** Calm again: what two turns differ by in which nothing differs. */
  readonly control: number[]
}

export async function hostileCorpus(): Promise<Report> {
  const trials: Trial[] = []
  let again = 0
  await using scene = await openScene(misbehaving.map(filesOf))
  for (const module of misbehaving) {
    const trial = await openTrial(scene, module)
    trials.push(trial)
    await takeTurn(trial)
    if (ratio(trial) <= NEIGHBOURS_WORSE) continue
    again += 1
    for (let turn = 0; turn < MORE_TURNS; turn++) await takeTurn(trial)
  }
  const worst = trials.toSorted((a, b) => ratio(b) - ratio(a)).slice(0, NAMED)
  const all = (of: (trial: Trial) => number[]): number => quantile(trials.flatMap(of), 0.99)
  const grown = await growth(trials)
  const refused = await refuseOthers()
  const lines = [
    judged('neighbour, 1 in flight: p99 beside another read', { value: all(({ calm }) => calm), unit: 'ms' }),
    judged('  beside the corpus, times that', {
      value: all(({ beside }) => beside) / all(({ calm }) => calm),
      unit: '×',
      most: NEIGHBOURS_WORSE,
    }),
    judged('  the same, module by module: median', { value: quantile(trials.map(ratio), 0.5), unit: '×' }),
    judged(`    worst: ${worst[0]?.module.name}`, { value: Math.max(...trials.map(ratio)), unit: '×' }),
    judged('    worst of two that are both calm', { value: Math.max(...trials.map(chance)), unit: '×' }),
    judged(`RSS after all ran ${PASSES} times more`, { value: grown, unit: '×', most: GROWN }),
    judged(`${refused.length} that do not start: refused, slowest`, { value: Math.max(...refused), unit: 'ms' }),
  ]
  return {
    title: `The corpus: ${misbehaving.length} hostile modules in a whole host, each in its own refusal`,
    lines,
    notes: [
      `${again} were over ${NEIGHBOURS_WORSE} × in their first turn, and had ${MORE_TURNS} more.`,
      `Worst: ${worst.map((trial) => `${trial.module.name} ${ratio(trial).toFixed(2)} ×`).join(', ')}.`,
    ],
  }
}

function filesOf(module: Hostile): HandlerFiles {
  return { name: module.name, manifest: manifestBytes(module), component: keptBytes(module.name) }
}

/** Both have a connection of their own for each: a contract permits so many requests in an hour. */
async function openTrial(scene: Scene, module: Hostile): Promise<Trial> {
  const attacker = await scene.connect(module.name, [`${module.name}.run`, READ], STORAGE_BYTES)
  const neighbour = await scene.connect(`beside ${module.name}`, [READ])
  return { module, attacker, neighbour, calm: [], beside: [], control: [] }
}

async function takeTurn(trial: Trial): Promise<void> {
  await readWhile(trial, () => read(trial.attacker), trial.calm)
  await readWhile(trial, () => attack(trial), trial.beside)
  await readWhile(trial, () => read(trial.attacker), trial.control)
}

/** The neighbour reads, while the other one asks at its pace. */
async function readWhile({ neighbour }: Trial, ask: () => Promise<void>, into: number[]): Promise<void> {
  const end = performance.now() + TURN_MS
  const asking = askUntil(end, ask)
  while (performance.now() < end) {
    const start = performance.now()
    await read(neighbour)
    into.push(performance.now() - start)
  }
  await asking
}

async function askUntil(end: number, ask: () => Promise<void>): Promise<void> {
  while (performance.now() < end) await Promise.all([ask(), pause(PACE_MS)])
}

async function read(asker: Asker): Promise<void> {
  const { status } = await asker.ask(READ, { fields: ['shipping_address'] })
  if (status !== 'replied') throw new Error(`a read was ${status}`)
}

/** @throws Error when it ends otherwise than by its own refusal */
async function attack({ attacker, module: { name, code } }: Trial): Promise<void> {
  const reply = await attacker.ask(`${name}.run`, null)
  const ended = reply.status === 'refused' ? reply.code : reply.status
  if (ended !== code) throw new Error(`${name} ended as ${ended}, not as ${code}`)
}

/** How large the process is after all of them ran at once again and again, times what it was after one pass. */
async function growth(trials: readonly Trial[]): Promise<number> {
  const pass = async (): Promise<number> => {
    await Promise.all(trials.map(attack))
    return process.memoryUsage.rss()
  }
  const first = await pass()
  for (let at = 1; at < PASSES; at++) await pass()
  return (await pass()) / first
}

/** Milliseconds until each that does not load or start is refused: no vault of a host is open then. */
async function refuseOthers(): Promise<number[]> {
  const took: number[] = []
  for (const module of corpus.filter(({ at }) => at !== 'run')) {
    const start = performance.now()
    const end = await startAlone(module).catch((error: unknown) => error)
    took.push(performance.now() - start)
    if (!(end instanceof Refusal) || end.code !== module.code) throw new Error(`${module.name} was let in`)
  }
  return took
}

async function startAlone(module: Hostile): Promise<void> {
  await using _pool = await createPool({ registry: keptRegistry([module]), cells: 1, spares: 0 })
}

function ratio({ calm, beside }: Trial): number {
  return quantile(beside, 0.99) / quantile(calm, 0.99)
}

function chance({ calm, control }: Trial): number {
  return quantile(control, 0.99) / quantile(calm, 0.99)
}
