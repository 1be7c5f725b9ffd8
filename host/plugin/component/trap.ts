/** How a guest's call ends badly, and how a host function says `err`. */

/**
 * - `trap`: it hit `unreachable`, divided by zero, left its memory, exited.
 * - `stack`: it recursed past the end of the stack.
 * - `fuel`: it made more function calls and loop turns than one call may.
 * - `deadline`: it had its time.
 * - `memory`: it trapped while holding most of the memory it may have.
 * - `lied`: it broke the canonical ABI: a handle it does not hold, a pointer out of range, text that is not UTF-8.
 * - `output`: it handed over more than the host lifts.
 */
export type TrapReason = 'trap' | 'stack' | 'fuel' | 'deadline' | 'memory' | 'lied' | 'output'

/** The guest's failure. The instance it came from is spent. */
export class Trap extends Error {
  override readonly name = 'Trap'
  readonly reason: TrapReason

  constructor(reason: TrapReason, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.reason = reason
  }
}

/** Thrown by a host function whose WIT result is a `result`: the guest gets `err` with this payload. */
export class HostError extends Error {
  override readonly name = 'HostError'
  readonly payload: unknown

  constructor(payload?: unknown) {
    super('the host answers err')
    this.payload = payload
  }
}

export function lied(what: string): Trap {
  return new Trap('lied', what)
}

export function outOfFuel(fuel: number | undefined, cause?: unknown): Trap {
  return new Trap('fuel', `made more than ${fuel} calls and loop turns`, { cause })
}

/** The engine's errors become traps; what host functions threw passes unchanged. */
export function toTrap(error: unknown, isFull: () => boolean): unknown {
  if (error instanceof RangeError && error.message.includes('call stack')) {
    return new Trap('stack', 'recursed too deeply', { cause: error })
  }
  if (error instanceof WebAssembly.LinkError) return new Trap('lied', error.message, { cause: error })
  if (!(error instanceof WebAssembly.RuntimeError)) return error
  // Of what this host runs, only a start function at the end of its fuel calls what is not there yet.
  if (error.message === 'dereferencing a null pointer') {
    return new Trap('fuel', 'made too many calls and loop turns to start', { cause: error })
  }
  return new Trap(isFull() ? 'memory' : 'trap', error.message, { cause: error })
}
