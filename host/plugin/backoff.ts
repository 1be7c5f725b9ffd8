/**
 * Who breaks the rules again and again waits longer and longer before the next try. Ending such an event costs its
 * neighbours something each time: memory is given back, an instance is made anew. A kind is one vault, one connection
 * and one event type, so that nobody waits for another's faults.
 */
import { Refusal } from '#host/errors.ts'
import { BACKOFF_FORGET_MS, BACKOFF_MS, BACKOFF_MS_MAX, BACKOFF_WAITING_MAX, FAULTS_FREE } from '#host/plugin/limits.ts'

import { type Given, type Job, kindOf } from './job.ts'
import { nameOf } from './reads.ts'

/** A kind whose last event was at fault. */
interface Faulty {
  readonly name: string
  readonly waiting: Given[]
  /** In a row. */
  faults: number
  /** `open`: the next event is the next try. */
  state: 'open' | 'resting' | 'trying'
  /** Until the rest is over, or until all this is forgotten. */
  timer: NodeJS.Timeout | undefined
}

/** Stands before whatever begins events. */
export class Backoff {
  readonly #begin: (given: Given) => void
  readonly #kinds = new Map<string, Faulty>()

  /** Of each event that `begin` is given it is told how it `ended`. */
  constructor(begin: (given: Given) => void) {
    this.#begin = begin
  }

  /** Events that wait for the next try of their kind. */
  get length(): number {
    return this.#kinds.values().reduce((sum, { waiting }) => sum + waiting.length, 0)
  }

  /** Begins an event, or keeps it until its kind may be tried again: then one at a time, until one ends well. */
  enter(given: Given): void {
    // Nearly always there is none, and no name to make.
    const faulty = this.#kinds.size === 0 ? undefined : this.#faulty(given.job)
    if (faulty === undefined || faulty.faults < FAULTS_FREE) return this.#begin(given)
    if (faulty.state === 'open') return this.#attempt(faulty, given)
    if (faulty.waiting.length < BACKOFF_WAITING_MAX) faulty.waiting.push(given)
    else given.reject(new Refusal('busy', 'its handler failed too often, and others wait: send the event again later'))
  }

  /** An event that was begun is over, or was not begun after all: `undefined` when it ended well, else why not. */
  ended(job: Job, failure: unknown): void {
    if (failure === undefined && this.#kinds.size === 0) return
    const faulty = this.#faulty(job)
    if (isFault(failure)) this.#rest(faulty ?? newFaulty(nameOf(kindOf(job))))
    else if (faulty === undefined) return
    else if (failure === undefined || isNo(failure)) this.#recover(faulty)
    else if (faulty.state === 'trying') this.#goOn(faulty)
  }

  /** Gives up all that wait. */
  clear(): readonly Given[] {
    const faulty = [...this.#kinds.values()]
    for (const { timer } of faulty) clearTimeout(timer)
    this.#kinds.clear()
    return faulty.flatMap(({ waiting }) => waiting.splice(0))
  }

  #faulty(job: Job): Faulty | undefined {
    return this.#kinds.get(nameOf(kindOf(job)))
  }

  #attempt(faulty: Faulty, given: Given): void {
    clearTimeout(faulty.timer)
    faulty.state = 'trying'
    this.#begin(given)
  }

  #rest(faulty: Faulty): void {
    this.#kinds.set(faulty.name, faulty)
    const times = (faulty.faults += 1) - FAULTS_FREE
    if (times < 0) return this.#goOn(faulty)
    clearTimeout(faulty.timer)
    faulty.state = 'resting'
    faulty.timer = setTimeout(() => this.#goOn(faulty), Math.min(BACKOFF_MS * 2 ** times, BACKOFF_MS_MAX)).unref()
  }

  #goOn(faulty: Faulty): void {
    clearTimeout(faulty.timer)
    faulty.state = 'open'
    const next = faulty.waiting.shift()
    if (next !== undefined) return this.#attempt(faulty, next)
    faulty.timer = setTimeout(() => this.#kinds.delete(faulty.name), BACKOFF_FORGET_MS).unref()
  }

  #recover(faulty: Faulty): void {
    clearTimeout(faulty.timer)
    this.#kinds.delete(faulty.name)
    for (const given of faulty.waiting.splice(0)) this.enter(given)
  }
}

function newFaulty(name: string): Faulty {
  return { name, waiting: [], faults: 0, state: 'open', timer: undefined }
}

/** The handler broke a rule. */
function isFault(error: unknown): boolean {
  return error instanceof Refusal && (error.code.startsWith('handler-') || error.code === 'not-granted') && !isNo(error)
}

/** The handler ran well, and declined. */
export function isNo(error: unknown): boolean {
  return error instanceof Refusal && error.code === 'handler-refused'
}
