/**
 * Fuel: a counter in every core module with code. Each function entry and each turn of a loop takes one. It is given
 * out in slices: at the end of each the code calls out, and gets the next one, or the call ends: of its fuel, or of its
 * deadline. So no call runs on for ever, and one that would ends in its cell, which lives on.
 *
 * Every way to run on passes a probe: a jump back needs a loop header, all else a call, and a call to a short function
 * without loops, with all that one calls, is paid for by its caller. Functions with loops that call nothing count in a
 * local variable, written back before each call and wherever they are left. Bulk instructions pay by their length: V8
 * does not look for a terminated thread in a loop around one, so that without fuel such a loop outlives its deadline.
 */
import { FUEL_SLICE } from '#host/plugin/limits.ts'
import { joinBytes } from '#host/wire/bytes.ts'

import type { CoreModule } from './core-module.ts'
import type { FunctionCode, Probe } from './core-code.ts'
import { encodeS32, encodeU32 } from './leb.ts'
import { outOfFuel, Trap } from './trap.ts'

/** The name each module exports its counter under. */
export const fuelExport = 'trellis:state/fuel'
/** … and the function it calls at the end of a slice. */
export const pumpExport = 'trellis:state/pump'

/** The type of the function: `(func)`. It is added after the module's own. */
export const pumpType: readonly number[] = [0x60, 0x00, 0x00]

/** The counter, as a section entry: `(global (mut i32) (i32.const fuel))`. */
export function fuelGlobal(fuel: number): number[] {
  return [0x7f, 0x01, 0x41, ...encodeS32(fuel), 0x0b]
}

/** The function, as a section entry: `(global (mut (ref null $type)) (ref.null $type))`. Until it is set, it traps. */
export function pumpGlobal(type: number): number[] {
  return [0x63, ...encodeS32(type), 0x01, 0xd0, ...encodeS32(type), 0x0b]
}

/** Whether a module has code to count. */
export function isMetered({ code }: CoreModule): boolean {
  return code.functions.length > 0
}

/** Code with fuel taken at every probe. */
export interface MeteredCode {
  /** The body of the code section. */
  readonly code: Uint8Array
  /** The body of a custom section before it: at no probe is fuel likely at its end. Without, V8 makes room for it. */
  readonly hints: Uint8Array
}

/** A probe leaves the stack as it is. Source of the hints: WebAssembly branch hinting, "Branch Hints Section". */
export function meteredCode(module: CoreModule): MeteredCode {
  const { code, functions } = module
  const imported = functions.length - code.functions.length
  const parts: (Uint8Array | readonly number[])[] = [encodeU32(code.functions.length)]
  const hints: (readonly number[])[] = []
  for (const [place, body] of code.functions.entries()) {
    const parameters = functions[imported + place]?.indexOf(':') ?? 0
    const metered = meteredFunction(module, body, parameters + body.locals)
    parts.push(encodeU32(metered.parts.reduce((sum, part) => sum + part.length, 0)))
    for (const part of metered.parts) parts.push(part)
    if (metered.branches.length === 0) continue
    hints.push([...encodeU32(imported + place), ...encodeU32(metered.branches.length)])
    for (const at of metered.branches) hints.push([...encodeU32(at), ...unlikely])
  }
  const hinted = code.functions.filter(({ probes }) => probes.some(takes)).length
  return { code: joinBytes(parts), hints: joinBytes([hintsName, encodeU32(hinted), ...hints]) }
}

const hintsText = new TextEncoder().encode('metadata.code.branch_hint')
const hintsName = Uint8Array.of(hintsText.length, ...hintsText)
/** A hint of one byte: not taken. */
const unlikely = [0x01, 0x00]

function takes({ kind }: Probe): boolean {
  return kind !== 'save' && kind !== 'restore'
}

const [getLocal, setLocal, teeLocal, getGlobal, setGlobal] = [0x20, 0x21, 0x22, 0x23, 0x24]
const [constant, subtract, shiftRight] = [0x41, 0x6b, 0x76]
/** `i32.const 0; i32.lt_s; if` */
const ifNegative = [constant, 0x00, 0x48, 0x04, 0x40]
const end = 0x0b
const callReference = 0x14

/** How the counter is read, and taken down to what is on the stack: below 0, once it is the module's, it calls out. */
interface Counter {
  readonly read: readonly number[]
  readonly write: readonly number[]
  readonly save: readonly number[]
  readonly restore: readonly number[]
  /** Of one function's first probe. */
  readonly enter: readonly number[]
  /** Bytes of `write` from its `if` on. */
  readonly branch: number
}

function globalCounter(global: readonly number[], pump: readonly number[]): Counter {
  const read = [getGlobal, ...global]
  const write = [setGlobal, ...global, ...read, ...ifNegative, ...pump, end]
  return { read, write, save: [], restore: [], enter: read, branch: pump.length + 3 }
}

function heldCounter(global: readonly number[], pump: readonly number[], local: readonly number[]): Counter {
  const read = [getLocal, ...local]
  const save = [...read, setGlobal, ...global]
  const restore = [getGlobal, ...global, setLocal, ...local]
  const write = [teeLocal, ...local, ...ifNegative, ...save, ...pump, ...restore, end]
  const branch = save.length + pump.length + restore.length + 3
  return { read, write, save, restore, enter: [getGlobal, ...global], branch }
}

/** The function with its probes, and where it branches. `next` is the first local variable that is added. */
function meteredFunction(
  { bytes, globals, types }: CoreModule,
  { from, groupsAt, bodyAt, to, groups, probes, isHeld }: FunctionCode,
  next: number,
): { readonly parts: readonly (Uint8Array | readonly number[])[]; readonly branches: readonly number[] } {
  const global = encodeU32(globals)
  const size = encodeU32(next)
  const pump = [getGlobal, ...encodeU32(globals + 1), callReference, ...encodeU32(types)]
  const counter = isHeld ? heldCounter(global, pump, encodeU32(next + 1)) : globalCounter(global, pump)
  const take = [constant, 0x01, subtract, ...counter.write]
  const textOf = (probe: Probe): readonly number[] => {
    if (probe.kind === 'entry') return [...counter.enter, ...take]
    if (probe.kind === 'loop') return [...counter.read, ...take]
    if (probe.kind !== 'bulk') return counter[probe.kind]
    // The length stays on the stack; a local variable has a copy.
    const shifted = [getLocal, ...size, constant, probe.shift, shiftRight, subtract]
    return [teeLocal, ...size, ...counter.read, ...shifted, ...counter.write]
  }
  // Two variables at most: a length, and the counter.
  const added = isHeld ? 2 : probes.some(({ kind }) => kind === 'bulk') ? 1 : 0
  const parts: (Uint8Array | readonly number[])[] =
    added > 0
      ? [encodeU32(groups + 1), bytes.subarray(groupsAt, bodyAt), [added, 0x7f]]
      : [bytes.subarray(from, bodyAt)]
  const branches: number[] = []
  let length = parts.reduce((sum, part) => sum + part.length, 0)
  let copied = bodyAt
  for (const probe of probes) {
    const text = textOf(probe)
    parts.push(bytes.subarray(copied, probe.at), text)
    length += probe.at - copied + text.length
    if (takes(probe)) branches.push(length - counter.branch)
    copied = probe.at
  }
  parts.push(bytes.subarray(copied, to))
  return { parts, branches }
}

export interface Tank {
  /** Before each call. */
  fill(): void
  /** Whether all modules together have used more than one of them may. */
  isSpent(): boolean
}

/** What one call may use. */
export interface TankLimits {
  readonly fuel: number
  /** Whether the call has had its time; asked at the end of every slice. */
  readonly isLate: (() => boolean) | undefined
}

/** One module's counter, and how much it was given in this call. */
interface Gauge {
  readonly counter: WebAssembly.Global
  given: number
}

/**
 * The counters of an instance, which each get a slice at a time. At the end of one, and when the call is over, what all
 * took together is counted.
 */
export function openTank(instances: readonly WebAssembly.Instance[], { fuel, isLate }: TankLimits): Tank {
  const gauges: Gauge[] = []
  const left = (): number => {
    let rest = fuel
    for (const { counter, given } of gauges) rest += Number(counter.value) - given
    return rest
  }
  const first = Math.min(FUEL_SLICE, fuel)
  const give = (gauge: Gauge, most: number): void => {
    const slice = Math.min(FUEL_SLICE, most)
    gauge.given += slice - Number(gauge.counter.value)
    gauge.counter.value = slice
  }
  // The guest cannot catch what this throws: code with handlers of exceptions is not run.
  const pump = coreFunction(() => {
    if (isLate?.() === true) throw new Trap('deadline', 'ran past its deadline')
    const rest = left()
    if (rest < 0) throw outOfFuel(fuel)
    for (const gauge of gauges) if (Number(gauge.counter.value) < 0) give(gauge, rest)
  })
  for (const { exports } of instances) {
    const { [fuelExport]: counter, [pumpExport]: place } = exports
    if (!(counter instanceof WebAssembly.Global) || !(place instanceof WebAssembly.Global)) continue
    gauges.push({ counter, given: 0 })
    place.value = pump
  }
  return {
    fill() {
      for (const gauge of gauges) {
        gauge.given = first
        gauge.counter.value = first
      }
    },
    isSpent: () => left() < 0,
  }
}

/** `(module (import "" "" (func)) (export "" (func 0)))` */
const reexport = Uint8Array.from(
  [
    [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x04, 0x01, ...pumpType],
    [0x02, 0x05, 0x01, 0x00, 0x00, 0x00, 0x00, 0x07, 0x04, 0x01, 0x00, 0x00, 0x00],
  ].flat(),
)
let reexporting: WebAssembly.Module | undefined

/** The function as one of WebAssembly's own: such alone a typed reference refers to. */
function coreFunction(run: () => void): unknown {
  reexporting ??= new WebAssembly.Module(reexport)
  const imported = (): undefined => {
    run()
    return undefined
  }
  return new WebAssembly.Instance(reexporting, { '': { '': imported } }).exports['']
}
