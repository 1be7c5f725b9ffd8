/** From component bytes to definitions. Source: component-model, Binary.md (version 0x0d, layer 1). */
import { Refusal } from '#host/errors.ts'
import { COMPONENT_DEPTH_MAX, COMPONENT_MODULES_MAX } from '#host/plugin/limits.ts'

import {
  type Cursor,
  expectEnd,
  invalid,
  openCursor,
  type Quota,
  readByte,
  readBytes,
  readName,
  readOptional,
  readSections,
  readU32,
  readVector,
  type Section,
} from './cursor.ts'
import { readAlias, readCoreSort, readExternName, readSort } from './decode-names.ts'
import { readExtern, readType } from './decode-types.ts'
import type { CanonOptions, CanonSyntax, ComponentSyntax, Definition, SortIndex } from './syntax.ts'

export interface Decoded {
  readonly root: ComponentSyntax
  /** Core modules in the order found, nested components included; `Definition.module` counts in it. */
  readonly modules: readonly Uint8Array[]
}

const componentPreamble = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00]

/** @throws Refusal component-invalid / too-large */
export function decodeComponent(bytes: Uint8Array, quota: Quota): Decoded {
  const modules: Uint8Array[] = []
  return { root: readComponent(openCursor(bytes, quota), modules, 0), modules }
}

function readComponent(cursor: Cursor, modules: Uint8Array[], depth: number): ComponentSyntax {
  if (depth > COMPONENT_DEPTH_MAX) throw new Refusal('too-large', 'component: components nest too deeply')
  const preamble = readBytes(cursor, componentPreamble.length)
  if (!componentPreamble.every((byte, index) => preamble[index] === byte)) {
    throw invalid('not a component of version 0x0d: build it with the tools of this release')
  }
  const definitions: Definition[] = []
  for (const section of readSections(cursor)) {
    for (const definition of readSection(section, modules, depth)) definitions.push(definition)
  }
  return { definitions }
}

function readSection({ id, body }: Section, modules: Uint8Array[], depth: number): Definition[] {
  if (id === 0) return []
  if (id === 1) {
    if (modules.length === COMPONENT_MODULES_MAX) throw new Refusal('too-large', 'component: too many core modules')
    modules.push(readBytes(body, body.end - body.at))
    return [{ kind: 'module', module: modules.length - 1 }]
  }
  if (id === 4) return [{ kind: 'component', component: readComponent(body, modules, depth + 1) }]
  const readDefinition = definitionReaders.get(id)
  if (readDefinition === undefined) throw invalid(`section ${id} is not supported`)
  const definitions = readVector(body, readDefinition)
  expectEnd(body)
  return definitions
}

const definitionReaders = new Map<number, (cursor: Cursor) => Definition>([
  [2, readCoreInstance],
  [5, readInstance],
  [6, readAlias],
  [7, (cursor) => ({ kind: 'type', type: readType(cursor) })],
  [8, readCanon],
  [10, (cursor) => ({ kind: 'import', name: readExternName(cursor), desc: readExtern(cursor) })],
  [11, readExport],
])

function readCoreInstance(cursor: Cursor): Definition {
  const form = readByte(cursor)
  if (form === 0) return { kind: 'core-instance', module: readU32(cursor), args: readVector(cursor, readCoreArg) }
  if (form !== 1) throw invalid(`core instance of form ${form}`)
  const items = readVector(cursor, (item) => ({
    name: readName(item),
    value: { sort: readCoreSort(item), index: readU32(item) },
  }))
  return { kind: 'core-bag', items }
}

function readCoreArg(cursor: Cursor): { name: string; value: number } {
  const name = readName(cursor)
  if (readByte(cursor) !== 0x12) throw invalid(`core argument "${name}" is not an instance`)
  return { name, value: readU32(cursor) }
}

function readInstance(cursor: Cursor): Definition {
  const form = readByte(cursor)
  if (form === 0) {
    const component = readU32(cursor)
    const args = readVector(cursor, (item) => ({ name: readName(item), value: readSortIndex(item) }))
    return { kind: 'instance', component, args }
  }
  if (form !== 1) throw invalid(`instance of form ${form}`)
  const items = readVector(cursor, (item) => ({ name: readExternName(item), value: readSortIndex(item) }))
  return { kind: 'bag', items }
}

function readSortIndex(cursor: Cursor): SortIndex {
  return { sort: readSort(cursor), index: readU32(cursor) }
}

function readExport(cursor: Cursor): Definition {
  const name = readExternName(cursor)
  const item = readSortIndex(cursor)
  return { kind: 'export', name, item, desc: readOptional(cursor, readExtern) }
}

/**
 * QuickJS builds import these even when built without async, and never call them. They link to a trap; every other
 * built-in of the async ABI is refused.
 */
const unsupportedBuiltins = new Map<number, { readonly name: string; readonly immediates: 0 | 1 }>([
  [0x05, { name: 'task.cancel', immediates: 0 }],
  [0x06, { name: 'subtask.cancel', immediates: 1 }],
  [0x0d, { name: 'subtask.drop', immediates: 0 }],
  [0x1f, { name: 'waitable-set.new', immediates: 0 }],
  [0x22, { name: 'waitable-set.drop', immediates: 0 }],
  [0x23, { name: 'waitable.join', immediates: 0 }],
])

function readCanon(cursor: Cursor): CanonSyntax {
  const at = cursor.at
  const opcode = readByte(cursor)
  switch (opcode) {
    case 0x00: {
      if (readByte(cursor) !== 0) break
      return { kind: 'lift', core: readU32(cursor), options: readOptions(cursor), type: readU32(cursor) }
    }
    case 0x01: {
      if (readByte(cursor) !== 0) break
      return { kind: 'lower', func: readU32(cursor), options: readOptions(cursor) }
    }
    case 0x02:
      return { kind: 'resource', op: 'new', type: readU32(cursor) }
    case 0x03:
      return { kind: 'resource', op: 'drop', type: readU32(cursor) }
    case 0x04:
      return { kind: 'resource', op: 'rep', type: readU32(cursor) }
    case 0x0a:
    case 0x0b: {
      if (readByte(cursor) !== 0x7f) break
      return { kind: 'context', op: opcode === 0x0a ? 'get' : 'set', slot: readU32(cursor) }
    }
    default: {
      const builtin = unsupportedBuiltins.get(opcode)
      if (builtin === undefined) break
      readBytes(cursor, builtin.immediates)
      return { kind: 'unsupported', name: builtin.name }
    }
  }
  throw invalid(`canonical function 0x${opcode.toString(16)} at byte ${at} is not supported`)
}

function readOptions(cursor: Cursor): CanonOptions {
  const options: { memory?: number; realloc?: number; postReturn?: number; utf8?: number } = {}
  const set = (key: keyof typeof options, value: number) => {
    if (options[key] !== undefined) throw invalid(`canonical option ${key} stands twice`)
    options[key] = value
  }
  readVector(cursor, (item) => {
    const opcode = readByte(item)
    if (opcode === 0x00) set('utf8', 0)
    else if (opcode === 0x03) set('memory', readU32(item))
    else if (opcode === 0x04) set('realloc', readU32(item))
    else if (opcode === 0x05) set('postReturn', readU32(item))
    else throw invalid(`canonical option 0x${opcode.toString(16)} is not supported: use utf-8 and synchronous calls`)
  })
  return { memory: options.memory, realloc: options.realloc, postReturn: options.postReturn }
}
