/** Group commit: one frame each of many vaults goes into one log with one sync for all of them. */
import { Refusal } from '#host/errors.ts'
import { indexFrames, windowOf } from './frame.ts'
import type { LogStore } from './port.ts'

/** A frame that is sealed when it is written: until then it takes more commits. */
export interface Sealable {
  /** How many commits it holds by now. */
  readonly commits: number
  /** The frame in parts. Called once. */
  seal(): readonly Uint8Array[]
}

/** An open log. Disposing it writes what was appended; `abandon` does not. */
export interface Log extends AsyncDisposable {
  /** Bytes of an incomplete last frame that opening has cut off: a crash in mid-write, or a truncation. */
  readonly torn: number
  readonly stats: { readonly frames: number; readonly batches: number }
  /**
   * One vault's part of the log. At most one is open per tag: a second writer would fork the chain.
   *
   * @throws Error when it is open already
   */
  lane(tag: Uint8Array): Lane
  /** Lets go at once, as a crash would. What is not durable is lost, its appends reject. */
  abandon(): void
}

export interface Lane {
  /** Durable frames. */
  readonly count: number
  /** Why the log takes no more frames, once it does not. */
  readonly failure: Refusal | undefined
  /** Durable frames in the order written. Views: do not write into them. */
  frames(): AsyncGenerator<Uint8Array>
  /**
   * Resolves when the frame is durable. One vault's frames are sealed in the order appended.
   *
   * @throws Refusal `storage-failed`: the log is closed for good
   */
  append(frame: Sealable): Promise<void>
  release(): void
}

/**
 * Takes the store over, indexes its frames and cuts a torn tail.
 *
 * @throws Refusal `journal-tampered` when something in it is no frame, `storage-failed`; the store is closed then
 */
export async function openLog(store: LogStore): Promise<Log> {
  await using stack = new AsyncDisposableStack()
  stack.use(store)
  const index = new Map<string, FrameIndex>()
  const whole = await indexFrames(store, (header, offset) => {
    const frames = framesOf(index, nameOf(header.tag))
    frames.offsets.push(offset)
    frames.lengths.push(header.length)
  })
  const torn = store.size - whole
  if (torn > 0) await store.truncate(whole)
  stack.move()
  return new GroupLog({ store, index, torn })
}

/** Where one vault's durable frames lie. */
interface FrameIndex {
  readonly offsets: number[]
  readonly lengths: number[]
}

interface Entry {
  readonly frames: FrameIndex
  readonly frame: Sealable
  readonly resolve: () => void
  readonly reject: (reason: Refusal) => void
}

class GroupLog implements Log {
  readonly torn: number
  readonly stats = { frames: 0, batches: 0 }
  readonly #store: LogStore
  readonly #index: Map<string, FrameIndex>
  readonly #lanes = new Set<string>()
  #queue: Entry[] = []
  #busy = false
  #crowded = false
  #idle: PromiseWithResolvers<void> | undefined
  #failure: Refusal | undefined

  constructor({ store, index, torn }: { store: LogStore; index: Map<string, FrameIndex>; torn: number }) {
    this.#store = store
    this.#index = index
    this.torn = torn
  }

  lane(tag: Uint8Array): Lane {
    const name = nameOf(tag)
    if (this.#lanes.has(name)) throw new Error('this vault is open already in this log: one writer only')
    this.#lanes.add(name)
    const frames = framesOf(this.#index, name)
    const failure = (): Refusal | undefined => this.#failure
    return {
      get count() {
        return frames.offsets.length
      },
      get failure() {
        return failure()
      },
      frames: () => readFrames(this.#store, frames),
      append: (frame) => this.#append(frames, frame),
      release: () => void this.#lanes.delete(name),
    }
  }

  abandon(): void {
    this.#fail(new Refusal('storage-failed', 'the log was abandoned: open it again'))
    this.#store.abandon()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#busy) await (this.#idle ??= Promise.withResolvers<void>()).promise
    this.#failure ??= new Refusal('storage-failed', 'the log is closed: open it again')
    await this.#store[Symbol.asyncDispose]()
  }

  #append(frames: FrameIndex, frame: Sealable): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#queue.push({ frames, frame, resolve, reject })
      if (!this.#busy) this.#schedule()
    })
  }

  /** Who is alone waits for nobody; a crowd gathers for one turn of the event loop. */
  #schedule(): void {
    this.#busy = true
    if (this.#crowded) setImmediate(() => void this.#flush())
    else queueMicrotask(() => void this.#flush())
  }

  async #flush(): Promise<void> {
    const batch = this.#queue
    this.#queue = []
    const commits = batch.reduce((sum, { frame }) => sum + frame.commits, 0)
    const sealed = batch.map(({ frame }) => frame.seal())
    let offset = this.#store.size
    try {
      await this.#store.append(sealed.flat())
    } catch (cause) {
      const failure = this.#fail(
        new Refusal('storage-failed', 'the log could not be written: open it again', { cause }),
      )
      for (const entry of batch) entry.reject(failure)
      return
    }
    for (const [at, { frames, resolve }] of batch.entries()) {
      const length = sealed[at]?.reduce((sum, part) => sum + part.length, 0) ?? 0
      frames.offsets.push(offset)
      frames.lengths.push(length)
      offset += length
      resolve()
    }
    this.stats.batches++
    this.stats.frames += batch.length
    this.#crowded = commits > 1
    if (this.#queue.length > 0) this.#schedule()
    else this.#rest()
  }

  /** The first failure stands: after it nothing is written, whatever the store says. */
  #fail(failure: Refusal): Refusal {
    this.#failure ??= failure
    for (const entry of this.#queue) entry.reject(this.#failure)
    this.#queue = []
    this.#rest()
    return this.#failure
  }

  #rest(): void {
    this.#busy = false
    this.#idle?.resolve()
  }
}

async function* readFrames(store: LogStore, { offsets, lengths }: FrameIndex): AsyncGenerator<Uint8Array> {
  const read = windowOf(store)
  for (const [at, offset] of offsets.entries()) yield await read(offset, lengths[at] ?? 0)
}

function framesOf(index: Map<string, FrameIndex>, name: string): FrameIndex {
  let frames = index.get(name)
  if (frames === undefined) index.set(name, (frames = { offsets: [], lengths: [] }))
  return frames
}

function nameOf(tag: Uint8Array): string {
  return tag.toHex()
}
