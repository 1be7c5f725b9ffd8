/** From a plug-in's bytes to something that can be instantiated: vetted, patched and compiled. */
import { Refusal } from '#host/errors.ts'
import { COMPONENT_BYTES_MAX } from '#host/limits.ts'
import { EXTISM_BLOCK_BYTES_MAX } from '#host/plugin/limits.ts'

import { type CoreModule, readCoreModule } from '../component/core-module.ts'
import { openQuota } from '../component/cursor.ts'
import { compile, fuelOf, type LoadLimits, PAGE_BYTES, planReset, vetCounts, vetSizes } from '../component/load.ts'
import { patchModule } from '../component/patch.ts'
import { userFunctions } from './user.ts'
import { wasiModule, wasiSignatures } from './wasi.ts'

/** Passes by structured clone: a worker gets it without compiling again. */
export interface ExtismModule {
  readonly module: WebAssembly.Module
  /** Interfaces of `wit/` whose functions it imports: what its manifest must need. */
  readonly needs: readonly string[]
  readonly exports: readonly string[]
  /** Random bytes were granted: its runtime may have them too. */
  readonly random: boolean
  /** Its linear memory and the blocks it shares with the host come to the limit. */
  readonly memoryPagesMax: number
  readonly blockBytesMax: number
  /** Function entries and loop turns of one call; absent when they are not counted. */
  readonly fuel: number | undefined
  readonly copiesTables: boolean
  readonly isResettable: boolean
}

export interface ExtismLimits extends LoadLimits {
  readonly random: boolean
}

const envModule = 'extism:host/env'
const userModule = 'extism:host/user'

/** Signatures of Extism's kernel. `http_request` and its kin are not here: there is no network. */
const envSignatures: ReadonlyMap<string, string> = new Map([
  ['alloc', 'l:l'],
  ['free', 'l:'],
  ['length', 'l:l'],
  ['length_unsafe', 'l:l'],
  ['load_u8', 'l:i'],
  ['load_u64', 'l:l'],
  ['store_u8', 'li:'],
  ['store_u64', 'll:'],
  ['input_length', ':l'],
  ['input_offset', ':l'],
  ['input_load_u8', 'l:i'],
  ['input_load_u64', 'l:l'],
  ['output_set', 'll:'],
  ['error_set', 'l:'],
  ['config_get', 'l:l'],
  ['var_get', 'l:l'],
  ['var_set', 'll:'],
  ['get_log_level', ':i'],
  ['log_trace', 'l:'],
  ['log_debug', 'l:'],
  ['log_info', 'l:'],
  ['log_warn', 'l:'],
  ['log_error', 'l:'],
])

/** @throws Refusal component-invalid / too-large that lists every import it may not have */
export function loadExtism(bytes: Uint8Array, limits: ExtismLimits): ExtismModule {
  if (bytes.length > COMPONENT_BYTES_MAX) {
    throw new Refusal('too-large', `plug-in: ${bytes.length} bytes, more than ${COMPONENT_BYTES_MAX}`)
  }
  const core = readCoreModule(bytes, openQuota())
  const found = [...importMistakes(core), ...exportMistakes(core)]
  if (found.length > 0) throw new Refusal('component-invalid', `plug-in: ${found.join('; ')}`)
  vetSizes([core])
  vetCounts([core], limits.tableElementsMax)
  const blockBytesMax = Math.min(EXTISM_BLOCK_BYTES_MAX, Math.floor(limits.memoryBytesMax / 2))
  const memoryPagesMax = Math.floor((limits.memoryBytesMax - blockBytesMax) / PAGE_BYTES)
  if ((core.memory?.min ?? 0) > memoryPagesMax) {
    const start = (core.memory?.min ?? 0) * PAGE_BYTES
    throw new Refusal('too-large', `plug-in: starts with ${start} bytes of memory: raise its limit`)
  }
  const fuel = fuelOf(limits)
  const patched = patchModule(core, { memoryPagesMax, tableElementsMax: limits.tableElementsMax, fuel })
  limits.seen?.(patched)
  return {
    module: compile(patched),
    needs: neededBy(core),
    exports: [...core.exports].flatMap(([name, { sort }]) => (sort === 'func' ? [name] : [])),
    random: limits.random,
    memoryPagesMax,
    blockBytesMax,
    fuel,
    ...planReset([core]),
  }
}

function importMistakes(core: CoreModule): string[] {
  return core.imports.flatMap(({ module, name, sort, signature }) => {
    const expected = sort === 'func' ? signatureOf(module, name) : undefined
    const shown = JSON.stringify(`${module} ${name}`)
    if (expected === undefined) return [`imports ${shown}, which there is not`]
    return expected === signature ? [] : [`imports ${shown} with another type`]
  })
}

function signatureOf(module: string, name: string): string | undefined {
  if (module === envModule) return envSignatures.get(name)
  if (module === wasiModule) return wasiSignatures.get(name)
  return module === userModule && userFunctions.has(name) ? 'l:l' : undefined
}

/** Extism's one calling convention, and the start of a reactor. A command's `_start` would run once and exit. */
function exportMistakes({ exports }: CoreModule): string[] {
  const handle = exports.get('handle')
  const start = exports.get('_initialize')
  return [
    ...(handle?.signature === ':i' ? [] : ['exports no handle that takes nothing and gives an i32']),
    ...(start === undefined || start.signature === ':' ? [] : ['exports _initialize with another type']),
    ...(exports.has('_start') ? ['exports _start: build it as a reactor'] : []),
  ]
}

function neededBy({ imports }: CoreModule): string[] {
  const needs = imports.flatMap(({ module, name }) => {
    if (module === envModule) return name.startsWith('log_') ? ['log'] : []
    return userFunctions.get(module === userModule ? name : '') ?? []
  })
  return [...new Set(needs)].sort()
}
