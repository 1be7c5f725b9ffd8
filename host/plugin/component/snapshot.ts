/** An instance's state right after instantiation, and the way back to it. */
import type { ComponentState, Handle } from './handles.ts'
import { disposeOf } from './handles.ts'
import { fuelExport, pumpExport } from './fuel.ts'
import { type MemoryImage, takeImage } from './memory-image.ts'
import { statePrefix } from './patch.ts'

export interface Snapshot {
  /** Puts everything back. False when it cannot: a memory or a table has grown. */
  restore(): boolean
  /** Bytes of all linear memories now. */
  readonly memoryBytes: number
}

interface MemoryState {
  readonly memory: WebAssembly.Memory
  readonly image: MemoryImage
  live: Buffer
}

/** `copiesTables` is false when no code can write them: then only their size could have changed, and has not. */
export function takeSnapshot(
  instances: readonly WebAssembly.Instance[],
  components: readonly ComponentState[],
  copiesTables: boolean,
): Snapshot {
  const state = collectState(instances)
  const memories = state.memories.map((memory): MemoryState => {
    const live = Buffer.from(memory.buffer)
    return { memory, live, image: takeImage(live) }
  })
  const globals = state.globals.map((global) => ({ global, value: readGlobal(global) }))
  const tables = copiesTables ? state.tables.map((table) => ({ table, elements: readTable(table) })) : []
  const handles = components.map((component) => ({ component, entries: copyHandles(component) }))
  return {
    get memoryBytes() {
      return memories.reduce((sum, { memory }) => sum + memory.buffer.byteLength, 0)
    },
    restore() {
      if (tables.some(({ table, elements }) => table.length !== elements.length)) return false
      // Growth, even by nothing, detaches the view.
      for (const state of memories) {
        if (state.live.length === state.image.length) continue
        state.live = Buffer.from(state.memory.buffer)
        if (state.live.length !== state.image.length) return false
      }
      for (const { live, image } of memories) image.restore(live)
      for (const { global, value } of globals) global.value = value
      for (const { table, elements } of tables) writeTable(table, elements)
      for (const { component, entries } of handles) restoreHandles(component, entries)
      return true
    },
  }
}

interface State {
  readonly memories: WebAssembly.Memory[]
  readonly tables: WebAssembly.Table[]
  readonly globals: WebAssembly.Global[]
}

/** What the patch exported of each module. */
function collectState(instances: readonly WebAssembly.Instance[]): State {
  const state: State = { memories: [], tables: [], globals: [] }
  for (const [name, item] of instances.flatMap((instance) => Object.entries(instance.exports))) {
    // Fuel is filled up before each call, whatever was left.
    if (!name.startsWith(statePrefix) || name === fuelExport || name === pumpExport) continue
    if (item instanceof WebAssembly.Memory) state.memories.push(item)
    else if (item instanceof WebAssembly.Table) state.tables.push(item)
    else if (item instanceof WebAssembly.Global) state.globals.push(item)
  }
  return state
}

function readGlobal(global: WebAssembly.Global): unknown {
  return global.value
}

function readTable(table: WebAssembly.Table): unknown[] {
  return Array.from({ length: table.length }, (_, index): unknown => table.get(index))
}

function writeTable(table: WebAssembly.Table, elements: readonly unknown[]): void {
  for (const [index, element] of elements.entries()) {
    if (table.get(index) !== element) table.set(index, element)
  }
}

interface HandleCopy {
  readonly handles: readonly (Handle | undefined)[]
  readonly free: readonly number[]
}

function copyHandles(component: ComponentState): HandleCopy {
  return { handles: [...component.handles], free: [...component.free] }
}

/** Handles the call left behind are disposed of: the guest did not drop them. */
function restoreHandles(component: ComponentState, { handles, free }: HandleCopy): void {
  const { handles: live } = component
  for (let index = 1; index < live.length; index += 1) {
    const handle = live[index]
    if (handle?.isOwn === true && handle !== handles[index]) disposeOf(handle.value)
  }
  live.length = 0
  live.push(...handles)
  component.free.length = 0
  component.free.push(...free)
  component.borrows = 0
}
