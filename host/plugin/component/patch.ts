/**
 * Rewrites a core module so that it can be held: maxima on its memory and tables, fuel, and exports for the state a
 * reset must reach. What cannot be patched is refused. Custom sections (names, producers) are left out.
 */
import { joinBytes } from '#host/wire/bytes.ts'

import { invalid, openCursor, openQuota, readBytes, readSections, readU32 } from './cursor.ts'
import type { CoreModule, Limits, TableType } from './core-module.ts'
import { fuelExport, fuelGlobal, isMetered, meteredCode, pumpExport, pumpGlobal, pumpType } from './fuel.ts'
import { encodeU32 } from './leb.ts'

export interface PatchLimits {
  readonly memoryPagesMax: number
  readonly tableElementsMax: number
  /** Of one call; undefined leaves the code as it is, for measuring what fuel costs. */
  readonly fuel: number | undefined
}

/** Names of the added exports: `trellis:state/memory/0`, `.../table/0`, `.../global/0`. */
export const statePrefix = 'trellis:state/'

/** @returns the bytes to compile */
export function patchModule(module: CoreModule, limits: PatchLimits): Uint8Array<ArrayBuffer> {
  for (const name of module.exports.keys()) {
    if (name.startsWith(statePrefix)) throw invalid(`core export "${name}" is reserved`)
  }
  const cursor = openCursor(module.bytes, openQuota())
  const parts: Uint8Array[] = [readBytes(cursor, 8)]
  const { fuel } = limits
  const isCounted = fuel !== undefined && isMetered(module)
  const names = isCounted ? [fuelExport, pumpExport] : []
  const added = new Map([
    [1, isCounted ? [[...pumpType]] : []],
    [6, isCounted ? [fuelGlobal(fuel), pumpGlobal(module.types)] : []],
    [7, [...stateExports(module), ...names.map((name, index) => encodeExport(name, module.globals + index, 0x03))]],
  ])
  /** What is added to sections the module does not have, once it is their turn. */
  const addBefore = (id: number): void => {
    for (const [place, items] of added) {
      if (place >= id) continue
      added.delete(place)
      if (items.length > 0) parts.push(...section(place, encodeU32(items.length), items.flat()))
    }
  }
  for (const { id, body } of readSections(cursor)) {
    if (id === 0) continue
    addBefore(id)
    const items = added.get(id)
    if (items !== undefined) {
      added.delete(id)
      const count = readU32(body)
      parts.push(...section(id, encodeU32(count + items.length), readBytes(body, body.end - body.at), items.flat()))
    } else if (id === 4) parts.push(...section(4, encodeTables(module.tables, limits.tableElementsMax)))
    else if (id === 5 && module.memory !== undefined) {
      parts.push(...section(5, [1, ...encodeLimits(module.memory, limits.memoryPagesMax)]))
    } else if (id === 10 && isCounted) {
      const { code, hints } = meteredCode(module)
      parts.push(...section(0, hints), ...section(10, code))
    } else parts.push(...section(id, readBytes(body, body.end - body.at)))
  }
  addBefore(Infinity)
  return joinBytes(parts)
}

function item(sort: string, index: number, kind: number): number[] {
  return encodeExport(`${statePrefix}${sort}/${index}`, index, kind)
}

function stateExports(module: CoreModule): number[][] {
  const memories = module.memory === undefined ? [] : [item('memory', 0, 0x02)]
  const tables = module.tables.map((_, index) => item('table', module.importedTables + index, 0x01))
  return [...memories, ...tables, ...module.mutableGlobals.map((index) => item('global', index, 0x03))]
}

function encodeExport(named: string, index: number, kind: number): number[] {
  const name = new TextEncoder().encode(named)
  return [...encodeU32(name.length), ...name, kind, ...encodeU32(index)]
}

function encodeTables(tables: readonly TableType[], elementsMax: number): number[] {
  return [
    ...encodeU32(tables.length),
    ...tables.flatMap((table) => [table.element, ...encodeLimits(table, elementsMax)]),
  ]
}

function encodeLimits({ min, max }: Limits, cap: number): number[] {
  return [0x01, ...encodeU32(min), ...encodeU32(Math.min(max ?? cap, cap))]
}

function section(id: number, ...bodies: readonly (Uint8Array | readonly number[])[]): Uint8Array[] {
  const size = bodies.reduce((sum, body) => sum + body.length, 0)
  return [Uint8Array.from([id, ...encodeU32(size)]), ...bodies.map((body) => toBytes(body))]
}

function toBytes(body: Uint8Array | readonly number[]): Uint8Array {
  return body instanceof Uint8Array ? body : Uint8Array.from(body)
}
