/**
 * Fuel: a counter in every core module with code. Each function entry and each turn of a loop takes one; at its end
 * the code traps. So no call runs on for ever, and one that would ends in its cell, which lives on.
 *
 * Every way to run on passes a probe: a jump back needs a loop header, all else a call, and a call to a short function
 * without loops, with all that one calls, is paid for by its caller. Functions with loops that call nothing count in a
 * local variable, written back before each call and wherever they are left. Bulk instructions pay by their length: V8
 * does not look for a terminated thread in a loop around one, so that without fuel such a loop outlives its deadline.
 */
import { joinBytes } from '#host/wire/bytes.ts'

import type { CoreModule } from './core-module.ts'
import type { FunctionCode, Probe } from './core-code.ts'
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

/** The body of the code section with fuel taken at every probe. A probe leaves the stack as it is. */
export function meteredCode(module: CoreModule): Uint8Array {
  const { code, functions } = module
  const imported = functions.length - code.functions.length
  const parts: (Uint8Array | readonly number[])[] = [encodeU32(code.functions.length)]
  for (const [place, body] of code.functions.entries()) {
    const parameters = functions[imported + place]?.indexOf(':') ?? 0
    const metered = meteredFunction(module, body, parameters + body.locals)
    parts.push(encodeU32(metered.reduce((sum, part) => sum + part.length, 0)))
    for (const part of metered) parts.push(part)
  }
  return joinBytes(parts)
}

const [getLocal, setLocal, teeLocal, getGlobal, setGlobal] = [0x20, 0x21, 0x22, 0x23, 0x24]
const [constant, subtract, shiftRight] = [0x41, 0x6b, 0x76]
/** `i32.const 0; i32.lt_s; if` */
const ifNegative = [constant, 0x00, 0x48, 0x04, 0x40]
/** `unreachable; end` */
const stop = [0x00, 0x0b]

/** How the counter is read, and taken down to what is on the stack: with a trap below 0, where it is the module's. */
interface Counter {
  readonly read: readonly number[]
  readonly write: readonly number[]
  readonly save: readonly number[]
  readonly restore: readonly number[]
  /** Of one function's first probe. */
  readonly enter: readonly number[]
}

function globalCounter(global: readonly number[]): Counter {
  const read = [getGlobal, ...global]
  return { read, write: [setGlobal, ...global, ...read, ...ifNegative, ...stop], save: [], restore: [], enter: read }
}

function heldCounter(global: readonly number[], local: readonly number[]): Counter {
  const read = [getLocal, ...local]
  const save = [...read, setGlobal, ...global]
  const write = [teeLocal, ...local, ...ifNegative, ...save, ...stop]
  return { read, write, save, restore: [getGlobal, ...global, setLocal, ...local], enter: [getGlobal, ...global] }
}

/** The function with its probes. `next` is the index of the first local variable that is added. */
function meteredFunction(
  { bytes, globals }: CoreModule,
  { from, groupsAt, bodyAt, to, groups, probes, isHeld }: FunctionCode,
  next: number,
): (Uint8Array | readonly number[])[] {
  const global = encodeU32(globals)
  const length = encodeU32(next)
  const counter = isHeld ? heldCounter(global, encodeU32(next + 1)) : globalCounter(global)
  const take = [constant, 0x01, subtract, ...counter.write]
  const textOf = (probe: Probe): readonly number[] => {
    if (probe.kind === 'entry') return [...counter.enter, ...take]
    if (probe.kind === 'loop') return [...counter.read, ...take]
    if (probe.kind !== 'bulk') return counter[probe.kind]
    // The length stays on the stack; a local variable has a copy.
    const shifted = [getLocal, ...length, constant, probe.shift, shiftRight, subtract]
    return [teeLocal, ...length, ...counter.read, ...shifted, ...counter.write]
  }
  // Two variables at most: a length, and the counter.
  const added = isHeld ? 2 : probes.some(({ kind }) => kind === 'bulk') ? 1 : 0
  const parts: (Uint8Array | readonly number[])[] =
    added > 0
      ? [encodeU32(groups + 1), bytes.subarray(groupsAt, bodyAt), [added, 0x7f]]
      : [bytes.subarray(from, bodyAt)]
  let copied = bodyAt
  for (const probe of probes) {
    parts.push(bytes.subarray(copied, probe.at), textOf(probe))
    copied = probe.at
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
