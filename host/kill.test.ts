/**
 * Hosts killed with SIGKILL between any two steps of a delivery, while a snapshot is written or a vault moves to a new
 * key, and while they start: what was acknowledged happened exactly once, the rest wholly or not at all.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { expect, test } from 'vitest'

import { foundAlice } from '#host/commands/demo/found.ts'
import { type Found, findEffects } from './kill-judge.fixture.ts'
import { type Lives, openLives } from './kill-lives.fixture.ts'
import { type Plan, type Step, STEPS } from './kill-steps.fixture.ts'
import { type Known, openTraffic, type Traffic } from './kill-traffic.fixture.ts'
import { handlerFiles } from './world.fixture.ts'

/** A step, or a moment that chance alone chooses: while the host starts, or while it works. */
type Moment = Step | 'start' | 'any'

const steps = Object.keys(STEPS) as Step[]
const DECK: readonly Moment[] = [...steps, 'start', 'start', 'any', 'any', 'any']
/** `npm run soak` kills a thousand times, and prints how often at which step. */
const KILLS = Number(process.env['SOAK_KILLS'] ?? DECK.length)
/** Then the vault is judged, and the next one begins with nothing. */
const KILLS_PER_VAULT = 100
/** A kill takes half a second on a core of one's own. */
const TIMEOUT_MS = 120_000 + KILLS * 20_000
/** Within these the parent kills: a process takes about as long to start, or to answer some requests. */
const START_MS = 150
const ANY_MS = 120
/** By then some delivery was at the step of a plan, on any machine. */
const REACHED_MS_MAX = 60_000
const RESEND_MS = 1_000
/** Deliveries until a kill. */
const COUNT_MAX = 30
/** Only some requests get there. */
const rare: ReadonlySet<Moment> = new Set<Step>(['suspend', 'refuse', 'obey'])

test(
  'a host killed at any step did what it acknowledged exactly once, and the rest wholly or not at all',
  async () => {
    const tally = {
      hits: new Map<Moment, number>(DECK.map((moment) => [moment, 0])),
      events: new Map<string, number>(),
    }
    const started = performance.now()
    for (let done = 0; done < KILLS;) {
      const kills = Math.min(KILLS_PER_VAULT, KILLS - done)
      const { known, found } = await killOften({ kills, roll: dice(done + 1), hits: tally.hits })
      judge(known, found)
      count(tally.events, known, found)
      done += kills
      const perSecond = (done * 1_000) / (performance.now() - started)
      say(`${done} of ${KILLS} kills, ${perSecond.toFixed(1)} a second`)
    }
    say(tableOf(tally.hits))
    say(`${KILLS} kills; ${[...tally.events].map(([what, number]) => `${number} ${what}`).join(', ')}`)
    expect([...tally.hits].filter(([, hits]) => hits === 0)).toEqual([])
  },
  TIMEOUT_MS,
)

/** One vault's life: made, asked, killed so many times, read when the last process is gone. */
async function killOften(options: {
  kills: number
  roll: () => number
  hits: Map<Moment, number>
}): Promise<{ known: Known; found: Found }> {
  const { kills, roll, hits } = options
  await using parts = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'trellis-kill-'))
  parts.defer(() => rm(folder, { recursive: true, force: true }))
  const home = join(folder, 'alice')
  const owner = await foundAlice(home)
  const lives = parts.use(await openLives(folder))
  const plan: Plan = { folder: home, handlers: [handlerFiles('counts')], step: null, count: 1, upkeep: null }

  const first = lives.start(plan)
  await first.ready
  const traffic = await openTraffic({ ...owner, transport: lives.transport })
  const done = traffic.run(roll)
  first.kill()
  await first.ended
  const deck = dealer(roll)
  for (let kill = 0; kill < kills; kill++) {
    const moment = deck()
    await Promise.race([liveUntil(moment, { lives, traffic, roll, plan }), done])
    hits.set(moment, (hits.get(moment) ?? 0) + 1)
  }
  const last = lives.start(plan)
  await last.ready
  traffic.stop()
  await heardOut(traffic, done)
  last.kill()
  await last.ended
  return { known: traffic, found: await findEffects(home, traffic.connection) }
}

/** Sends again what has no answer, as clients do, until all has one. @throws Error when something never has */
async function heardOut(traffic: Traffic, done: Promise<void>): Promise<void> {
  for (let left = REACHED_MS_MAX / RESEND_MS; left > 0; left--) {
    // What is lost of it comes with the next; a wrong answer ends `done`.
    traffic.resend().catch(() => undefined)
    const isDone = await Promise.race([done.then(() => true), delay(RESEND_MS, false, { ref: false })])
    if (isDone) return
  }
  throw new Error('something that was asked is never answered')
}

/** Resolves when the process is gone: at the step it was told, or when chance said. */
async function liveUntil(
  moment: Moment,
  { lives, traffic, roll, plan }: { lives: Lives; traffic: Traffic; roll: () => number; plan: Plan },
): Promise<void> {
  const step = moment === 'start' || moment === 'any' ? null : moment
  const what = roll() < 0.5 ? 'snapshot' : 'renewal'
  const life = lives.start({
    ...plan,
    step,
    count: rare.has(moment) ? 1 : 1 + Math.floor(roll() * COUNT_MAX),
    upkeep: roll() < 0.5 ? { what, at: 1 + Math.floor(roll() * COUNT_MAX) } : null,
  })
  if (moment === 'start') void delay(roll() * START_MS).then(() => life.kill())
  if (await life.ready) {
    void traffic.resend()
    if (moment === 'any') void delay(roll() * ANY_MS).then(() => life.kill())
  }
  const late = delay(REACHED_MS_MAX, 'late', { ref: false })
  if ((await Promise.race([life.ended, late])) === 'late') throw new Error(`no delivery came to ${moment}`)
}

/** Every acknowledged event is there once; of no event there is only a part. */
function judge(known: Known, found: Found): void {
  // State, trail and inbox agree on what was done: no event twice, none in part.
  expect(found.rows.toSorted()).toEqual([...found.done.keys()].toSorted())
  const numbers = [...found.done.values()].toSorted((a, b) => a - b)
  expect(numbers).toEqual(Array.from({ length: found.count }, (_, at) => at + 1))
  expect([...known.answers].filter(([id, answer]) => found.done.get(id) !== answer)).toEqual([])
  expect([...found.done.keys()].filter((id) => !known.answers.has(id) && !known.sentOnce.has(id))).toEqual([])
  expect(found.fields).toEqual(known.fields)
}

function count(events: Map<string, number>, { answers, sentOnce, stale }: Known, { done }: Found): void {
  const unheard = [...sentOnce].filter((id) => !answers.has(id))
  const add = (what: string, number: number) => events.set(what, (events.get(what) ?? 0) + number)
  add('events acknowledged, each there once', answers.size)
  add('not acknowledged and complete', unheard.filter((id) => done.has(id)).length)
  add('not acknowledged and absent', unheard.filter((id) => !done.has(id)).length)
  add('refused', stale.size)
}

/** A long run tells how far it is. */
function say(line: string): void {
  if (KILLS > DECK.length) console.log(line)
}

function tableOf(hits: ReadonlyMap<Moment, number>): string {
  const words: Record<Moment, string> = { ...STEPS, start: 'while it starts', any: 'at any moment' }
  return [...hits]
    .map(([moment, times]) => `${`${times}`.padStart(5)}  ${moment.padEnd(12)} ${words[moment]}`)
    .join('\n')
}

/** Every card before any of them comes again. */
function dealer(roll: () => number): () => Moment {
  let cards: Moment[] = []
  return () => {
    if (cards.length === 0) cards = [...DECK]
    const [card] = cards.splice(Math.floor(roll() * cards.length), 1)
    return card ?? 'any'
  }
}

/** mulberry32: the same plans for the same seed, as far as a machine repeats itself. */
function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
