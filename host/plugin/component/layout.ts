/** Sizes, alignments and flat core signatures. Source: component-model, CanonicalABI.md, "Flattening". */
import { unreachable } from '#host/errors.ts'

import { type FuncType, partsOf, type ValueType } from './types.ts'

export type CoreType = 'i32' | 'i64' | 'f32' | 'f64'

export interface Layout {
  readonly size: number
  readonly align: number
  readonly flat: readonly CoreType[]
}

/** More core parameters than this and they pass through memory. */
const FLAT_PARAMS_MAX = 16
/** More core results than this and they pass through memory. */
const FLAT_RESULTS_MAX = 1

function alignUp(offset: number, align: number): number {
  return Math.ceil(offset / align) * align
}

const empty: Layout = { size: 0, align: 1, flat: [] }
const cache = new WeakMap<ValueType, Layout>()

export function layoutOf(type: ValueType | undefined): Layout {
  if (type === undefined) return empty
  const known = cache.get(type)
  if (known !== undefined) return known
  const layout = computeLayout(type)
  cache.set(type, layout)
  return layout
}

function computeLayout(type: ValueType): Layout {
  switch (type.kind) {
    case 'bool':
    case 'u8':
    case 's8':
      return scalar(1, 'i32')
    case 'u16':
    case 's16':
      return scalar(2, 'i32')
    case 'u32':
    case 's32':
    case 'char':
    case 'own':
    case 'borrow':
      return scalar(4, 'i32')
    case 'f32':
      return scalar(4, 'f32')
    case 'u64':
    case 's64':
      return scalar(8, 'i64')
    case 'f64':
      return scalar(8, 'f64')
    case 'string':
    case 'list':
      return { size: 8, align: 4, flat: ['i32', 'i32'] }
    case 'flags':
      return scalar(flagsSize(type.names.length), 'i32')
    case 'record':
    case 'tuple':
      return sequence(partsOf(type).map(layoutOf))
    case 'enum':
      return scalar(discriminantSize(type.names.length), 'i32')
    case 'option':
      return choice([empty, layoutOf(type.some)])
    case 'variant':
    case 'result':
      return choice(partsOf(type).map(layoutOf))
    default:
      return unreachable(type)
  }
}

function scalar(size: number, flat: CoreType): Layout {
  return { size, align: size, flat: [flat] }
}

export function flagsSize(count: number): number {
  if (count <= 8) return 1
  return count <= 16 ? 2 : 4
}

export function discriminantSize(count: number): number {
  if (count <= 0x100) return 1
  return count <= 0x10000 ? 2 : 4
}

function sequence(parts: readonly Layout[]): Layout {
  const align = Math.max(1, ...parts.map((part) => part.align))
  const end = parts.reduce((offset, part) => alignUp(offset, part.align) + part.size, 0)
  return { size: alignUp(end, align), align, flat: parts.flatMap((part) => part.flat) }
}

/** Offsets of the parts of a record or tuple. */
export function offsetsOf(parts: readonly Layout[]): number[] {
  let offset = 0
  return parts.map((part) => {
    const at = alignUp(offset, part.align)
    offset = at + part.size
    return at
  })
}

/** Where the payload of a variant with these cases begins. */
export function payloadOffset(cases: readonly Layout[]): number {
  return alignUp(discriminantSize(cases.length), Math.max(1, ...cases.map((item) => item.align)))
}

function choice(cases: readonly Layout[]): Layout {
  const tag = discriminantSize(cases.length)
  const align = Math.max(tag, ...cases.map((item) => item.align))
  const size = payloadOffset(cases) + Math.max(0, ...cases.map((item) => item.size))
  const flat: CoreType[] = []
  for (const item of cases) {
    for (const [index, type] of item.flat.entries()) {
      const other = flat[index]
      flat[index] = other === undefined ? type : joinTypes(other, type)
    }
  }
  return { size: alignUp(size, align), align, flat: ['i32', ...flat] }
}

function joinTypes(left: CoreType, right: CoreType): CoreType {
  if (left === right) return left
  return left !== 'i64' && right !== 'i64' && left !== 'f64' && right !== 'f64' ? 'i32' : 'i64'
}

/** How a component function looks as a core function. */
export interface FlatFunc {
  readonly params: readonly CoreType[]
  /** The parameters lie in memory, and the one core parameter points at them. */
  readonly isParamsSpilled: boolean
  readonly results: readonly CoreType[]
  /** The result lies in memory. */
  readonly isResultSpilled: boolean
}

export function flattenFunc(type: FuncType): FlatFunc {
  const params = type.params.flatMap((param) => layoutOf(param.type).flat)
  const results = layoutOf(type.result).flat
  return {
    params,
    isParamsSpilled: params.length > FLAT_PARAMS_MAX,
    results,
    isResultSpilled: results.length > FLAT_RESULTS_MAX,
  }
}

const letters = { i32: 'i', i64: 'l', f32: 'f', f64: 'd' } as const

/** The core signature of a lifted (exported) or lowered (imported) function, in the letters of `CoreImport`. */
export function coreSignature(type: FuncType, direction: 'lift' | 'lower'): string {
  const flat = flattenFunc(type)
  let params = flat.isParamsSpilled ? 'i' : lettersOf(flat.params)
  if (!flat.isResultSpilled) return `${params}:${lettersOf(flat.results)}`
  if (direction === 'lift') return `${params}:i`
  params += 'i'
  return `${params}:`
}

function lettersOf(types: readonly CoreType[]): string {
  return types.map((type) => letters[type]).join('')
}
