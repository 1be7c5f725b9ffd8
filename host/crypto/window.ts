/** Receive window: which sequence numbers were taken, exact for the newest `WINDOW_BITS`, "taken" for all before. */
import { Refusal } from '#host/errors.ts'
import { SEQUENCE_MAX, WINDOW_BITS } from '#host/limits.ts'

export interface Window {
  /** Highest number taken; -1 before the first. */
  readonly top: number
  /** Taken, or too old to tell. */
  seen(seq: number): boolean
  mark(seq: number): void
  /** Marks all that `state` says was taken; nothing marked becomes unmarked. */
  merge(state: Uint8Array): void
  /**
   * Canonical bytes: top + 1 in six bytes, then one bit for each number below the top that was *not* taken (first bit:
   * top itself), trailing zero bytes left out. Six bytes while nothing is missing.
   */
  encode(): Uint8Array
}

const WORD_BITS = 32
const TOP_BYTES = 6
const TWO_32 = 2 ** 32

/** @throws Refusal `malformed` for a state that `encode` does not make */
export function createWindow(state?: Uint8Array): Window {
  // A ring of bits, one for each number modulo the window; a number's slot is cleared when the top passes it.
  const bits = new Uint32Array(WINDOW_BITS / WORD_BITS)
  let top = -1
  // Everything up to here was taken. What comes in order keeps it at the top, and `encode` short.
  let whole = -1

  function wordOf(seq: number): number {
    return Math.floor((seq % WINDOW_BITS) / WORD_BITS)
  }

  function taken(seq: number): boolean {
    return (((bits[wordOf(seq)] as number) >>> (seq % WORD_BITS)) & 1) === 1
  }

  function raise(to: number): void {
    if (to - top >= WINDOW_BITS) bits.fill(0)
    else for (let seq = top + 1; seq <= to; seq++) (bits[wordOf(seq)] as number) &= ~(1 << (seq % WORD_BITS))
    top = to
    whole = Math.max(whole, top - WINDOW_BITS)
  }

  const window: Window = {
    get top() {
      return top
    },
    seen(seq) {
      return seq <= top - WINDOW_BITS || (seq <= top && taken(seq))
    },
    mark(seq) {
      if (seq <= top - WINDOW_BITS) return
      if (seq > top) raise(seq)
      bits[wordOf(seq)] = (bits[wordOf(seq)] as number) | (1 << (seq % WORD_BITS))
      while (whole < top && taken(whole + 1)) whole++
    },
    merge(encoded) {
      const { top: other, missing } = decode(encoded)
      if (other > top) raise(other)
      for (let age = Math.min(other, WINDOW_BITS - 1); age >= 0; age--) {
        if (!isMissing(missing, age)) window.mark(other - age)
      }
    },
    encode() {
      const encoded = new Uint8Array(TOP_BYTES + Math.ceil((top - whole) / 8))
      writeTop(encoded, top)
      let length = TOP_BYTES
      for (let age = 1; age < top - whole; age++) {
        if (taken(top - age)) continue
        const at = TOP_BYTES + (age >> 3)
        encoded[at] = (encoded[at] as number) | (1 << (age & 7))
        length = at + 1
      }
      return length === encoded.length ? encoded : encoded.slice(0, length)
    },
  }
  if (state !== undefined) window.merge(state)
  return window
}

function isMissing(missing: Uint8Array, age: number): boolean {
  return (((missing[age >> 3] ?? 0) >>> (age & 7)) & 1) === 1
}

/** Byte by byte: a view over so few bytes costs ten times as much, and every commit writes some. */
function writeTop(encoded: Uint8Array, top: number): void {
  let rest = top + 1
  for (let at = TOP_BYTES - 1; at >= 0; at--) {
    encoded[at] = rest % 256
    rest = Math.floor(rest / 256)
  }
}

function decode(encoded: Uint8Array): { top: number; missing: Uint8Array } {
  if (encoded.length < TOP_BYTES || encoded.length > TOP_BYTES + WINDOW_BITS / 8) throw malformed()
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.byteLength)
  const top = view.getUint16(0) * TWO_32 + view.getUint32(2) - 1
  const missing = encoded.subarray(TOP_BYTES)
  if (missing.length > 0 && missing.at(-1) === 0) throw malformed()
  if (isMissing(missing, 0) || top > SEQUENCE_MAX) throw malformed()
  for (let age = top + 1; age < missing.length * 8; age++) if (isMissing(missing, age)) throw malformed()
  return { top, missing }
}

function malformed(): Refusal {
  return new Refusal('malformed', 'receive window: not a stored one')
}
