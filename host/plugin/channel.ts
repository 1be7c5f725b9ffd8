/**
 * What a cell and the host share: one host call at a time, and the ring of events. The cell writes a call, wakes the
 * host and sleeps; the host writes the answer over it and wakes the cell. Also the counters that must be readable while
 * a cell does not answer.
 */
import { CHANNEL_BYTES } from '#host/limits.ts'
import { ANSWER_PAUSES } from '#host/plugin/limits.ts'

import { type Answer, type Call, decodeAnswer, decodeCall, encodeAnswer, encodeCall } from './calls.ts'
import { frameReader, frameWriter } from './frame.ts'
import { type CellRing, cellRing, type HostRing, hostRing, RING_BYTES } from './ring.ts'

/** Words of the header, each an Int32. */
const STATE = 0
const LENGTH = 1
const FINISHED = 2
const CREATED = 3
const REPLACED = 4
/** The host looks, or will: it need not be woken. */
const LOOKS = 5
const HEADER_BYTES = 64
const RING_OFFSET = HEADER_BYTES + CHANNEL_BYTES

const IDLE = 0
const CALLED = 1
const ANSWERED = 2

export function newChannel(): SharedArrayBuffer {
  return new SharedArrayBuffer(RING_OFFSET + RING_BYTES)
}

/** The cell's end. */
export interface CellEnd {
  readonly ring: CellRing
  /** Blocks until the host has answered. */
  call(call: Call): Answer
  /** Wakes the host, unless it looks by itself. */
  tell(): void
  /** Says that the event of this sequence number is over, before its report is on the way. */
  finish(sequence: number): void
  countCreated(): void
  countReplaced(): void
}

export function cellEnd(memory: SharedArrayBuffer, wake: () => void): CellEnd {
  const words = new Int32Array(memory, 0, HEADER_BYTES / 4)
  const data = new Uint8Array(memory, HEADER_BYTES, CHANNEL_BYTES)
  const writer = frameWriter(memory, HEADER_BYTES, CHANNEL_BYTES)
  const tell = (): void => {
    if (Atomics.load(words, LOOKS) === 0 && Atomics.exchange(words, LOOKS, 1) === 0) wake()
  }
  return {
    ring: cellRing(memory, RING_OFFSET),
    call(call) {
      writer.reset()
      encodeCall(call, writer)
      words[LENGTH] = writer.length()
      Atomics.store(words, STATE, CALLED)
      tell()
      // The host answers sooner than a sleeping thread wakes.
      for (let left = ANSWER_PAUSES; left > 0 && Atomics.load(words, STATE) === CALLED; left--) Atomics.pause()
      while (Atomics.load(words, STATE) === CALLED) Atomics.wait(words, STATE, CALLED)
      Atomics.store(words, STATE, IDLE)
      return decodeAnswer(frameReader(data.slice(0, words[LENGTH])))
    },
    tell,
    finish: (sequence) => void Atomics.store(words, FINISHED, sequence | 0),
    countCreated: () => void Atomics.add(words, CREATED, 1),
    countReplaced: () => void Atomics.add(words, REPLACED, 1),
  }
}

/** The host's end. Nothing the cell wrote is trusted. */
export interface HostEnd {
  readonly ring: HostRing
  /** Whether a call waits for its answer. */
  called(): boolean
  /**
   * The call that waits.
   *
   * @throws RangeError when there is none, or when it does not decode
   */
  read(): Call
  /** Answers it, at once or later: the cell sleeps until then. */
  answer(answer: Answer): void
  /** The host is done looking: from now on it is to be woken. */
  rest(): void
  /** The host looks again of its own accord; false when the cell has woken it meanwhile. */
  resume(): boolean
  /** Whether the cell said that this event is over. */
  finished(sequence: number): boolean
  counts(): { readonly created: number; readonly replaced: number }
}

export function hostEnd(memory: SharedArrayBuffer): HostEnd {
  const words = new Int32Array(memory, 0, HEADER_BYTES / 4)
  const data = new Uint8Array(memory, HEADER_BYTES, CHANNEL_BYTES)
  const writer = frameWriter(memory, HEADER_BYTES, CHANNEL_BYTES)
  return {
    ring: hostRing(memory, RING_OFFSET),
    called: () => Atomics.load(words, STATE) === CALLED,
    read() {
      if (Atomics.load(words, STATE) !== CALLED) throw new RangeError('no call waits')
      const length = words[LENGTH] ?? 0
      if (length < 0 || length > CHANNEL_BYTES) throw new RangeError('a call has an impossible length')
      return decodeCall(frameReader(data.slice(0, length)))
    },
    answer(answer) {
      writer.reset()
      encodeAnswer(answer, writer)
      words[LENGTH] = writer.length()
      Atomics.store(words, STATE, ANSWERED)
      Atomics.notify(words, STATE)
    },
    rest: () => void Atomics.store(words, LOOKS, 0),
    resume: () => Atomics.exchange(words, LOOKS, 1) === 0,
    finished: (sequence) => Atomics.load(words, FINISHED) === (sequence | 0),
    counts: () => ({ created: Atomics.load(words, CREATED), replaced: Atomics.load(words, REPLACED) }),
  }
}
