/** A log in memory with a file's manners: what is written is lost until it is synced. For tests and simulation. */
import type { LogStore } from './port.ts'
import { Turns } from './turns.ts'

export interface MemoryLogOptions {
  /** What the log holds, durably, when it is opened. */
  readonly bytes?: Uint8Array
  /** The k-th operation fails, counted from 1; if it is a write, `kept` of its bytes are written before. */
  readonly fault?: { readonly at: number; readonly kept?: number }
  /** Awaited before every operation: a place to wait, or to crash. */
  readonly before?: (operation: 'write' | 'sync' | 'read' | 'truncate') => Promise<void> | void
}

export interface MemoryLog extends LogStore {
  readonly stats: { readonly operations: number; readonly writes: number; readonly syncs: number }
  /** Bytes written and not synced: a crash may keep any first part of them. */
  readonly unsynced: number
  /** Abandons this log and gives what a restart finds: every durable byte and the first `kept` of the unsynced. */
  crash(kept?: number): MemoryLog
}

export function memoryLog(options: MemoryLogOptions = {}): MemoryLog {
  return new HeapLog(options)
}

class HeapLog implements MemoryLog {
  readonly stats = { operations: 0, writes: 0, syncs: 0 }
  readonly #options: MemoryLogOptions
  readonly #turns = new Turns('the memory log')
  #bytes: Uint8Array
  /** Bytes written; `#size` of them are durable. */
  #written: number
  #size: number

  constructor(options: MemoryLogOptions) {
    this.#options = options
    this.#bytes = new Uint8Array(options.bytes ?? [])
    this.#written = this.#size = this.#bytes.length
  }

  get size(): number {
    return this.#size
  }

  get unsynced(): number {
    return this.#written - this.#size
  }

  append(chunks: readonly Uint8Array[]): Promise<void> {
    return this.#turns.run(async () => {
      await this.#operation('write', (kept) => {
        for (const chunk of chunks) kept -= this.#write(chunk.subarray(0, kept))
      })
      this.stats.writes++
      await this.#operation('sync')
      this.stats.syncs++
      this.#size = this.#written
    })
  }

  truncate(size: number): Promise<void> {
    return this.#turns.run(async () => {
      await this.#operation('truncate')
      this.#written = this.#size = size
    })
  }

  async read(range: { from: number; to: number } = { from: 0, to: this.#size }): Promise<Uint8Array> {
    let bytes: Uint8Array = new Uint8Array(0)
    await this.#turns.run(async () => {
      await this.#operation('read')
      bytes = this.#bytes.slice(range.from, Math.min(range.to, this.#size))
    })
    return bytes
  }

  abandon(): void {
    this.#turns.abandon()
  }

  crash(kept = 0): MemoryLog {
    this.abandon()
    return new HeapLog({ bytes: this.#bytes.subarray(0, this.#size + Math.min(kept, this.unsynced)) })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turns.close()
  }

  /** Counts, waits, and fails when its turn has come; `act` is told how many bytes it may still write. */
  async #operation(name: 'write' | 'sync' | 'read' | 'truncate', act?: (kept: number) => void): Promise<void> {
    const { fault, before } = this.#options
    const operation = ++this.stats.operations
    await before?.(name)
    if (this.#turns.failure !== undefined) throw this.#turns.failure
    const fails = fault?.at === operation
    act?.(fails ? (fault.kept ?? 0) : Number.POSITIVE_INFINITY)
    if (fails) throw new Error(`${name} ${operation} fails as asked`)
  }

  #write(chunk: Uint8Array): number {
    const needed = this.#written + chunk.length
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
      grown.set(this.#bytes)
      this.#bytes = grown
    }
    this.#bytes.set(chunk, this.#written)
    this.#written = needed
    return chunk.length
  }
}
