/** One killable thread, from the host's side. Whatever happens in it ends here as effects or as a refusal. */
import type { Worker } from 'node:worker_threads'

import { Refusal } from '#host/errors.ts'
import { CELL_START_MS_MAX, REPORT_GRACE_MS } from '#host/limits.ts'

import { cellHandler, startWorker, unfitRefusal, workerRefusal } from './cell-start.ts'
import { hostEnd, type HostEnd, newChannel } from './channel.ts'
import { effectsOf, type Event, parseReport } from './effects.ts'
import { labelGrant } from './grant.ts'
import { openDesk } from './imports.ts'
import type { Effects, OwnerAnswer, SessionContext, Sources } from './port.ts'
import { HandlerFailure } from './refusal.ts'
import type { Handler, Registered } from './registry.ts'
import type { CellJob } from './report.ts'

/** One event for one handler. */
export interface Job {
  readonly registered: Registered
  /** Whose event it is: the vault. The pool is fair between tenants. */
  readonly tenant: string
  readonly sources: Sources
  readonly context: SessionContext
  readonly body: Uint8Array
  /** The owner's answer to what the handler asked in an earlier call for this event. */
  readonly answer?: OwnerAnswer
  /** When the host took the event up, in ms since the epoch: the handler's clock. */
  readonly now: number
}

interface Running extends Event {
  readonly sequence: number
  readonly resolve: (effects: Effects) => void
  readonly reject: (error: unknown) => void
  timer: NodeJS.Timeout
}

/** Owns one thread that has, once ready, an instance of every handler. */
export class Cell implements AsyncDisposable {
  readonly ready: Promise<void>
  readonly #worker: Worker
  readonly #channel: HostEnd
  readonly #started = Promise.withResolvers<void>()
  #running: Running | undefined
  #sequence = 0
  #alive = true

  constructor(handlers: readonly Handler[]) {
    const memory = newChannel()
    this.#channel = hostEnd(memory)
    this.#worker = startWorker({ channel: memory, handlers: handlers.map(cellHandler) })
    this.ready = this.#started.promise
    const timer = setTimeout(() => this.#die(new Refusal('busy', 'a cell did not start in time')), CELL_START_MS_MAX)
    void this.ready.then(
      () => clearTimeout(timer),
      () => clearTimeout(timer),
    )
    this.#worker.on('message', (message: unknown) => this.#receive(message))
    this.#worker.on('messageerror', (cause) =>
      this.#die(new Refusal('handler-lied', 'its cell sent no message', { cause })),
    )
    this.#worker.on('error', (error) => this.#die(workerRefusal(error)))
    this.#worker.on('exit', () => this.#die(new Refusal('handler-trapped', 'its cell ended by itself')))
  }

  /** False once it was stopped: it takes no event any more. */
  get alive(): boolean {
    return this.#alive
  }

  /** Instances made, and how many of these because the one before could not be reset. */
  get counts(): { readonly created: number; readonly replaced: number } {
    return this.#channel.counts()
  }

  /**
   * Runs one event; the cell must be ready and free.
   *
   * @throws HandlerRefusal, or HandlerFailure with the code of the limit it broke; the cell may be gone then
   */
  run(job: Job): Promise<Effects> {
    if (!this.#alive || this.#running !== undefined) throw new Error('the cell is not free')
    const { registered, sources } = job
    const { deadlineMs, hostCalls } = registered.manifest.limits
    const sequence = (this.#sequence = (this.#sequence + 1) | 0)
    const { promise, resolve, reject } = Promise.withResolvers<Effects>()
    const desk = openDesk(sources, { hostCallsMax: hostCalls })
    const timer = setTimeout(() => this.#overrun(sequence), deadlineMs)
    const answered = job.answer !== undefined
    this.#running = { registered, sources, desk, answered, sequence, resolve, reject, timer }
    this.#worker.postMessage(cellJob(job, sequence))
    return promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#die(new Refusal('busy', 'the host is stopping'))
    await this.#worker.terminate()
  }

  #receive(message: unknown): void {
    if (message === 0) return this.#serve()
    const { kind, handler, why, report } = parseMessage(message)
    if (kind === 'ready') return this.#started.resolve()
    if (kind === 'unfit') return this.#die(unfitRefusal(handler, why))
    const running = this.#running
    if (running === undefined) return this.#die(new Refusal('handler-lied', 'its cell reported on no event'))
    this.#settle(running, () => effectsOf(parseReport(report, running.sequence), running))
  }

  #serve(): void {
    const running = this.#running
    // The grant is gone with its event: a cell that still asks is not ours any more.
    if (running === undefined) return this.#die(new Refusal('handler-lied', 'its cell asked outside of an event'))
    try {
      this.#channel.answer((call) => running.desk.answer(call))
    } catch (error) {
      this.#die(error instanceof RangeError ? new Refusal('handler-lied', `its cell: ${error.message}`) : error)
    }
  }

  #settle(running: Running, settle: () => Effects): void {
    clearTimeout(running.timer)
    this.#running = undefined
    try {
      running.resolve(settle())
    } catch (error) {
      running.reject(error)
    }
  }

  #overrun(sequence: number): void {
    const running = this.#running
    if (running?.sequence !== sequence || !this.#alive) return
    const { name, manifest } = running.registered
    const stop = (): void => {
      this.#die(new HandlerFailure('handler-deadline', `${name} took longer than ${manifest.limits.deadlineMs} ms`))
    }
    if (!this.#channel.finished(sequence)) return stop()
    running.timer = setTimeout(() => this.#running?.sequence === sequence && stop(), REPORT_GRACE_MS)
  }

  /** Stops the thread; the event in it, if any, ends with this error. */
  #die(error: unknown): void {
    if (!this.#alive) return
    this.#alive = false
    void this.#worker.terminate()
    this.#started.reject(error)
    const running = this.#running
    if (running === undefined) return
    this.#settle(running, () => {
      throw error
    })
  }
}

/** The parts a message may have, none of them believed. */
function parseMessage(message: unknown): { kind?: unknown; handler?: unknown; why?: unknown; report?: unknown } {
  return typeof message === 'object' && message !== null ? message : {}
}

function cellJob({ registered, sources, context, body, answer, now }: Job, sequence: number): CellJob {
  return {
    sequence,
    handler: registered.index,
    body,
    answer,
    now,
    session: { ...context, deadlineMs: registered.manifest.limits.deadlineMs },
    namespaces: [...sources.namespaces].map(labelGrant),
    fields: sources.fields,
    publicKeys: new Map([...sources.keys].map(([alias, { publicKey }]) => [alias, publicKey])),
    outbox: [...sources.outbox],
  }
}
