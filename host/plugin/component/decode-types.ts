/** Types of the component binary. Source: component-model, Binary.md, "Type Definitions". */
import { Refusal } from '#host/errors.ts'
import { COMPONENT_DEPTH_MAX } from '#host/plugin/limits.ts'

import { type Cursor, invalid, readByte, readName, readOptional, readS33, readU32, readVector } from './cursor.ts'
import { readAlias, readExternName } from './decode-names.ts'
import {
  type Declaration,
  type ExternSyntax,
  type Named,
  type Primitive,
  primitives,
  type TypeSyntax,
  type ValueSyntax,
} from './syntax.ts'

/** Opcodes count down from `bool` = -1 (0x7f). */
function primitiveOf(opcode: number): Primitive | undefined {
  return opcode < 0 ? primitives[-1 - opcode] : undefined
}

function readValue(cursor: Cursor): ValueSyntax {
  const code = readS33(cursor)
  if (code >= 0) return code
  const primitive = primitiveOf(code)
  if (primitive === undefined) throw invalid(`value type ${code} at byte ${cursor.at - 1} is not supported`)
  return primitive
}

// A label becomes a key of an object: the grammar keeps `__proto__` and the like out.
const label = /^(?:[a-z][0-9a-z]*|[A-Z][0-9A-Z]*)(?:-(?:[0-9a-z]+|[0-9A-Z]+))*$/u

function readLabel(cursor: Cursor): string {
  const name = readName(cursor)
  if (!label.test(name)) throw invalid(`label "${name}" at byte ${cursor.at} is not in kebab case`)
  return name
}

function readLabels(cursor: Cursor): string[] {
  return distinct(readVector(cursor, readLabel))
}

function readFields(cursor: Cursor): Named<ValueSyntax>[] {
  const fields = readVector(cursor, (item) => ({ name: readLabel(item), value: readValue(item) }))
  distinct(fields.map((field) => field.name))
  return fields
}

function readCases(cursor: Cursor): Named<ValueSyntax | undefined>[] {
  const cases = readVector(cursor, (item) => {
    const name = readLabel(item)
    const value = readOptional(item, readValue)
    if (readByte(item) !== 0) throw invalid(`variant case "${name}" refines another, which is not supported`)
    return { name, value }
  })
  distinct(cases.map((item) => item.name))
  return cases
}

function distinct(names: string[]): string[] {
  if (new Set(names.map((name) => name.toLowerCase())).size !== names.length) throw invalid('a name stands twice')
  return names
}

function filled<T>(items: T[], what: string): T[] {
  if (items.length === 0) throw invalid(`${what} is empty`)
  return items
}

/** One `type` definition. `depth` counts nested instance types. */
export function readType(cursor: Cursor, depth = 0): TypeSyntax {
  if (depth > COMPONENT_DEPTH_MAX) throw new Refusal('too-large', 'component: types nest too deeply')
  const at = cursor.at
  const opcode = readByte(cursor)
  switch (opcode) {
    case 0x72:
      return { kind: 'record', fields: filled(readFields(cursor), 'a record') }
    case 0x71:
      return { kind: 'variant', cases: filled(readCases(cursor), 'a variant') }
    case 0x70:
      return { kind: 'list', element: readValue(cursor) }
    case 0x6f:
      return { kind: 'tuple', items: filled(readVector(cursor, readValue), 'a tuple') }
    case 0x6e:
      return { kind: 'flags', names: readFlags(cursor) }
    case 0x6d:
      return { kind: 'enum', names: filled(readLabels(cursor), 'an enum') }
    case 0x6b:
      return { kind: 'option', some: readValue(cursor) }
    case 0x6a:
      return { kind: 'result', ok: readOptional(cursor, readValue), err: readOptional(cursor, readValue) }
    case 0x69:
      return { kind: 'own', resource: readU32(cursor) }
    case 0x68:
      return { kind: 'borrow', resource: readU32(cursor) }
    case 0x40:
      return readFunction(cursor)
    case 0x42:
      return { kind: 'instance', declarations: readVector(cursor, (item) => readDeclaration(item, depth + 1)) }
    case 0x3f:
      return readResource(cursor)
    default: {
      const primitive = primitiveOf(opcode - 0x80)
      if (primitive === undefined) throw invalid(`type 0x${opcode.toString(16)} at byte ${at} is not supported`)
      return { kind: 'primitive', primitive }
    }
  }
}

/** The canonical ABI of flags is one integer of at most 32 bits. */
function readFlags(cursor: Cursor): string[] {
  const names = filled(readLabels(cursor), 'a flags type')
  if (names.length > 32) throw invalid(`a flags type has ${names.length} flags, more than 32`)
  return names
}

function readFunction(cursor: Cursor): TypeSyntax {
  const params = readFields(cursor)
  const form = readByte(cursor)
  if (form === 0) return { kind: 'func', params, result: readValue(cursor) }
  if (form === 1 && readByte(cursor) === 0) return { kind: 'func', params, result: undefined }
  throw invalid(`function with named results at byte ${cursor.at}`)
}

function readResource(cursor: Cursor): TypeSyntax {
  if (readByte(cursor) !== 0x7f) throw invalid(`resource at byte ${cursor.at - 1} is not represented by an i32`)
  return { kind: 'resource', destructor: readOptional(cursor, readU32) }
}

function readDeclaration(cursor: Cursor, depth: number): Declaration {
  const opcode = readByte(cursor)
  if (opcode === 0x01) return { kind: 'type', type: readType(cursor, depth) }
  if (opcode === 0x02) return readAlias(cursor)
  if (opcode === 0x04) return { kind: 'export', name: readExternName(cursor), desc: readExtern(cursor) }
  throw invalid(`declaration 0x${opcode.toString(16)} at byte ${cursor.at - 1} is not supported`)
}

/** What an import or export is declared to be. */
export function readExtern(cursor: Cursor): ExternSyntax {
  const at = cursor.at
  const opcode = readByte(cursor)
  if (opcode === 0x01) return { kind: 'func', type: readU32(cursor) }
  if (opcode === 0x05) return { kind: 'instance', type: readU32(cursor) }
  if (opcode === 0x03) {
    const bound = readByte(cursor)
    if (bound === 0) return { kind: 'type-eq', type: readU32(cursor) }
    if (bound === 1) return { kind: 'type-sub' }
  }
  throw invalid(`import or export of kind 0x${opcode.toString(16)} at byte ${at} is not supported`)
}
