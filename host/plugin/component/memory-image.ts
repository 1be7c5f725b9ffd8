/**
 * What a linear memory held at a moment, and the way back to it.
 *
 * Most of a fresh memory is zeros that nobody has written. They are neither kept nor written again: the system gives a
 * page only to whoever writes it, and a guest's next event finds in cache what it uses.
 */
import { IMAGE_PAGE_BYTES, IMAGE_WHOLE_BYTES, IMAGE_WIPE_BYTES } from '../limits.ts'

export interface MemoryImage {
  /** Of the memory. */
  readonly length: number
  /** Puts every byte back. `live` is of that length. */
  restore(live: Buffer): void
}

/** From a place on: what was there, or zeros up to `end`. */
interface Stretch {
  readonly at: number
  readonly end: number
  readonly bytes: Uint8Array | undefined
}

const zeros = new Uint8Array(Math.max(IMAGE_PAGE_BYTES, IMAGE_WIPE_BYTES))

export function takeImage(live: Buffer): MemoryImage {
  const stretches = stretchesOf(live)
  return {
    length: live.length,
    restore(live) {
      for (const { at, end, bytes } of stretches) {
        if (bytes) live.set(bytes, at)
        else wipe(live, at, end)
      }
    },
  }
}

function stretchesOf(live: Buffer): Stretch[] {
  if (live.length <= IMAGE_WHOLE_BYTES) return [{ at: 0, end: live.length, bytes: new Uint8Array(live) }]
  const stretches: Stretch[] = []
  for (let at = 0; at < live.length;) {
    const isEmpty = isZero(live, at, pageEnd(live, at))
    let end = at
    while (end < live.length && isZero(live, end, pageEnd(live, end)) === isEmpty) end = pageEnd(live, end)
    stretches.push({ at, end, bytes: isEmpty ? undefined : new Uint8Array(live.subarray(at, end)) })
    at = end
  }
  return stretches
}

function pageEnd({ length }: Buffer, at: number): number {
  return Math.min(at + IMAGE_PAGE_BYTES, length)
}

/** Reading takes no page. */
function wipe(live: Buffer, from: number, to: number): void {
  for (let at = from; at < to; at += IMAGE_WIPE_BYTES) {
    const end = Math.min(at + IMAGE_WIPE_BYTES, to)
    if (!isZero(live, at, end)) live.fill(0, at, end)
  }
}

function isZero(live: Buffer, from: number, to: number): boolean {
  return live.compare(zeros, 0, to - from, from, to) === 0
}
