/** WIT types with every index resolved: plain data, shared between functions, safe to pass to a worker. */
import { unreachable } from '#host/errors.ts'

import type { Primitive } from './syntax.ts'

export type ValueType =
  | { readonly kind: Primitive }
  | { readonly kind: 'list'; readonly element: ValueType }
  | { readonly kind: 'record'; readonly fields: readonly Field[] }
  | { readonly kind: 'tuple'; readonly items: readonly ValueType[] }
  | { readonly kind: 'variant'; readonly cases: readonly Case[] }
  | { readonly kind: 'enum' | 'flags'; readonly names: readonly string[] }
  | { readonly kind: 'option'; readonly some: ValueType }
  | { readonly kind: 'result'; readonly ok: ValueType | undefined; readonly err: ValueType | undefined }
  /** `resource` counts in `Plan.resources`. */
  | { readonly kind: 'own' | 'borrow'; readonly resource: number }

export interface Field {
  readonly name: string
  readonly type: ValueType
}

export interface Case {
  readonly name: string
  readonly type: ValueType | undefined
}

export interface FuncType {
  readonly params: readonly Field[]
  readonly result: ValueType | undefined
}

/** The types a type is made of, in order; `undefined` where a case or result has no payload. */
export function partsOf(type: ValueType): readonly (ValueType | undefined)[] {
  switch (type.kind) {
    case 'list':
      return [type.element]
    case 'record':
      return type.fields.map((field) => field.type)
    case 'tuple':
      return type.items
    case 'variant':
      return type.cases.map((item) => item.type)
    case 'option':
      return [type.some]
    case 'result':
      return [type.ok, type.err]
    case 'bool':
    case 's8':
    case 'u8':
    case 's16':
    case 'u16':
    case 's32':
    case 'u32':
    case 's64':
    case 'u64':
    case 'f32':
    case 'f64':
    case 'char':
    case 'string':
    case 'enum':
    case 'flags':
    case 'own':
    case 'borrow':
      return []
    default:
      return unreachable(type)
  }
}

/** Whether two types are the same, resources by identity. */
export function sameType(left: ValueType | undefined, right: ValueType | undefined): boolean {
  if (left === right) return true
  if (left === undefined || right === undefined || left.kind !== right.kind) return false
  if ('resource' in left && 'resource' in right && left.resource !== right.resource) return false
  const names = labelsOf(left)
  const others = labelsOf(right)
  if (names.length !== others.length || names.some((name, index) => name !== others[index])) return false
  const parts = partsOf(left)
  const otherParts = partsOf(right)
  return parts.length === otherParts.length && parts.every((part, index) => sameType(part, otherParts[index]))
}

export function sameFunc(left: FuncType, right: FuncType): boolean {
  return (
    left.params.length === right.params.length &&
    left.params.every((param, index) => {
      const other = right.params[index]
      return param.name === other?.name && sameType(param.type, other.type)
    }) &&
    sameType(left.result, right.result)
  )
}

function labelsOf(type: ValueType): readonly string[] {
  if (type.kind === 'record') return type.fields.map((field) => field.name)
  if (type.kind === 'variant') return type.cases.map((item) => item.name)
  return type.kind === 'enum' || type.kind === 'flags' ? type.names : []
}

/** Whether a test holds for a type or for anything inside it. */
export function contains(type: ValueType | undefined, test: (type: ValueType) => boolean): boolean {
  if (type === undefined) return false
  return test(type) || partsOf(type).some((part) => contains(part, test))
}
