/** From component bytes to something that can be instantiated: decoded, vetted, linked, patched and compiled. */
import { Refusal } from '#host/errors.ts'
import { COMPONENT_BYTES_MAX } from '#host/limits.ts'
import {
  CORE_FUNCTIONS_MAX,
  CORE_IMPORTS_MAX,
  CORE_INSTANCES_MAX,
  CORE_MEMORIES_MAX,
  CORE_SEGMENTS_MAX,
  CORE_TABLES_MAX,
  HANDLER_FUEL,
  MUTABLE_GLOBALS_MAX,
  TABLE_COPY_ELEMENTS_MAX,
} from '#host/plugin/limits.ts'

import { type CoreModule, readCoreModule } from './core-module.ts'
import { invalid, openQuota } from './cursor.ts'
import { decodeComponent } from './decode.ts'
import { type Linked, linkComponent } from './link.ts'
import { patchModule } from './patch.ts'
import type { ImportPlan, Plan } from './plan.ts'
import { isFixedWasi } from './wasi.ts'

export interface LoadLimits {
  /** Of all linear memories of an instance together. */
  readonly memoryBytesMax: number
  /** Of each table. */
  readonly tableElementsMax: number
  /** Function entries and loop turns of one call: `HANDLER_FUEL` when absent. Unmetered only to measure the cost. */
  readonly fuel?: number | 'unmetered'
  /** Shown the bytes of each core module as the engine gets them, in order. */
  readonly seen?: ((module: Uint8Array) => void) | undefined
}

/** Passes by structured clone: a worker gets it without compiling again. */
export interface Component {
  readonly modules: readonly WebAssembly.Module[]
  readonly plan: Plan
  /**
   * Names of the interfaces it imports something live from: functions or resources. Interfaces of types alone, and
   * what the fixed WASI table answers, are left out.
   */
  readonly imports: readonly string[]
  /** Functions to call: `handle`, or `interface#function`. */
  readonly exports: readonly string[]
}

export const PAGE_BYTES = 65_536

/** @throws Refusal component-invalid / too-large */
export function loadComponent(bytes: Uint8Array, limits: LoadLimits): Component {
  if (bytes.length > COMPONENT_BYTES_MAX) {
    throw new Refusal('too-large', `component: ${bytes.length} bytes, more than ${COMPONENT_BYTES_MAX}`)
  }
  const quota = openQuota()
  const decoded = decodeComponent(bytes, quota)
  const cores = decoded.modules.map((module) => readCoreModule(module, quota))
  vetSizes(cores)
  const linked = linkComponent(decoded.root, cores)
  const memoryPages = shareMemory(linked, cores, Math.floor(limits.memoryBytesMax / PAGE_BYTES))
  const instances = linked.instances.flatMap(({ module }) => cores[module] ?? [])
  vetCounts(instances, limits.tableElementsMax)
  const { tableElementsMax } = limits
  const fuel = fuelOf(limits)
  const modules = cores.map((core, index) => {
    const memoryPagesMax = memoryPages[index] ?? 0
    const patched = patchModule(core, { memoryPagesMax, tableElementsMax, fuel })
    limits.seen?.(patched)
    return compile(patched)
  })
  const plan: Plan = {
    resources: linked.resources,
    imports: linked.imports,
    instances: linked.instances,
    trampolines: linked.trampolines,
    lifts: linked.lifts,
    exports: linked.exports,
    components: linked.components,
    ...planReset(instances),
    memoryPagesMax: Math.max(0, ...memoryPages),
    fuel,
  }
  return { modules, plan, imports: namedImports(linked), exports: linked.exports.map((item) => item.name) }
}

/** @throws Refusal component-invalid when V8 does not take it */
export function compile(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  try {
    return new WebAssembly.Module(bytes)
  } catch (error) {
    throw invalid('a core module is not valid', error)
  }
}

/**
 * The maximum of each module's memory, in pages. The memory that starts largest may grow by what the minima leave of
 * the limit; the others (of linker shims) stay as they start. So no arrangement of modules holds more than the limit.
 */
function shareMemory(linked: Linked, cores: readonly CoreModule[], pagesMax: number): number[] {
  const counts = cores.map((_, index) => linked.instances.filter((instance) => instance.module === index).length)
  const minima = cores.map((core) => core.memory?.min ?? 0)
  const total = minima.reduce((sum, min, index) => sum + min * (counts[index] ?? 0), 0)
  if (total > pagesMax) {
    throw new Refusal('too-large', `component: starts with ${total * PAGE_BYTES} bytes of memory: raise its limit`)
  }
  const candidates = cores.map((core, index) =>
    core.memory !== undefined && counts[index] === 1 ? core.memory.min : -1,
  )
  const main = candidates.indexOf(Math.max(0, ...candidates))
  return minima.map((min, index) => (index === main ? min + pagesMax - total : min))
}

/** What one call may use; undefined when it is not counted. */
export function fuelOf({ fuel }: LoadLimits): number | undefined {
  return fuel === 'unmetered' ? undefined : (fuel ?? HANDLER_FUEL)
}

/** What the engine would build for each module before a single instruction runs. */
export function vetSizes(cores: readonly CoreModule[]): void {
  const counted = [
    ['functions', cores.map(({ functions }) => functions.length), CORE_FUNCTIONS_MAX],
    ['imports', cores.map(({ imports }) => imports.length), CORE_IMPORTS_MAX],
    ['segments', cores.map(({ segments }) => segments), CORE_SEGMENTS_MAX],
  ] as const
  for (const [what, counts, max] of counted) {
    const count = counts.reduce((sum, each) => sum + each, 0)
    if (count > max) throw new Refusal('too-large', `component: ${count} core ${what}, more than ${max}`)
  }
}

/** Tables and memories cost address space even when empty, instances a little of everything. */
export function vetCounts(instances: readonly CoreModule[], elementsMax: number): void {
  const memories = instances.filter((core) => core.memory !== undefined).length
  const tables = instances.flatMap((core) => core.tables)
  if (instances.length > CORE_INSTANCES_MAX || memories > CORE_MEMORIES_MAX || tables.length > CORE_TABLES_MAX) {
    const found = `${instances.length} core instances, ${memories} memories, ${tables.length} tables`
    throw new Refusal('too-large', `component: ${found}`)
  }
  for (const table of tables) {
    if (table.min > elementsMax) throw new Refusal('too-large', `component: a table of ${table.min} elements`)
  }
}

/** What a reset of these core instances takes. */
export function planReset(instances: readonly CoreModule[]): Pick<Plan, 'copiesTables' | 'isResettable'> {
  const globals = instances.reduce((sum, core) => sum + core.mutableGlobals.length, 0)
  const elements = instances.flatMap((core) => core.tables).reduce((sum, table) => sum + table.min, 0)
  if (globals > MUTABLE_GLOBALS_MAX) throw new Refusal('too-large', `component: ${globals} mutable globals`)
  const copiesTables = instances.some((core) => core.code.writesTables)
  const dropsSegments = instances.some((core) => core.code.dropsSegments)
  return { copiesTables, isResettable: !dropsSegments && (!copiesTables || elements <= TABLE_COPY_ELEMENTS_MAX) }
}

function namedImports(linked: Linked): string[] {
  const names = [
    ...linked.imports.map(nameOf),
    ...linked.resources.flatMap(({ name, owner }) =>
      owner.kind === 'host' ? [nameOf({ interface: owner.interface, name })] : [],
    ),
  ]
  return [...new Set(names)].filter((name) => !isFixedWasi(name)).sort()
}

function nameOf({ interface: owner, name }: Pick<ImportPlan, 'interface' | 'name'>): string {
  return owner === '$root' ? name : owner
}
