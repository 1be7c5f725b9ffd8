/**
 * Events handed to a cell ahead, and its reports: slots in shared memory, taken in turn. A report lies in the slot of
 * its event. Who takes a slot says so by one word: what the cell has not begun the host can take back.
 */
import { RING_SLOT_BYTES, RING_SLOTS } from '#host/plugin/limits.ts'

import { type FrameWriter, frameWriter } from './frame.ts'

/** Words of the head, each an Int32: whether the cell sleeps, the slots' states, the bytes in each. */
const SLEEPS = 0
const STATES = 1
const LENGTHS = STATES + RING_SLOTS
const HEAD_BYTES = 128

/** What a slot is: the host makes it ready and free, the cell the rest. */
const FREE = 0
const READY = 1
const TAKEN = 2
const DONE = 3
/** The report was too large for the slot: it comes as a message. */
const MAILED = 4

export const RING_BYTES = HEAD_BYTES + RING_SLOTS * RING_SLOT_BYTES

type Write = (into: FrameWriter) => void

/** The host's end: the oldest event is the one the cell is at. Nothing the cell wrote is trusted. */
export interface HostRing {
  /** Hands an event over; false when it is too large for a slot. There must be a free one. */
  put(write: Write): boolean
  /** Whether the cell sleeps and must be woken; it is said once. */
  mustWake(): boolean
  /** Takes the newest event back; false when the cell has begun it, or there is none. */
  takeBack(): boolean
  /** Whether the oldest is reported on. @throws RangeError when its slot is in a state that cannot be */
  state(): 'open' | 'done' | 'mailed'
  /** The report on the oldest, a private copy. @throws RangeError when its length is impossible */
  report(): Uint8Array
  /** Ends the oldest: nothing of it stays in the slot. */
  free(): void
}

export function hostRing(memory: SharedArrayBuffer, offset: number): HostRing {
  const { words, slots, writers } = view(memory, offset)
  let head = 0
  let tail = 0
  return {
    put(write) {
      const slot = slotOf(tail)
      if (tail - head >= RING_SLOTS) throw new Error('the ring is full')
      const length = lengthOf(writers[slot], write)
      if (length === undefined) return false
      words[LENGTHS + slot] = length
      Atomics.store(words, STATES + slot, READY)
      tail += 1
      return true
    },
    mustWake: () => Atomics.load(words, SLEEPS) !== 0 && Atomics.exchange(words, SLEEPS, 0) !== 0,
    takeBack() {
      const slot = slotOf(tail - 1)
      if (tail === head || Atomics.compareExchange(words, STATES + slot, READY, FREE) !== READY) return false
      tail -= 1
      slots[slot]?.fill(0)
      return true
    },
    state() {
      switch (Atomics.load(words, STATES + slotOf(head))) {
        case READY:
        case TAKEN:
          return 'open'
        case DONE:
          return 'done'
        case MAILED:
          return 'mailed'
        default:
          throw new RangeError('a slot is in no state')
      }
    },
    report() {
      const length = words[LENGTHS + slotOf(head)] ?? -1
      if (length < 0 || length > RING_SLOT_BYTES) throw new RangeError('a report has an impossible length')
      return slots[slotOf(head)]?.slice(0, length) ?? new Uint8Array(0)
    },
    free() {
      slots[slotOf(head)]?.fill(0)
      Atomics.store(words, STATES + slotOf(head), FREE)
      head += 1
    },
  }
}

/** The cell's end. */
export interface CellRing {
  /** The next event, a private copy; it is the cell's then. */
  next(): Uint8Array | undefined
  /** Reports on it; false when the report is too large for the slot, which says now that it comes as a message. */
  report(write: Write): boolean
  /** Says that it sleeps until it is woken; false when there is an event. */
  sleep(): boolean
  /** Says that it is awake, whoever woke it. */
  wake(): void
}

export function cellRing(memory: SharedArrayBuffer, offset: number): CellRing {
  const { words, slots, writers } = view(memory, offset)
  let at = 0
  return {
    next() {
      if (Atomics.load(words, STATES + at) !== READY) return undefined
      if (Atomics.compareExchange(words, STATES + at, READY, TAKEN) !== READY) return undefined
      return slots[at]?.slice(0, words[LENGTHS + at])
    },
    report(write) {
      const slot = at
      at = (at + 1) % RING_SLOTS
      const length = lengthOf(writers[slot], write)
      if (length !== undefined) words[LENGTHS + slot] = length
      Atomics.store(words, STATES + slot, length === undefined ? MAILED : DONE)
      return length !== undefined
    },
    sleep() {
      Atomics.store(words, SLEEPS, 1)
      if (Atomics.load(words, STATES + at) !== READY) return true
      Atomics.store(words, SLEEPS, 0)
      return false
    },
    wake: () => void Atomics.store(words, SLEEPS, 0),
  }
}

function slotOf(at: number): number {
  return at % RING_SLOTS
}

function view(memory: SharedArrayBuffer, offset: number) {
  const words = new Int32Array(memory, offset, HEAD_BYTES / 4)
  const places = Array.from({ length: RING_SLOTS }, (_, slot) => offset + HEAD_BYTES + slot * RING_SLOT_BYTES)
  return {
    words,
    slots: places.map((place) => new Uint8Array(memory, place, RING_SLOT_BYTES)),
    writers: places.map((place) => frameWriter(memory, place, RING_SLOT_BYTES)),
  }
}

/** Bytes written; `undefined` when there was no room for all. */
function lengthOf(writer: FrameWriter | undefined, write: Write): number | undefined {
  if (writer === undefined) return undefined
  writer.reset()
  try {
    write(writer)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
  return writer.length()
}
