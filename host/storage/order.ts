/** Keys of one namespace in UTF-8 byte order. */
import { KEY_RUN_MAX } from '#host/limits.ts'

/** Orders two well-formed strings as their UTF-8 bytes would be. */
export function compareUtf8(left: string, right: string): number {
  const length = Math.min(left.length, right.length)
  for (let at = 0; at < length; at++) {
    const a = left.charCodeAt(at)
    const b = right.charCodeAt(at)
    if (a !== b) return rank(a) - rank(b)
  }
  return left.length - right.length
}

// UTF-16 puts surrogates (U+10000 and up) before U+E000 to U+FFFF; UTF-8 puts them after.
function rank(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}

/**
 * A sorted set of keys. Runs of bounded length keep an insert cheap at any size; a key is put in its place when
 * somebody reads in order, so that one that comes and goes between two scans is never sorted.
 */
export interface KeyOrder {
  add(key: string): void
  remove(key: string): void
  /** Keys at or after `start`, in order. */
  from(start: string): Generator<string>
}

export function keyOrder(): KeyOrder {
  const runs: string[][] = []
  /** Added, and in no run yet. */
  const loose = new Set<string>()

  /** The run that holds `key` or would. */
  function runOf(key: string): number {
    let low = 0
    let high = runs.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (compareUtf8(firstOf(runs, middle), key) <= 0) low = middle
      else high = middle - 1
    }
    return low
  }

  function insert(key: string): void {
    const index = runOf(key)
    const run = runs[index]
    if (run === undefined) {
      runs.push([key])
      return
    }
    const at = lowerBound(run, key)
    if (run[at] === key) return
    run.splice(at, 0, key)
    if (run.length <= KEY_RUN_MAX) return
    // A key added at the very end leaves a full run behind: ascending keys are the common case.
    const keep = at === KEY_RUN_MAX ? KEY_RUN_MAX : KEY_RUN_MAX >> 1
    runs.splice(index + 1, 0, run.splice(keep))
  }

  return {
    add: (key) => void loose.add(key),
    remove(key) {
      loose.delete(key)
      const index = runOf(key)
      const run = runs[index]
      if (run === undefined) return
      const at = lowerBound(run, key)
      if (run[at] !== key) return
      run.splice(at, 1)
      if (run.length === 0) runs.splice(index, 1)
    },
    *from(start) {
      for (const key of loose) insert(key)
      loose.clear()
      const first = runOf(start)
      for (let index = first; index < runs.length; index++) {
        const run = runs[index] ?? []
        for (let at = index === first ? lowerBound(run, start) : 0; at < run.length; at++) yield run[at] ?? ''
      }
    },
  }
}

function firstOf(runs: readonly (readonly string[])[], index: number): string {
  return runs[index]?.[0] ?? ''
}

/** Where `key` is in a sorted run, or would go. */
function lowerBound(run: readonly string[], key: string): number {
  let low = 0
  let high = run.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (compareUtf8(run[middle] ?? '', key) < 0) low = middle + 1
    else high = middle
  }
  return low
}
