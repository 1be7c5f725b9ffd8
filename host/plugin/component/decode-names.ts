/** Sorts, aliases and extern names of the component binary. Source: component-model, Binary.md. */
import { type Cursor, invalid, readByte, readName, readU32 } from './cursor.ts'
import type { AliasSyntax, CoreSort, Sort } from './syntax.ts'

const coreSorts = new Map<number, CoreSort>([
  [0x00, 'func'],
  [0x01, 'table'],
  [0x02, 'memory'],
  [0x03, 'global'],
])

const sorts = new Map<number, Sort>([
  [0x01, 'func'],
  [0x03, 'type'],
  [0x04, 'component'],
  [0x05, 'instance'],
])

export function readCoreSort(cursor: Cursor): CoreSort {
  const byte = readByte(cursor)
  const sort = coreSorts.get(byte)
  if (sort === undefined) throw invalid(`core sort 0x${byte.toString(16)} at byte ${cursor.at - 1} is not supported`)
  return sort
}

/** A component-level sort; of the core ones only `module` stands here. */
export function readSort(cursor: Cursor): Sort {
  const byte = readByte(cursor)
  const sort = byte === 0 && readByte(cursor) === 0x11 ? 'module' : sorts.get(byte)
  if (sort === undefined) throw invalid(`sort 0x${byte.toString(16)} at byte ${cursor.at - 1} is not supported`)
  return sort
}

/** Import and export names carry a form byte; both forms in use hold a plain name. */
export function readExternName(cursor: Cursor): string {
  const form = readByte(cursor)
  if (form > 1) throw invalid(`name of form ${form} at byte ${cursor.at - 1} is not supported`)
  return readName(cursor)
}

export function readAlias(cursor: Cursor): AliasSyntax {
  const start = cursor.at
  const isCore = readByte(cursor) === 0
  const coreByte = isCore ? readByte(cursor) : undefined
  const target = readByte(cursor)
  cursor.at = start
  if (target === 0x01 && isCore) {
    cursor.at += 1
    const sort = readCoreSort(cursor)
    cursor.at += 1
    return { kind: 'alias-core', sort, instance: readU32(cursor), name: readName(cursor) }
  }
  if (isCore && coreByte !== 0x11) throw invalid(`alias at byte ${start} is not supported`)
  const sort = readSort(cursor)
  cursor.at += 1
  if (target === 0x00) return { kind: 'alias-export', sort, instance: readU32(cursor), name: readName(cursor) }
  if (target === 0x02) return { kind: 'alias-outer', sort, depth: readU32(cursor), index: readU32(cursor) }
  throw invalid(`alias target ${target} at byte ${start} is not supported`)
}
