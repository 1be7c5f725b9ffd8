/**
 * Who breaks the rules again and again waits longer and longer before the next try. Ending such an event costs its
 * neighbours something each time: memory is given back, an instance is made anew. A kind is one vault, one connection
 * and one event type, so that nobody waits for another's faults.
 */
import { Refusal } from '#host/errors.ts'
import { BACKOFF_FORGET_MS, BACKOFF_MS, BACKOFF_MS_MAX, BACKOFF_WAITING_MAX, FAULTS_FREE } from '#host/plugin/limits.ts'

import { type Given, kindOf } from './job.ts'
import { nameOf } from './reads.ts'

export interface Backoff {
  /** Events that wait for the next try of their kind. */
  readonly length: number
  /** Begins an event, or keeps it until its kind may be tried again: then one at a time, until one ends well. */
  enter(given: Given): void
  /** Gives up all that wait. */
  clear(): readonly Given[]
}

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

/** What `begin` throws is how the event ends. */
export function openBackoff(begin: (given: Given) => void): Backoff {
  const kinds = new Map<string, Faulty>()

  function enter(given: Given): void {
    // Nearly always there is none, and no name to make.
    const faulty = kinds.size === 0 ? undefined : kinds.get(nameOf(kindOf(given.job)))
    if (faulty === undefined || faulty.faults < FAULTS_FREE) return start(given, faulty !== undefined)
    if (faulty.state === 'open') return attempt(faulty, given)
    if (faulty.waiting.length < BACKOFF_WAITING_MAX) faulty.waiting.push(given)
    else given.reject(new Refusal('busy', 'its handler failed too often, and others wait: send the event again later'))
  }

  function start(given: Given, isFaulty: boolean): void {
    const { job, resolve, reject } = given
    const watched: Given = {
      job,
      resolve(effects) {
        if (isFaulty) recover(job)
        resolve(effects)
      },
      reject(error) {
        fail(job, error)
        reject(error)
      },
    }
    try {
      begin(watched)
    } catch (error) {
      watched.reject(error)
    }
  }

  function attempt(faulty: Faulty, given: Given): void {
    clearTimeout(faulty.timer)
    faulty.state = 'trying'
    start(given, true)
  }

  function fail(job: Given['job'], error: unknown): void {
    const name = nameOf(kindOf(job))
    const faulty = kinds.get(name)
    if (isFault(error)) rest(faulty ?? { name, waiting: [], faults: 0, state: 'open', timer: undefined })
    else if (isNo(error)) recover(job)
    else if (faulty?.state === 'trying') goOn(faulty)
  }

  function rest(faulty: Faulty): void {
    kinds.set(faulty.name, faulty)
    const times = (faulty.faults += 1) - FAULTS_FREE
    if (times < 0) return goOn(faulty)
    clearTimeout(faulty.timer)
    faulty.state = 'resting'
    faulty.timer = setTimeout(() => goOn(faulty), Math.min(BACKOFF_MS * 2 ** times, BACKOFF_MS_MAX)).unref()
  }

  function goOn(faulty: Faulty): void {
    clearTimeout(faulty.timer)
    faulty.state = 'open'
    const next = faulty.waiting.shift()
    if (next !== undefined) return attempt(faulty, next)
    faulty.timer = setTimeout(() => kinds.delete(faulty.name), BACKOFF_FORGET_MS).unref()
  }

  function recover(job: Given['job']): void {
    const name = nameOf(kindOf(job))
    const faulty = kinds.get(name)
    if (faulty === undefined) return
    clearTimeout(faulty.timer)
    kinds.delete(name)
    for (const waiting of faulty.waiting.splice(0)) enter(waiting)
  }

  return {
    get length() {
      return kinds.values().reduce((sum, { waiting }) => sum + waiting.length, 0)
    },
    enter,
    clear() {
      const waiting = [...kinds.values()].flatMap((faulty) => faulty.waiting.splice(0))
      for (const { timer } of kinds.values()) clearTimeout(timer)
      kinds.clear()
      return waiting
    },
  }
}

/** The handler broke a rule. */
function isFault(error: unknown): boolean {
  return error instanceof Refusal && (error.code.startsWith('handler-') || error.code === 'not-granted') && !isNo(error)
}

/** It ran well, and declined. */
function isNo(error: unknown): boolean {
  return error instanceof Refusal && error.code === 'handler-refused'
}
