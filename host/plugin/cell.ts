/** One killable thread, from the host's side. Whatever happens in it ends here as effects or as a refusal. */
import type { Worker } from 'node:worker_threads'

import { Refusal } from '#host/errors.ts'
import { CELL_START_MS_MAX, REPORT_GRACE_MS } from '#host/limits.ts'
import { CALLS_IN_ONE_GO_MAX, DEADLINE_GRACE_MS, RING_SLOTS } from '#host/plugin/limits.ts'

import { cellHandler, startWorker, unfitRefusal, workerRefusal } from './cell-start.ts'
import type { Answer, Carried, KeyRead } from './calls.ts'
import { hostEnd, type HostEnd, newChannel } from './channel.ts'
import { effectsOf, type Event, parseReport } from './effects.ts'
import { frameReader } from './frame.ts'
import { openDesk } from './imports.ts'
import { cellJobOf, type Given, kindOf } from './job.ts'
import { openPatience, type Patience } from './patience.ts'
import type { Effects } from './port.ts'
import type { Reads } from './reads.ts'
import { HandlerFailure } from './refusal.ts'
import type { Handler } from './registry.ts'
import { decodeReport, encodeJob } from './ring-frames.ts'

/** Who gives a cell its events. Nothing of this throws. */
export interface CellOwner {
  /** The cell is at this event now, as far as anybody can tell. */
  began(given: Given): void
  /** It is over: `undefined` when it ended well, else why not. */
  ended(given: Given, failure: unknown): void
  /** Some have ended: it takes more. */
  changed(cell: Cell): void
  /** It ended, and what was handed to it ahead has not begun: it is to be given to another. */
  died(cell: Cell, ahead: readonly Given[]): void
}

const ASKED_TWICE = 'its cell asked while it was being answered'

interface Running extends Event {
  readonly given: Given
  readonly sequence: number
  readonly carried: readonly Carried[]
  /** Sent as a message, and alone in the cell. */
  readonly isMailed: boolean
  /** A call of it waits for its answer. */
  asks: boolean
  readonly patience: Patience
}

/** Owns one thread that has, once ready, an instance of every handler. */
export class Cell implements AsyncDisposable {
  readonly ready: Promise<void>
  readonly #worker: Worker
  readonly #channel: HostEnd
  readonly #owner: CellOwner
  readonly #reads: Reads
  readonly #started = Promise.withResolvers<void>()
  /** In the order given; the cell is at the first. */
  readonly #events: Running[] = []
  #sequence = 0
  #alive = true
  /** Something was read before the cell's word of it, which may be under way: the next one may find nothing. */
  #isAhead = false
  /** Of the first event; a cell has one deadline at a time. */
  #deadline: NodeJS.Timeout | undefined
  #deadlineMs = 0

  constructor(handlers: readonly Handler[], options: { owner: CellOwner; reads: Reads; startMs?: number | undefined }) {
    const { startMs = CELL_START_MS_MAX } = options
    this.#owner = options.owner
    this.#reads = options.reads
    const memory = newChannel()
    this.#channel = hostEnd(memory)
    this.#worker = startWorker({ channel: memory, handlers: handlers.map(cellHandler) })
    this.ready = this.#started.promise
    const timer = setTimeout(() => this.#die(new Refusal('busy', 'a cell did not start in time')), startMs)
    void this.ready.then(
      () => clearTimeout(timer),
      () => clearTimeout(timer),
    )
    this.#worker.on('message', (message: unknown) => this.#receive(message))
    this.#worker.on('messageerror', (cause) =>
      this.#die(new Refusal('handler-lied', 'its cell sent no message', { cause })),
    )
    this.#worker.on('error', (error) => this.#end(workerRefusal(error)))
    this.#worker.on('exit', () => this.#end(new Refusal('handler-trapped', 'its cell ended by itself')))
  }

  /** False once it was stopped: it takes no event any more. */
  get alive(): boolean {
    return this.#alive
  }

  /** The event it is at. */
  get first(): Given | undefined {
    return this.#events[0]?.given
  }

  /** Events given to it that have not ended. */
  get load(): number {
    return this.#events.length
  }

  /** Whether another event may be handed to it ahead, behind the one it is at. */
  get takesMore(): boolean {
    return this.#alive && this.#events.length < RING_SLOTS && this.#events[0]?.isMailed !== true
  }

  /** Instances made, and how many of these because the one before could not be reset. */
  get counts(): { readonly created: number; readonly replaced: number } {
    return this.#channel.counts()
  }

  /**
   * Gives it an event; the cell must be ready, and free or take more. The promise behind it ends with the effects, with
   * a HandlerRefusal, or with a HandlerFailure of the limit it broke; the cell may be gone then.
   *
   * @returns false when the event can only go into a free cell, and this one is not
   */
  give(given: Given): boolean {
    const isFree = this.#events.length === 0
    if (!isFree && !this.takesMore) throw new Error('the cell takes no more')
    const { job } = given
    const sequence = (this.#sequence = (this.#sequence + 1) & 0x7f_ff_ff_ff)
    const isPlain = job.sources.keys.size === 0 && job.sources.credentials.size === 0
    if (!isPlain && !isFree) return false
    const carried = this.#reads.begin(kindOf(job), job.sources)
    const cellJob = cellJobOf(job, sequence, carried)
    const isMailed = !isPlain || !this.#channel.ring.put((into) => encodeJob(cellJob, into))
    if (isMailed && !isFree) {
      this.#reads.drop(kindOf(job))
      return false
    }
    if (isMailed) this.#worker.postMessage(cellJob)
    else if (this.#channel.ring.mustWake()) this.#worker.postMessage(0)
    const { registered, sources } = job
    const desk = openDesk(sources, { hostCallsMax: registered.manifest.limits.hostCalls })
    const answered = job.answer !== undefined
    this.#events.push({
      registered,
      sources,
      desk,
      answered,
      given,
      sequence,
      carried,
      isMailed,
      asks: false,
      patience: openPatience(),
    })
    if (isFree) this.#begin()
    return true
  }

  /** Takes back the newest event that it has not begun, as if it had never been given. */
  takeBack(): Given | undefined {
    if (this.#events.length < 2 || !this.#channel.ring.takeBack()) return undefined
    const running = this.#events.pop()
    if (running === undefined) return undefined
    this.#reads.drop(kindOf(running.given.job))
    return running.given
  }

  /** Reads the reports that wait, without being told of them. */
  look(): void {
    if (!this.#alive || !this.#harvest()) return
    this.#isAhead = true
    if (this.#alive) this.#owner.changed(this)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#die(new Refusal('busy', 'the host is stopping'))
    await this.#worker.terminate()
  }

  #begin(): void {
    const running = this.#events[0]
    if (running === undefined) return
    this.#startDeadline(running.registered.manifest.limits.deadlineMs)
    this.#owner.began(running.given)
  }

  #startDeadline(ms: number): void {
    if (this.#deadline !== undefined && this.#deadlineMs === ms) {
      this.#deadline.refresh()
      return
    }
    clearTimeout(this.#deadline)
    this.#deadlineMs = ms
    // The cell ends what it can by itself, and keeps its thread.
    this.#deadline = setTimeout(() => this.#overrun(), ms + DEADLINE_GRACE_MS).unref()
  }

  #receive(message: unknown): void {
    if (!this.#alive) return
    if (message === 0) return this.#serve()
    const { kind, handler, why, report, used } = parseMessage(message)
    if (kind === 'ready') return this.#started.resolve()
    if (kind === 'unfit') return this.#die(unfitRefusal(handler, why))
    if (this.#harvest()) this.#isAhead = true
    const running = this.#events[0]
    if (running === undefined) return this.#lied('its cell reported on no event')
    if (!running.isMailed && this.#state() !== 'mailed') return this.#lied('a report was sent as a message')
    this.#settle(running, () => effectsOf(parseReport(report, running.sequence), told(running, used)))
    if (this.#harvest()) this.#isAhead = true
    if (this.#alive) this.#owner.changed(this)
  }

  /** Looks at what the cell woke the host for, and at what came meanwhile. */
  #serve(isOwn = false): void {
    let found = isOwn || this.#isAhead
    this.#isAhead = false
    for (let calls = 0; this.#alive;) {
      const settled = this.#harvest()
      const answered = this.#alive && this.#answerCall()
      if (settled && this.#alive) this.#owner.changed(this)
      // Of the last of it the cell may still have to say so: what it writes is seen before it wakes anybody.
      this.#isAhead ||= settled || answered
      found ||= settled || answered
      if (!found) return this.#lied(this.#channel.called() ? ASKED_TWICE : 'its cell woke the host for nothing')
      if (answered && (calls += 1) === CALLS_IN_ONE_GO_MAX) return void setImmediate(() => this.#serve(true))
      if (answered && this.#followsUp()) continue
      this.#channel.rest()
      if (!this.#waits() || !this.#channel.resume()) return
    }
  }

  /** Whether the event goes on with another call, or ends, at once. */
  #followsUp(): boolean {
    const running = this.#events[0]
    return running !== undefined && !running.asks && running.patience.awaits(() => this.#waits())
  }

  #waits(): boolean {
    if (!this.#alive) return false
    return this.#state() === 'done' || (this.#channel.called() && this.#events[0]?.asks !== true)
  }

  /** Whether the first event, which lies in the ring, is reported on. */
  #state(): 'open' | 'done' | 'mailed' {
    if (this.#events[0]?.isMailed !== false) return 'open'
    try {
      return this.#channel.ring.state()
    } catch (error) {
      this.#die(error instanceof RangeError ? new Refusal('handler-lied', `its cell: ${error.message}`) : error)
      return 'open'
    }
  }

  /** Ends all events whose reports lie in the ring. */
  #harvest(): boolean {
    let any = false
    while (this.#alive && this.#state() === 'done') {
      const running = this.#events[0]
      const found = this.#readReport()
      if (running === undefined || found === undefined) return any
      this.#settle(running, () => effectsOf(parseReport(found.report, running.sequence), told(running, found.used)))
      any = true
    }
    return any
  }

  #readReport(): { readonly report: unknown; readonly used: number } | undefined {
    try {
      return decodeReport(frameReader(this.#channel.ring.report()))
    } catch (error) {
      this.#die(error instanceof RangeError ? new Refusal('handler-lied', `its cell: ${error.message}`) : error)
      return undefined
    }
  }

  /** Answers the call that waits, if one does and is not being answered already. */
  #answerCall(): boolean {
    if (!this.#channel.called()) return false
    const running = this.#events[0]
    // The grant is gone with its event: a cell that still asks is not ours any more.
    if (running === undefined) this.#lied('its cell asked outside of an event')
    if (running === undefined || running.asks) return false
    try {
      const call = this.#channel.read()
      if (call.op === 'prove') void this.#answerLater(running, running.desk.prove(call))
      else this.#channel.answer(running.desk.answer(call))
      return true
    } catch (error) {
      this.#die(error instanceof RangeError ? new Refusal('handler-lied', `its cell: ${error.message}`) : error)
      return false
    }
  }

  /** The event may be over by then: of its deadline, or because its cell is not what it says. */
  async #answerLater(running: Running, pending: Promise<Answer>): Promise<void> {
    running.asks = true
    try {
      const answer = await pending
      running.asks = false
      if (this.#events[0] === running) this.#channel.answer(answer)
    } catch (error) {
      if (this.#events[0] === running) this.#die(error)
    }
  }

  #settle(running: Running, settle: () => Effects): void {
    this.#events.shift()
    if (!running.isMailed) this.#channel.ring.free()
    const { given, desk } = running
    const read = (): readonly KeyRead[] => desk.reads()
    let wrote = false
    let failure: unknown
    try {
      const effects = settle()
      wrote = effects.changes.some((change) => read().some(({ key }) => key === change.key))
      given.resolve(effects)
    } catch (error) {
      failure = error
      given.reject(error)
    }
    this.#reads.end(kindOf(given.job), read(), wrote)
    this.#owner.ended(given, failure)
    this.#begin()
  }

  #overrun(): void {
    const overdue = this.#events[0]
    this.look()
    const running = this.#events[0]
    // Another event is the first by now: its deadline has just begun.
    if (running === undefined || running !== overdue) return
    const { name, manifest } = running.registered
    const stop = (): void => {
      this.#die(new HandlerFailure('handler-deadline', `${name} took longer than ${manifest.limits.deadlineMs} ms`))
    }
    if (!this.#channel.finished(running.sequence)) return stop()
    this.#deadlineMs = REPORT_GRACE_MS
    this.#deadline = setTimeout(() => this.#events[0] === running && stop(), REPORT_GRACE_MS)
  }

  /** It ended by itself: what it reported before that stands. */
  #end(error: Refusal): void {
    this.look()
    this.#die(error)
  }

  #lied(what: string): void {
    this.#die(new Refusal('handler-lied', what))
  }

  /** Stops the thread; the event it is at ends with this error, those handed ahead go elsewhere. */
  #die(error: unknown): void {
    if (!this.#alive) return
    this.#alive = false
    void this.#worker.terminate()
    clearTimeout(this.#deadline)
    this.#started.reject(error)
    const [first, ...ahead] = this.#events.splice(0)
    for (const { given } of ahead) this.#reads.drop(kindOf(given.job))
    if (first !== undefined) {
      this.#reads.drop(kindOf(first.given.job))
      first.given.reject(error)
      this.#owner.ended(first.given, error)
    }
    this.#owner.died(
      this,
      ahead.map(({ given }) => given),
    )
  }
}

/** The parts a message may have, none of them believed. */
function parseMessage(message: unknown): {
  kind?: unknown
  handler?: unknown
  why?: unknown
  report?: unknown
  used?: unknown
} {
  return typeof message === 'object' && message !== null ? message : {}
}

/**
 * Counts what the event carried and its cell says was read. A cell that says less takes a check from its own event
 * alone: that what it writes stands on what it read, which is its own word in any case.
 */
function told(running: Running, used: unknown): Running {
  for (const [at, carried] of running.carried.entries()) {
    if (typeof used !== 'number' || (used & (1 << at)) !== 0) running.desk.carried(carried)
  }
  return running
}
