/** What a handler runs as: a component or an Extism plug-in, as its manifest says. */
import { TABLE_ELEMENTS_MAX } from '#host/limits.ts'

import { type Component, loadComponent } from './component/load.ts'
import { type ExtismModule, loadExtism } from './extism/load.ts'
import type { Manifest } from './manifest.ts'

/** Passes by structured clone. */
export type Program = Component | ExtismModule

/**
 * `seen` is shown each core module as the engine gets it.
 *
 * @throws Refusal component-invalid / too-large
 */
export function loadProgram(
  bytes: Uint8Array,
  { runtime, limits, needs }: Manifest,
  seen?: (module: Uint8Array) => void,
): Program {
  const { memoryBytes, fuel } = limits
  const bounds = { memoryBytesMax: memoryBytes, tableElementsMax: TABLE_ELEMENTS_MAX, fuel, seen }
  return runtime === 'component' ? loadComponent(bytes, bounds) : loadExtism(bytes, { ...bounds, random: needs.random })
}

export function isExtism(program: Program): program is ExtismModule {
  return 'module' in program
}
