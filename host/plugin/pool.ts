/** The cells of a host: so many events at a time, a bounded queue behind them, and warm spares for those that die. */
import { Refusal } from '#host/errors.ts'
import { CELL_RETRY_MS } from '#host/limits.ts'

import { Cell, type Job } from './cell.ts'
import { openLanes } from './lanes.ts'
import type { Effects } from './port.ts'
import type { Registry } from './registry.ts'

export interface PoolOptions {
  readonly registry: Registry
  /** Events handled at the same time. */
  readonly cells: number
  /**
   * Ready cells beyond that, to take the place of one that was stopped. While one tenant holds all `cells`, another's
   * event runs in a spare: nobody waits for the end of somebody else's loop.
   */
  readonly spares: number
}

export interface PoolStats {
  /** Times an instance was handed to an event. */
  readonly instances: number
  /** Instances made: at the start of a cell, and anew after one was not to be reset. */
  readonly created: number
  readonly replaced: number
  /** Cells stopped before their time. */
  readonly stopped: number
  readonly running: number
  readonly queued: number
}

export interface Pool extends AsyncDisposable {
  /**
   * Runs one event in a cell and gives what it left. The grant behind `sources` ends with it.
   *
   * @throws HandlerRefusal, HandlerFailure (`handler-*`, `not-granted`), or Refusal `busy` when too many events wait,
   *   of all or of this tenant, or the host is stopping: no instance was touched then
   */
  run(job: Job): Promise<Effects>
  readonly stats: PoolStats
  /** Takes no more events and resolves when those in hand are done. */
  drain(): Promise<void>
}

/** @throws Refusal `component-invalid` when a handler does not start */
export async function createPool(options: PoolOptions): Promise<Pool> {
  const pool = new CellPool(options)
  try {
    await pool.start()
  } catch (error) {
    await pool[Symbol.asyncDispose]()
    throw error
  }
  return pool
}

interface Waiting {
  readonly job: Job
  readonly resolve: (effects: Promise<Effects>) => void
  readonly reject: (error: unknown) => void
}

class CellPool implements Pool {
  readonly #options: PoolOptions
  /** Every cell that lives, ready or not. */
  readonly #cells = new Set<Cell>()
  /** Ready and free. The last is taken first: its caches are warm. */
  readonly #free: Cell[] = []
  readonly #queue = openLanes<Waiting>()
  /** Events in a cell by tenant; none is 0. */
  readonly #held = new Map<string, number>()
  readonly #retired = { created: 0, replaced: 0, stopped: 0 }
  #instances = 0
  #running = 0
  #isDraining = false
  #drained = Promise.withResolvers<void>()
  #retry: NodeJS.Timeout | undefined

  constructor(options: PoolOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    const { cells, spares } = this.#options
    await Promise.all(Array.from({ length: cells + spares }, () => this.#addCell()))
  }

  get stats(): PoolStats {
    let { created, replaced } = this.#retired
    for (const { counts } of this.#cells) {
      created += counts.created
      replaced += counts.replaced
    }
    const { stopped } = this.#retired
    return {
      instances: this.#instances,
      created,
      replaced,
      stopped,
      running: this.#running,
      queued: this.#queue.length,
    }
  }

  run(job: Job): Promise<Effects> {
    if (this.#isDraining) return Promise.reject(new Refusal('busy', 'the host is stopping: send the event again later'))
    const cell = this.#mayRun(job.tenant) ? this.#takeFree() : undefined
    if (cell !== undefined) return this.#runIn(cell, job)
    return new Promise((resolve, reject) => this.#queue.add(job.tenant, { job, resolve, reject }))
  }

  drain(): Promise<void> {
    this.#isDraining = true
    this.#endDrain()
    return this.#drained.promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDraining = true
    clearTimeout(this.#retry)
    for (const { reject } of this.#queue.clear()) reject(new Refusal('busy', 'the host is stopping'))
    await Promise.all([...this.#cells].map((cell) => cell[Symbol.asyncDispose]()))
    this.#endDrain()
  }

  #mayRun(tenant: string): boolean {
    const { cells, spares } = this.#options
    if (this.#running < cells) return true
    const isHeldByOne = [...this.#held.values()].some((held) => held >= cells)
    return isHeldByOne && !this.#held.has(tenant) && this.#running < cells + spares
  }

  #takeFree(): Cell | undefined {
    for (let cell = this.#free.pop(); cell !== undefined; cell = this.#free.pop()) {
      if (cell.alive) return cell
      this.#replace(cell)
    }
    return undefined
  }

  #hold(tenant: string, change: 1 | -1): void {
    this.#running += change
    const held = (this.#held.get(tenant) ?? 0) + change
    if (held === 0) this.#held.delete(tenant)
    else this.#held.set(tenant, held)
  }

  async #runIn(cell: Cell, job: Job): Promise<Effects> {
    this.#hold(job.tenant, 1)
    this.#instances += 1
    try {
      return await cell.run(job)
    } finally {
      this.#hold(job.tenant, -1)
      if (cell.alive) this.#free.push(cell)
      else this.#replace(cell)
      this.#next()
    }
  }

  #next(): void {
    while (this.#queue.length > 0) {
      const cell = this.#takeFree()
      if (cell === undefined) return
      const waiting = this.#queue.take((tenant) => this.#mayRun(tenant))
      if (waiting === undefined) {
        this.#free.push(cell)
        return
      }
      waiting.resolve(this.#runIn(cell, waiting.job))
    }
    this.#endDrain()
  }

  #endDrain(): void {
    if (this.#isDraining && this.#running === 0 && this.#queue.length === 0) this.#drained.resolve()
  }

  async #addCell(): Promise<void> {
    const cell = new Cell(this.#options.registry.handlers)
    this.#cells.add(cell)
    try {
      await cell.ready
    } catch (error) {
      this.#retire(cell)
      throw error
    }
    this.#free.push(cell)
    this.#next()
  }

  #retire(cell: Cell): void {
    if (!this.#cells.delete(cell)) return
    this.#retired.created += cell.counts.created
    this.#retired.replaced += cell.counts.replaced
    this.#retired.stopped += 1
  }

  /** A cell that started once starts again, unless the machine is short of something: then try until it does. */
  #replace(cell: Cell): void {
    this.#retire(cell)
    if (this.#isDraining && this.#queue.length === 0) return
    this.#addCell().catch(() => {
      this.#retry = setTimeout(() => this.#replace(cell), CELL_RETRY_MS)
    })
  }
}
