/**
 * Rewrites a core module so that it can be held: maxima on its memory and tables, and exports for the state a reset
 * must reach. What cannot be patched is refused. Custom sections (names, producers) are left out.
 */
import { invalid, openCursor, openQuota, readBytes, readSections, readU32 } from './cursor.ts'
import type { CoreModule, Limits, TableType } from './core-module.ts'

export interface PatchLimits {
  readonly memoryPagesMax: number
  readonly tableElementsMax: number
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
  const added = stateExports(module)
  let isExported = added.length === 0
  for (const { id, body } of readSections(cursor)) {
    if (id === 0) continue
    if (!isExported && id >= 7) {
      isExported = true
      if (id !== 7) parts.push(...section(7, [...encodeU32(added.length), ...added.flat()]))
      else {
        const count = readU32(body)
        parts.push(...section(7, encodeU32(count + added.length), readBytes(body, body.end - body.at), added.flat()))
        continue
      }
    }
    if (id === 4) parts.push(...section(4, encodeTables(module.tables, limits.tableElementsMax)))
    else if (id === 5 && module.memory !== undefined) {
      parts.push(...section(5, [1, ...encodeLimits(module.memory, limits.memoryPagesMax)]))
    } else parts.push(...section(id, readBytes(body, body.end - body.at)))
  }
  if (!isExported) parts.push(...section(7, [...encodeU32(added.length), ...added.flat()]))
  return join(parts)
}

function stateExports(module: CoreModule): number[][] {
  const memories = module.memory === undefined ? [] : [encodeExport('memory', 0, 0x02)]
  const tables = module.tables.map((_, index) => encodeExport('table', module.importedTables + index, 0x01))
  return [...memories, ...tables, ...module.mutableGlobals.map((index) => encodeExport('global', index, 0x03))]
}

function encodeExport(sort: string, index: number, kind: number): number[] {
  const name = new TextEncoder().encode(`${statePrefix}${sort}/${index}`)
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

/** Unsigned LEB128. */
function encodeU32(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  return [...bytes, rest]
}

function section(id: number, ...bodies: readonly (Uint8Array | readonly number[])[]): Uint8Array[] {
  const size = bodies.reduce((sum, body) => sum + body.length, 0)
  return [Uint8Array.from([id, ...encodeU32(size)]), ...bodies.map((body) => toBytes(body))]
}

function toBytes(body: Uint8Array | readonly number[]): Uint8Array {
  return body instanceof Uint8Array ? body : Uint8Array.from(body)
}

function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
