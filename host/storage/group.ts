/**
 * Group commit: one frame each of many vaults goes into one log with one sync for all of them.
 *
 * The log is a row of segments; the newest takes the frames. A segment is removed when every frame in it, and in those
 * before it, is covered by a durable snapshot. Only the newest may have a torn tail: the next one is made when all
 * before it is durable.
 */
import { Refusal } from '#host/errors.ts'
import { BATCH_BYTES, encodeBatch } from './batch.ts'
import { SEGMENT_BYTES, SEGMENTS_KEPT } from './limits.ts'
import type { LogStore, Segments } from './port.ts'
import { type FrameIndex, type OpenSegments, openSegments, place, readFrames, type Segment } from './segment.ts'
import { messageOf } from './turns.ts'

/** A frame that is sealed when it is written: until then it takes more commits. */
export interface Sealable {
  /** How many commits it holds by now. */
  readonly commits: number
  /** The frame in parts. Called once. */
  seal(): Sealed
}

/** A frame, and the sequence in its header. */
export interface Sealed {
  readonly sequence: number
  readonly parts: readonly Uint8Array[]
  /** Called while the frame is on its way to the disk: work that nobody should wait for. */
  readonly meanwhile?: () => void
}

/** An open log. Disposing it writes what was appended; `abandon` does not. */
export interface Log extends AsyncDisposable {
  /** Bytes of an incomplete last frame that opening has cut off: a crash in mid-write, or a truncation. */
  readonly torn: number
  readonly stats: { readonly frames: number; readonly batches: number }
  /** Why it takes no more frames, once it does not. */
  readonly failure: Refusal | undefined
  /** Bytes of each segment, the oldest first. */
  readonly segments: readonly number[]
  /** Tags of the vaults whose snapshots would let the oldest segment go; none while there are few segments. */
  holding(): readonly string[]
  /**
   * One vault's part of the log. At most one is open per tag: a second writer would fork the chain.
   *
   * @throws Error when it is open already
   */
  lane(tag: Uint8Array): Lane
  /**
   * After a failure: closes what is open, finds out what is durable and takes frames again. Lanes given out before stay
   * failed: what they know may be ahead of the disk.
   *
   * @throws Refusal `storage-failed`, `journal-tampered`: the log is as failed as before
   */
  reopen(): Promise<void>
  /** Lets go at once, as a crash would. What is not durable is lost, its appends reject. */
  abandon(): void
}

export interface Lane {
  /** Durable frames that no snapshot covers, as far as this log was told. */
  readonly count: number
  /** Of these, in bytes. */
  readonly bytes: number
  /** Why the log takes no more frames, once it does not. */
  readonly failure: Refusal | undefined
  /**
   * Durable frames after a sequence, in the order written. Views: do not write into them.
   *
   * @throws Refusal `journal-gap` when one at or before it comes late: an old segment was put behind
   */
  frames(after: number): AsyncGenerator<Uint8Array>
  /**
   * Resolves when the frame is durable. One vault's frames are sealed in the order appended.
   *
   * @throws Refusal `storage-failed`: the log is closed until it is reopened
   */
  append(frame: Sealable): Promise<void>
  /** A durable snapshot holds everything up to a sequence: frames up to it may go. Resolves when what can is gone. */
  cover(sequence: number): Promise<void>
  release(): void
}

interface LogOptions {
  readonly segmentBytes?: number
}

/** A log of one segment: see `openSegmentedLog`. */
export function openLog(store: LogStore): Promise<Log> {
  return openSegmentedLog(oneSegment(store), { segmentBytes: Number.POSITIVE_INFINITY })
}

/**
 * Takes the segments over, indexes their frames and cuts a torn tail.
 *
 * @throws Refusal `journal-tampered` when something in it is no frame, `journal-gap` when a segment is missing,
 *   `storage-failed`; everything is closed then
 */
export async function openSegmentedLog(
  source: Segments,
  { segmentBytes = SEGMENT_BYTES }: LogOptions = {},
): Promise<Log> {
  await using stack = new AsyncDisposableStack()
  stack.use(source)
  const run = startRun(await openSegments(source))
  stack.move()
  return new GroupLog({ source, run, segmentBytes })
}

interface Entry {
  readonly frames: FrameIndex
  readonly frame: Sealable
  readonly resolve: () => void
  readonly reject: (reason: Refusal) => void
}

/** The log from one opening to its failure. */
interface Run extends OpenSegments {
  readonly lanes: Set<string>
  queue: Entry[]
  failure: Refusal | undefined
}

function startRun(opened: OpenSegments): Run {
  return { ...opened, lanes: new Set(), queue: [], failure: undefined }
}

class GroupLog implements Log {
  readonly stats = { frames: 0, batches: 0 }
  readonly #source: Segments
  readonly #segmentBytes: number
  #run: Run
  #busy = false
  #crowded = false
  #idle: PromiseWithResolvers<void> | undefined
  #dropping: Promise<void> = Promise.resolve()
  #closed = false

  constructor({ source, run, segmentBytes }: { source: Segments; run: Run; segmentBytes: number }) {
    this.#source = source
    this.#run = run
    this.#segmentBytes = segmentBytes
  }

  get torn(): number {
    return this.#run.torn
  }

  get failure(): Refusal | undefined {
    return this.#run.failure
  }

  get segments(): readonly number[] {
    return this.#run.segments.map(({ store }) => store.size)
  }

  holding(): readonly string[] {
    const { segments, index } = this.#run
    const [oldest] = segments
    if (oldest === undefined || segments.length <= SEGMENTS_KEPT) return []
    return [...index].filter(([, frames]) => frames[0]?.segment === oldest).map(([name]) => name)
  }

  lane(tag: Uint8Array): Lane {
    const run = this.#run
    const name = tag.toHex()
    if (run.lanes.has(name)) throw new Error('this vault is open already in this log: one writer only')
    run.lanes.add(name)
    const frames = place(run.index, name)
    return {
      get count() {
        return frames.length
      },
      get bytes() {
        return frames.reduce((sum, { length }) => sum + length, 0)
      },
      get failure() {
        return run.failure
      },
      frames: (after) => readFrames(frames, after),
      append: (frame) => this.#append(run, { frames, frame }),
      cover: (sequence) => {
        const first = frames.findIndex((frame) => frame.sequence > sequence)
        for (const { segment } of frames.splice(0, first < 0 ? frames.length : first)) segment.live--
        return (this.#dropping = this.#dropping.then(() => this.#drop(run)))
      },
      release: () => void run.lanes.delete(name),
    }
  }

  async reopen(): Promise<void> {
    const { failure } = this.#run
    if (failure === undefined) return
    if (this.#closed) throw failure
    await this.#dropping
    if (this.#busy) await (this.#idle ??= Promise.withResolvers<void>()).promise
    await closeAll(this.#run.segments)
    this.#run = startRun(await openSegments(this.#source))
  }

  abandon(): void {
    this.#closed = true
    this.#fail(this.#run, new Refusal('storage-failed', 'the log was abandoned: open it again'))
    for (const { store } of this.#run.segments) store.abandon()
    this.#source.abandon()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    if (this.#busy) await (this.#idle ??= Promise.withResolvers<void>()).promise
    this.#run.failure ??= new Refusal('storage-failed', 'the log is closed: open it again')
    await this.#dropping
    await closeAll(this.#run.segments)
    await this.#source[Symbol.asyncDispose]()
  }

  #append(run: Run, { frames, frame }: Pick<Entry, 'frames' | 'frame'>): Promise<void> {
    if (run.failure !== undefined) return Promise.reject(run.failure)
    return new Promise((resolve, reject) => {
      run.queue.push({ frames, frame, resolve, reject })
      if (!this.#busy) this.#schedule(run)
    })
  }

  /** Who is alone waits for nobody; a crowd gathers for one turn of the event loop. */
  #schedule(run: Run): void {
    this.#busy = true
    if (this.#crowded) setImmediate(() => void this.#flush(run))
    else queueMicrotask(() => void this.#flush(run))
  }

  async #flush(run: Run): Promise<void> {
    const batch = run.queue
    run.queue = []
    const commits = batch.reduce((sum, { frame }) => sum + frame.commits, 0)
    const sealed = batch.map(({ frame }) => frame.seal())
    let segment: Segment
    let offset: number
    try {
      segment = await this.#newest(run)
      offset = segment.store.size + BATCH_BYTES
      const parts = sealed.flatMap((frame) => frame.parts)
      const durable = segment.store.append([encodeBatch(parts), ...parts])
      setImmediate(() => {
        for (const { meanwhile } of sealed) meanwhile?.()
      })
      await durable
    } catch (cause) {
      const failure = this.#fail(run, failureOf(cause))
      for (const entry of batch) entry.reject(failure)
      return
    }
    for (const [at, { frames, resolve }] of batch.entries()) {
      const { sequence = 0, parts = [] } = sealed[at] ?? {}
      const length = parts.reduce((sum, part) => sum + part.length, 0)
      frames.push({ segment, offset, length, sequence })
      segment.live++
      offset += length
      resolve()
    }
    this.stats.batches++
    this.stats.frames += batch.length
    this.#crowded = commits > 1
    if (run.queue.length > 0) this.#schedule(run)
    else this.#rest()
  }

  /** The segment that takes the next frames: another one when the last is full, which is durable to its end by then. */
  async #newest({ segments }: Run): Promise<Segment> {
    const last = segments.at(-1)
    if (last !== undefined && last.store.size < this.#segmentBytes) return last
    // Only the newest has room behind its frames.
    await last?.store.truncate(last.store.size)
    const number = last === undefined ? 0 : last.number + 1
    const next = { number, store: await this.#source.open(number), live: 0 }
    segments.push(next)
    return next
  }

  /** Removes segments from the oldest on, so that a crash in between leaves no gap. A failure is tried again later. */
  async #drop({ segments }: Run): Promise<void> {
    for (let [oldest] = segments; oldest && oldest.live === 0 && segments.length > 1; [oldest] = segments) {
      try {
        await oldest.store[Symbol.asyncDispose]()
        await this.#source.remove(oldest.number)
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        return
      }
      segments.shift()
    }
  }

  /** The first failure stands: after it nothing is written, whatever the store says. */
  #fail(run: Run, failure: Refusal): Refusal {
    run.failure ??= failure
    for (const entry of run.queue) entry.reject(run.failure)
    run.queue = []
    this.#rest()
    return run.failure
  }

  #rest(): void {
    this.#busy = false
    this.#idle?.resolve()
    this.#idle = undefined
  }
}

/** What keeps a log from being written, in words that say what to do. */
function failureOf(cause: unknown): Refusal {
  let root = cause
  while (root instanceof Error && root.cause !== undefined) root = root.cause
  if (root instanceof Error && 'code' in root && (root.code === 'ENOSPC' || root.code === 'EDQUOT')) {
    return new Refusal('storage-failed', 'the disk is full: make room, then it goes on by itself', { cause })
  }
  return new Refusal('storage-failed', `the log could not be written (${messageOf(root)}): open it again`, { cause })
}

async function closeAll(segments: readonly Segment[]): Promise<void> {
  for (const { store } of segments) await store[Symbol.asyncDispose]()
}

function oneSegment(store: LogStore): Segments {
  return {
    list: () => Promise.resolve([0]),
    open: () => Promise.resolve(store),
    remove: () => Promise.reject(new Error('the only segment of a log stays')),
    abandon: () => store.abandon(),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }
}
