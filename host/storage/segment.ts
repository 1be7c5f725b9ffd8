/** The segments of a log, and where each vault's frames lie in them. */
import { Refusal } from '#host/errors.ts'
import { LOG_WINDOW_BYTES } from '#host/limits.ts'
import { indexFrames } from './frame.ts'
import { READ_GAP_BYTES } from './limits.ts'
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

/** Reads one vault's frames after a sequence, and little between them; neighbours cost one read. */
export async function* readFrames(frames: FrameIndex, after: number): AsyncGenerator<Uint8Array> {
  for (const { segment, from, to, places } of runsOf(wanted(frames, after))) {
    const bytes = await segment.store.read({ from, to })
    for (const { offset, length } of places) yield bytes.subarray(offset - from, offset - from + length)
  }
}

function wanted(frames: FrameIndex, after: number): FrameIndex {
  const first = frames.findIndex(({ sequence }) => sequence > after)
  if (first < 0) return []
  const found = frames.slice(first)
  for (const [at, { sequence }] of found.entries()) {
    if (sequence > after) continue
    const before = found[at - 1]?.sequence
    throw new Refusal('journal-gap', `frame ${sequence} stands behind frame ${before}: restore the log from a copy`)
  }
  return found
}

/** Frames that are read at once: they lie close to each other, in one segment. */
interface ReadRun {
  readonly segment: Segment
  readonly from: number
  to: number
  readonly places: Place[]
}

function* runsOf(frames: FrameIndex): Generator<ReadRun> {
  let run: ReadRun | undefined
  for (const place of frames) {
    const { segment, offset, length } = place
    const end = offset + length
    const isNear = run?.segment === segment && offset - run.to <= READ_GAP_BYTES && end - run.from <= LOG_WINDOW_BYTES
    if (run !== undefined && isNear) {
      run.to = end
      run.places.push(place)
      continue
    }
    if (run !== undefined) yield run
    run = { segment, from: offset, to: end, places: [place] }
  }
  if (run !== undefined) yield run
}
