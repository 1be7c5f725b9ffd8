/** The segments of a log, and where each vault's frames lie in them. */
import { Refusal } from '#host/errors.ts'
import { indexFrames, windowOf } from './frame.ts'
import type { LogStore, Segments } from './port.ts'

export interface Segment {
  readonly number: number
  readonly store: LogStore
  /** Frames in it that no snapshot covers, as far as is known. */
  live: number
}

/** One durable frame. */
interface Place {
  readonly segment: Segment
  readonly offset: number
  readonly length: number
  readonly sequence: number
}

/** Where one vault's durable frames lie, in the order written. */
export type FrameIndex = Place[]

export interface OpenSegments {
  readonly segments: Segment[]
  /** By vault tag, in hex. */
  readonly index: Map<string, FrameIndex>
  /** Bytes of a torn tail that were cut. */
  readonly torn: number
}

/** Opens and indexes every segment. @throws Refusal as `openSegmentedLog`; what was opened is closed then */
export async function openSegments(source: Segments): Promise<OpenSegments> {
  await using opened = new AsyncDisposableStack()
  const numbers = await source.list()
  const segments: Segment[] = []
  const index = new Map<string, FrameIndex>()
  let torn = 0
  for (const [at, number] of numbers.entries()) {
    if (number !== (numbers[0] ?? 0) + at) {
      const missing = `segment ${(numbers[0] ?? 0) + at} of the log is missing`
      throw new Refusal('journal-gap', `${missing}: restore the log from a copy`)
    }
    const segment: Segment = { number, store: opened.use(await source.open(number)), live: 0 }
    segments.push(segment)
    const found = await indexFrames(segment.store, ({ tag, length, sequence }, offset) => {
      place(index, tag.toHex()).push({ segment, offset, length, sequence })
      segment.live++
    })
    if (segment.store.size === found.whole) continue
    if (at < numbers.length - 1) {
      const what = `segment ${number} of the log ends inside a frame, and is not the newest`
      throw new Refusal('journal-tampered', `${what}: restore the log from a copy`)
    }
    await segment.store.truncate(found.whole)
    torn = found.torn
  }
  opened.move()
  return { segments, index, torn }
}

/** A vault's frames; none so far for one that is new. */
export function place(index: Map<string, FrameIndex>, name: string): FrameIndex {
  let frames = index.get(name)
  if (frames === undefined) index.set(name, (frames = []))
  return frames
}

/** Reads one vault's frames after a sequence; neighbours cost one read. */
export async function* readFrames(frames: FrameIndex, after: number): AsyncGenerator<Uint8Array> {
  let open: { segment: Segment; read: ReturnType<typeof windowOf> } | undefined
  let last = 0
  for (const { segment, offset, length, sequence } of frames) {
    if (sequence <= after) {
      if (last === 0) continue
      throw new Refusal('journal-gap', `frame ${sequence} stands behind frame ${last}: restore the log from a copy`)
    }
    last = sequence
    if (open?.segment !== segment) open = { segment, read: windowOf(segment.store) }
    yield await open.read(offset, length)
  }
}
