/** The cells of a host: so many events at a time, a bounded queue behind them, and warm spares for those that die. */
import { Refusal } from '#host/errors.ts'
import { CELL_RETRY_MS } from '#host/limits.ts'
import { AHEAD_LOOK_MS, QUICK_EVENTS_MIN } from '#host/plugin/limits.ts'

import { Backoff, isNo } from './backoff.ts'
import { Cell, type CellOwner } from './cell.ts'
import { type Given, type Job, kindOf } from './job.ts'
import { openLanes } from './lanes.ts'
import type { Effects } from './port.ts'
import { learnReads, type Reads } from './reads.ts'
import type { Registered, Registry } from './registry.ts'

export interface PoolOptions {
  readonly registry: Registry
  /** Events handled at the same time. */
  readonly cells: number
  /**
   * Ready cells beyond that, to take the place of one that was stopped. While one tenant holds all `cells`, another's
   * event runs in a spare: nobody waits for the end of somebody else's loop.
   */
  readonly spares: number
  /** When a cell that is not ready is given up; `CELL_START_MS_MAX` when it is not said. */
  readonly cellStartMs?: number | undefined
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

class CellPool implements Pool, CellOwner {
  readonly #options: PoolOptions
  /** Every cell that lives, ready or not. */
  readonly #cells = new Set<Cell>()
  /** Ready and free. The last is taken first: its caches are warm. */
  readonly #free: Cell[] = []
  /** Those with events in them, by the event each was at when the pool last looked for slow ones. */
  readonly #busy = new Map<Cell, Given | undefined>()
  readonly #queue = openLanes<Given>()
  readonly #reads: Reads = learnReads()
  readonly #backoff = new Backoff((given) => this.#enter(given))
  /** Events of a handler that ended soon and well, since one did not. */
  readonly #quick = new Map<Registered, number>()
  /** Events in a cell by tenant; none is 0. */
  readonly #held = new Map<string, number>()
  readonly #retired = { created: 0, replaced: 0, stopped: 0 }
  #instances = 0
  #running = 0
  #isDraining = false
  #isDisposed = false
  #drained = Promise.withResolvers<void>()
  #retry: NodeJS.Timeout | undefined
  #watch: NodeJS.Timeout | undefined

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
      queued: this.#queue.length + this.#ahead() + this.#backoff.length,
    }
  }

  run(job: Job): Promise<Effects> {
    if (this.#isDraining) return Promise.reject(new Refusal('busy', 'the host is stopping: send the event again later'))
    return new Promise((resolve, reject) => this.#backoff.enter({ job, resolve, reject }))
  }

  drain(): Promise<void> {
    this.#isDraining = true
    for (const { reject } of this.#backoff.clear()) reject(stopping())
    this.#endDrain()
    return this.#drained.promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDraining = true
    this.#isDisposed = true
    clearTimeout(this.#retry)
    clearTimeout(this.#watch)
    for (const { reject } of [...this.#backoff.clear(), ...this.#queue.clear()]) reject(stopping())
    await Promise.all([...this.#cells].map((cell) => cell[Symbol.asyncDispose]()))
    this.#endDrain()
  }

  began({ job }: Given): void {
    this.#instances += 1
    this.#hold(job.tenant, 1)
  }

  ended({ job }: Given, failure: unknown): void {
    this.#hold(job.tenant, -1)
    const endedWell = failure === undefined || isNo(failure)
    this.#quick.set(job.registered, endedWell ? (this.#quick.get(job.registered) ?? 0) + 1 : 0)
    this.#backoff.ended(job, failure)
  }

  changed(cell: Cell): void {
    if (cell.load === 0 && this.#busy.delete(cell)) this.#free.push(cell)
    this.#next()
  }

  died(cell: Cell, ahead: readonly Given[]): void {
    const wasBusy = this.#busy.delete(cell)
    for (const given of ahead.toReversed()) {
      if (this.#isDisposed) given.reject(stopping())
      else this.#queue.putBack(given.job.tenant, given)
    }
    // One that dies free is found when it is taken; one that never got ready is who started it.
    if (wasBusy) this.#replace(cell)
    this.#next()
  }

  #enter(given: Given): void {
    const { tenant } = given.job
    const cell = this.#mayRun(tenant) ? this.#takeFree() : undefined
    if (cell !== undefined) return this.#give(cell, given)
    try {
      if (this.#queue.length > 0 || !this.#handAhead(given)) this.#queue.add(tenant, given)
    } catch (error) {
      this.#refuse(given, error)
    }
  }

  #refuse({ job, reject }: Given, why: unknown): void {
    reject(why)
    this.#backoff.ended(job, why)
  }

  #mayRun(tenant: string): boolean {
    const { cells, spares } = this.#options
    if (this.#running < cells) return true
    if (this.#held.has(tenant) || this.#running >= cells + spares) return false
    for (const held of this.#held.values()) if (held >= cells) return true
    return false
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

  #give(cell: Cell, given: Given): void {
    this.#busy.set(cell, undefined)
    try {
      cell.give(given)
    } catch (error) {
      this.#refuse(given, error)
      if (cell.load === 0 && this.#busy.delete(cell)) this.#free.push(cell)
    }
  }

  #next(): void {
    while (this.#queue.length > 0) {
      const cell = this.#takeFree()
      if (cell === undefined) break
      const given = this.#queue.take((tenant) => this.#mayRun(tenant))
      if (given === undefined) {
        this.#free.push(cell)
        break
      }
      this.#give(cell, given)
    }
    if (this.#queue.length > 0) this.#fill()
    else if (this.#free.length > 0) this.#share()
    this.#endDrain()
  }

  /** Hands ahead what waits, in its turn, while it is quick. */
  #fill(): void {
    for (;;) {
      const cell = this.#leastBusy()
      const given = cell && this.#queue.take((_tenant, { job }) => this.#mayGoAhead(job))
      if (given === undefined) return
      if (this.#handAhead(given)) continue
      this.#queue.putBack(given.job.tenant, given)
      return
    }
  }

  /** Behind a quick event waits nothing long: while all in a cell are quick, it need not wait for its next one. */
  #handAhead(given: Given): boolean {
    if (!this.#mayGoAhead(given.job)) return false
    const cell = this.#leastBusy()
    if (cell?.give(given) !== true) return false
    this.#watch ??= setTimeout(() => this.#lookForSlow(), AHEAD_LOOK_MS)
    return true
  }

  #leastBusy(): Cell | undefined {
    let least: Cell | undefined
    for (const cell of this.#busy.keys()) {
      const isOpen = cell.takesMore && cell.first !== undefined && this.#isQuick(cell.first.job.registered)
      if (isOpen && (least === undefined || cell.load < least.load)) least = cell
    }
    return least
  }

  /** One that would read what those before it write is left waiting: it would be in vain. */
  #mayGoAhead(job: Job): boolean {
    return this.#isQuick(job.registered) && !this.#reads.isTooEarly(kindOf(job))
  }

  #isQuick(registered: Registered): boolean {
    return (this.#quick.get(registered) ?? 0) >= QUICK_EVENTS_MIN
  }

  /** A free cell takes what was handed ahead to another. */
  #share(): void {
    if (this.#running >= this.#options.cells) return
    for (const cell of this.#busy.keys()) {
      if (cell.load < 2) continue
      const given = cell.takeBack()
      if (given === undefined) continue
      const free = this.#takeFree()
      if (free !== undefined) return this.#give(free, given)
      this.#queue.putBack(given.job.tenant, given)
      return
    }
  }

  /** A cell that is at the same event as at the last look keeps nobody behind it. */
  #lookForSlow(): void {
    this.#watch = undefined
    for (const [cell, before] of this.#busy) {
      if (cell.load < 2) continue
      cell.look()
      const now = cell.first
      if (now === undefined || !this.#busy.has(cell)) continue
      this.#busy.set(cell, now)
      if (now !== before) continue
      this.#quick.set(now.job.registered, 0)
      for (let back = cell.takeBack(); back !== undefined; back = cell.takeBack()) {
        this.#queue.putBack(back.job.tenant, back)
      }
    }
    this.#next()
    if (this.#ahead() > 0) this.#watch ??= setTimeout(() => this.#lookForSlow(), AHEAD_LOOK_MS)
  }

  /** Events in cells that have not begun. */
  #ahead(): number {
    let ahead = 0
    for (const cell of this.#busy.keys()) ahead += Math.max(cell.load - 1, 0)
    return ahead
  }

  #endDrain(): void {
    if (this.#isDraining && this.#running === 0 && this.#queue.length === 0) this.#drained.resolve()
  }

  async #addCell(): Promise<void> {
    const { registry, cellStartMs: startMs } = this.#options
    const cell = new Cell(registry.handlers, { owner: this, reads: this.#reads, startMs })
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

function stopping(): Refusal {
  return new Refusal('busy', 'the host is stopping')
}
