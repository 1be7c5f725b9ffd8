/**
 * Calls out of a module. A turn of a loop that makes one takes a hundred times as long as another, for the same fuel:
 * by fuel alone an event would be asked too late whether it has had its time.
 */
import { CALLS_PER_LOOK } from '#host/plugin/limits.ts'

import type { CoreFunction } from './context.ts'
import { Trap } from './trap.ts'

/** Puts a function that a module imports under the clock. All that one is given share one count. */
export type Toll = (call: CoreFunction) => CoreFunction

/** @param isLate is asked at every so many calls */
export function openToll(isLate: () => boolean): Toll {
  let left = CALLS_PER_LOOK
  return (call) =>
    (...args) => {
      if (--left === 0) {
        left = CALLS_PER_LOOK
        if (isLate()) throw new Trap('deadline', 'ran past its deadline')
      }
      return call(...args)
    }
}
