/** What the linker and the patch must know of a core module. V8 validates the rest. Source: core spec, "Modules". */
import {
  type Cursor,
  expectEnd,
  invalid,
  openCursor,
  type Quota,
  readByte,
  readBytes,
  readCount,
  readName,
  readSections,
  readU32,
} from './cursor.ts'
import { type CodeFacts, scanCode, skipConstant } from './core-code.ts'
import type { CoreSort } from './syntax.ts'

export interface CoreModule {
  readonly bytes: Uint8Array
  readonly imports: readonly CoreImport[]
  readonly exports: ReadonlyMap<string, CoreExport>
  /** The memory it defines. */
  readonly memory: Limits | undefined
  /** The tables it defines. */
  readonly tables: readonly TableType[]
  /** Indices, imports included, of the mutable globals it defines. */
  readonly mutableGlobals: readonly number[]
  readonly importedTables: number
  /** Of all globals, imports included: the index of one that is added. */
  readonly globals: number
  /** Of all types: the index of one that is added. */
  readonly types: number
  /** Signatures of all functions, imports first. */
  readonly functions: readonly string[]
  /** Data and element segments. */
  readonly segments: number
  readonly code: CodeFacts
}

interface CoreImport {
  readonly module: string
  readonly name: string
  readonly sort: CoreSort
  /** Of a function: `i32` is `i`, `i64` is `l`, `f32` is `f`, `f64` is `d`: `iil:d`. */
  readonly signature: string | undefined
}

interface CoreExport {
  readonly sort: CoreSort
  readonly signature: string | undefined
}

/** Of a memory in pages of 64 KiB, of a table in elements. */
export interface Limits {
  readonly min: number
  readonly max: number | undefined
}

export interface TableType extends Limits {
  readonly element: number
}

interface Draft {
  readonly types: string[]
  readonly functions: string[]
  readonly imports: CoreImport[]
  readonly exports: Map<string, CoreExport>
  readonly tables: TableType[]
  readonly memories: Limits[]
  readonly mutableGlobals: number[]
  globals: number
  segments: number
  readonly imported: { table: number; memory: number; global: number }
  code: CodeFacts
}

const corePreamble = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]

/** @throws Refusal component-invalid when the module uses what this host does not run */
export function readCoreModule(bytes: Uint8Array, quota: Quota): CoreModule {
  const cursor = openCursor(bytes, quota)
  const preamble = readBytes(cursor, corePreamble.length)
  if (!corePreamble.every((byte, index) => preamble[index] === byte)) throw invalid('not a core module of version 1')
  const draft: Draft = {
    types: [],
    functions: [],
    imports: [],
    exports: new Map(),
    tables: [],
    memories: [],
    mutableGlobals: [],
    globals: 0,
    segments: 0,
    imported: { table: 0, memory: 0, global: 0 },
    code: { functions: [], writesTables: false, dropsSegments: false },
  }
  for (const { id, body } of readSections(cursor)) readSection(draft, id, body)
  if (draft.memories.length + draft.imported.memory > 1) throw invalid('a core module with several memories')
  return {
    bytes,
    imports: draft.imports,
    exports: draft.exports,
    memory: draft.memories[0],
    tables: draft.tables,
    mutableGlobals: draft.mutableGlobals,
    importedTables: draft.imported.table,
    globals: draft.imported.global + draft.globals,
    types: draft.types.length,
    functions: draft.functions,
    segments: draft.segments,
    code: draft.code,
  }
}

function readSection(draft: Draft, id: number, body: Cursor): void {
  if (id === 1) readItems(body, (cursor) => draft.types.push(readFunctionType(cursor)))
  else if (id === 2) readItems(body, (cursor) => readImport(draft, cursor))
  else if (id === 3) readItems(body, (cursor) => draft.functions.push(signatureAt(draft.types, readU32(cursor))))
  else if (id === 4) readItems(body, (cursor) => draft.tables.push(readTable(cursor)))
  else if (id === 5) readItems(body, (cursor) => draft.memories.push(readLimits(cursor)))
  else if (id === 6) readItems(body, (cursor) => readGlobal(draft, cursor))
  else if (id === 7) readItems(body, (cursor) => readExport(draft, cursor))
  else if (id === 10)
    draft.code = scanCode(body, {
      types: draft.types.length,
      globals: draft.imported.global + draft.globals,
      functions: draft.functions.length,
    })
  else if (id === 9 || id === 11) draft.segments += readCount(body)
  // Custom, start and data count: V8 checks them, as it does the segments; the code scan knows what may drop them.
  else if (![0, 8, 12].includes(id)) throw invalid(`core section ${id} is not supported`)
}

function readItems(body: Cursor, readItem: (cursor: Cursor) => unknown): void {
  const count = readCount(body)
  for (let index = 0; index < count; index += 1) readItem(body)
  expectEnd(body)
}

const valueLetters = new Map<number, string>([
  [0x7f, 'i'],
  [0x7e, 'l'],
  [0x7d, 'f'],
  [0x7c, 'd'],
  [0x7b, 'v'],
  [0x70, 'r'],
  [0x6f, 'e'],
])

function readValueLetter(cursor: Cursor): string {
  const byte = readByte(cursor)
  const letter = valueLetters.get(byte)
  if (letter === undefined) throw invalid(`core value type 0x${byte.toString(16)} is not supported`)
  return letter
}

function readFunctionType(cursor: Cursor): string {
  const form = readByte(cursor)
  if (form !== 0x60) throw invalid(`core type 0x${form.toString(16)} is not supported`)
  return `${readLetters(cursor)}:${readLetters(cursor)}`
}

function readLetters(cursor: Cursor): string {
  const count = readU32(cursor)
  let letters = ''
  for (let index = 0; index < count; index += 1) letters += readValueLetter(cursor)
  return letters
}

function signatureAt(signatures: readonly string[], index: number): string {
  const signature = signatures[index]
  if (signature === undefined) throw invalid(`core function type ${index} is missing`)
  return signature
}

function readImport(draft: Draft, cursor: Cursor): void {
  const module = readName(cursor)
  const name = readName(cursor)
  const kind = readByte(cursor)
  if (kind === 0) {
    const signature = signatureAt(draft.types, readU32(cursor))
    draft.functions.push(signature)
    draft.imports.push({ module, name, sort: 'func', signature })
    return
  }
  const sort = kind === 1 ? 'table' : kind === 2 ? 'memory' : kind === 3 ? 'global' : undefined
  if (sort === undefined) throw invalid(`core import "${name}" of kind ${kind} is not supported`)
  if (sort === 'table') readTable(cursor)
  else if (sort === 'memory') readLimits(cursor)
  else readGlobalType(cursor)
  draft.imported[sort] += 1
  draft.imports.push({ module, name, sort, signature: undefined })
}

function readExport(draft: Draft, cursor: Cursor): void {
  const name = readName(cursor)
  const kind = readByte(cursor)
  const index = readU32(cursor)
  const sort = (['func', 'table', 'memory', 'global'] as const)[kind]
  if (sort === undefined) throw invalid(`core export "${name}" of kind ${kind} is not supported`)
  // One more than there are would, once fuel is added, be the counter.
  if (sort === 'global' && index >= draft.imported.global + draft.globals) {
    throw invalid(`core export "${name}" of a global that is not there`)
  }
  draft.exports.set(name, { sort, signature: sort === 'func' ? signatureAt(draft.functions, index) : undefined })
}

function readTable(cursor: Cursor): TableType {
  const element = readByte(cursor)
  if (element !== 0x70 && element !== 0x6f) throw invalid(`table of type 0x${element.toString(16)} is not supported`)
  return { element, ...readLimits(cursor) }
}

/** Shared, 64-bit and custom page sizes have higher flag bits. */
function readLimits(cursor: Cursor): Limits {
  const flags = readByte(cursor)
  if (flags > 1) throw invalid(`shared or 64-bit limits (flags ${flags}) are not supported`)
  return { min: readU32(cursor), max: flags === 1 ? readU32(cursor) : undefined }
}

function readGlobalType(cursor: Cursor): { letter: string; mutable: boolean } {
  const letter = readValueLetter(cursor)
  const flag = readByte(cursor)
  if (flag > 1) throw invalid(`global with flags ${flag} is not supported`)
  return { letter, mutable: flag === 1 }
}

function readGlobal(draft: Draft, cursor: Cursor): void {
  const { letter, mutable } = readGlobalType(cursor)
  const index = draft.imported.global + draft.globals
  draft.globals += 1
  if (mutable) {
    // JavaScript cannot read a vector, so that a reset could not put it back.
    if (letter === 'v') throw invalid('a mutable global of type v128')
    draft.mutableGlobals.push(index)
  }
  skipConstant(cursor)
}
