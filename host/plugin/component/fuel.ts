/**
 * Fuel: a counter in every core module with code, which each function entry and each turn of a loop takes one from. At
 * its end the code traps. So no call runs on for ever, and one that would ends in its cell, which lives on.
 *
 * Every way to run on passes a probe: a jump back needs a loop header, all else needs a call, and a call to a short leaf
 * is paid for by its caller. What one instruction can do is bounded by the memory and tables it works on; the deadline
 * holds the rest.
 */
import type { CoreModule } from './core-module.ts'
import type { FunctionCode } from './core-code.ts'
import { encodeS32, encodeU32 } from './leb.ts'

/** The name each module exports its counter under. */
export const fuelExport = 'trellis:state/fuel'

/** The counter, as a section entry: `(global (mut i32) (i32.const fuel))`. */
export function fuelGlobal(fuel: number): number[] {
  return [0x7f, 0x01, 0x41, ...encodeS32(fuel), 0x0b]
}

/** Whether a module has code to count. */
export function isMetered({ code }: CoreModule): boolean {
  return code.functions.length > 0
}

/**
 * The body of the code section with a probe at every entry and loop header.
 *
 * A probe leaves the stack as it is: `global = global - 1; if (global < 0) unreachable`.
 */
export function meteredCode({ bytes, code, globals }: CoreModule): Uint8Array {
  const index = encodeU32(globals)
  const take = [0x23, ...index, 0x41, 0x01, 0x6b, 0x24, ...index]
  const probe = [...take, 0x23, ...index, 0x41, 0x00, 0x48, 0x04, 0x40, 0x00, 0x0b]
  const sizes = code.functions.map(({ from, to, probes }) => encodeU32(to - from + probes.length * probe.length))
  const count = encodeU32(code.functions.length)
  const length = code.functions.reduce(
    (sum, body, at) => sum + (sizes[at]?.length ?? 0) + body.to - body.from + body.probes.length * probe.length,
    count.length,
  )
  const out = new Uint8Array(length)
  let at = 0
  const put = (part: Uint8Array | readonly number[]): void => {
    out.set(part, at)
    at += part.length
  }
  put(count)
  const putFunction = ({ from, to, probes }: FunctionCode): void => {
    let copied = from
    for (const place of probes) {
      put(bytes.subarray(copied, place))
      put(probe)
      copied = place
    }
    put(bytes.subarray(copied, to))
  }
  for (const [place, body] of code.functions.entries()) {
    put(sizes[place] ?? [])
    putFunction(body)
  }
  return out
}

export interface Tank {
  /** Before each call. */
  fill(): void
  /** Whether some module has run out, or all together have used more than one of them may. */
  isSpent(): boolean
}

/** The counters of an instance. Each holds the whole fuel; what they took together is counted when a call is over. */
export function openTank(instances: readonly WebAssembly.Instance[], fuel: number): Tank {
  const counters = instances.flatMap((instance) => {
    const counter = instance.exports[fuelExport]
    return counter instanceof WebAssembly.Global ? [counter] : []
  })
  return {
    fill() {
      for (const counter of counters) counter.value = fuel
    },
    isSpent() {
      let left = fuel
      for (const counter of counters) left -= fuel - Number(counter.value)
      return left < 0
    },
  }
}
