/** What a value needs to cross the boundary: the guest's memory, its allocator, its handles and the call's budget. */
import type { ComponentState, Loans } from './handles.ts'
import { lied, Trap } from './trap.ts'

export type CoreValue = number | bigint
export type CoreFunction = (...args: CoreValue[]) => CoreValue | undefined

/** One running instance: shared by all its contexts. */
export interface Run extends Loans {
  /** Depth of export calls; at 0 the guest has no business with the host. */
  depth: number
  /** Bytes the guest may still hand over in this lift. */
  budget: number
  readonly liftBytesMax: number
}

/** The canonical options of one function, bound to an instance. */
export interface Context {
  readonly run: Run
  readonly component: ComponentState
  readonly memory: WebAssembly.Memory | undefined
  readonly realloc: CoreFunction | undefined
  /** Views of the memory. Growth detaches them: `refresh` after every call into the guest. */
  bytes: Uint8Array
  view: DataView
}

export function openContext(parts: Omit<Context, 'bytes' | 'view'>): Context {
  const buffer = parts.memory?.buffer ?? new ArrayBuffer(0)
  return { ...parts, bytes: new Uint8Array(buffer), view: new DataView(buffer) }
}

/** A detached view has length 0. */
export function refresh(context: Context): void {
  if (context.bytes.length !== 0 || context.memory === undefined) return
  context.bytes = new Uint8Array(context.memory.buffer)
  context.view = new DataView(context.memory.buffer)
}

/** Checks a pointer the guest gave. @throws Trap lied */
export function checkRange(context: Context, pointer: number, size: number, align: number): number {
  const at = pointer >>> 0
  if (at % align !== 0) throw lied(`pointer ${at} is not aligned to ${align}`)
  if (at + size > context.bytes.length) throw lied(`${size} bytes at ${at} leave the memory`)
  return at
}

/** Takes bytes from the lift budget. @throws Trap output */
export function spend(context: Context, size: number): void {
  context.run.budget -= size
  if (context.run.budget < 0) throw new Trap('output', `more than ${context.run.liftBytesMax} bytes handed over`)
}

/** Asks the guest for memory. @throws Trap lied when what it gives is not usable */
export function allocate(context: Context, size: number, align: number): number {
  if (context.realloc === undefined) throw lied('no realloc')
  const pointer = context.realloc(0, 0, align, size)
  refresh(context)
  if (typeof pointer !== 'number') throw lied('realloc gave no pointer')
  return checkRange(context, pointer, size, align)
}

export function numberAt(flat: readonly CoreValue[], at: number): number {
  const value = flat[at]
  if (typeof value !== 'number') throw lied(`core value ${at} is not a number`)
  return value
}

export function bigintAt(flat: readonly CoreValue[], at: number): bigint {
  const value = flat[at]
  if (typeof value !== 'bigint') throw lied(`core value ${at} is not a 64-bit integer`)
  return value
}
