/**
 * Fuel: a counter in every core module with code. Each function entry and each turn of a loop takes one; at its end
 * the code traps. So no call runs on for ever, and one that would ends in its cell, which lives on.
 *
 * Every way to run on passes a probe: a jump back needs a loop header, all else a call, and a call to a short leaf is
 * paid for by its caller. Bulk instructions pay by their length: V8 does not look for a terminated thread in a loop
 * around one, so that without fuel such a loop outlives its deadline.
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
 * The body of the code section with fuel taken at every probe.
 *
 * A probe leaves the stack as it is: `global = global - cost; if (global < 0) unreachable`.
 */
export function meteredCode(module: CoreModule): Uint8Array {
  const { code, functions } = module
  const imported = functions.length - code.functions.length
  const index = encodeU32(module.globals)
  const end = [0x6b, 0x24, ...index, 0x23, ...index, 0x41, 0x00, 0x48, 0x04, 0x40, 0x00, 0x0b]
  const single = [0x23, ...index, 0x41, 0x01, ...end]
  /** The length stays on the stack; a local variable of our own has a copy. */
  const bulk = (local: number, shift: number): number[] => {
    const at = encodeU32(local)
    return [0x22, ...at, 0x23, ...index, 0x20, ...at, 0x41, shift, 0x76, ...end]
  }
  const parts: (Uint8Array | readonly number[])[] = [encodeU32(code.functions.length)]
  for (const [place, body] of code.functions.entries()) {
    const parameters = functions[imported + place]?.indexOf(':') ?? 0
    const metered = meteredFunction(module, body, (shift) =>
      shift === undefined ? single : bulk(parameters + body.locals, shift),
    )
    parts.push(encodeU32(metered.reduce((sum, part) => sum + part.length, 0)))
    for (const part of metered) parts.push(part)
  }
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

function meteredFunction(
  { bytes }: CoreModule,
  { from, groupsAt, bodyAt, to, groups, probes }: FunctionCode,
  probeOf: (shift: number | undefined) => readonly number[],
): (Uint8Array | readonly number[])[] {
  const isBulk = probes.some(({ shift }) => shift !== undefined)
  const parts: (Uint8Array | readonly number[])[] = isBulk
    ? [encodeU32(groups + 1), bytes.subarray(groupsAt, bodyAt), [0x01, 0x7f]]
    : [bytes.subarray(from, bodyAt)]
  let copied = bodyAt
  for (const { at, shift } of probes) {
    parts.push(bytes.subarray(copied, at), probeOf(shift))
    copied = at
  }
  parts.push(bytes.subarray(copied, to))
  return parts
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
