/** Index spaces while a component is linked. They fill in the order of definitions, so that no index looks ahead. */
import { unreachable } from '#host/errors.ts'

import { invalid } from './cursor.ts'
import type { CoreRef, FuncSource } from './plan.ts'
import type { ComponentSyntax, CoreSort, Declaration } from './syntax.ts'
import type { FuncType, ValueType } from './types.ts'

export type TypeItem =
  | {
      readonly sort: 'type'
      readonly kind: 'value'
      readonly type: ValueType
      readonly nodes: number
      readonly depth: number
    }
  | { readonly sort: 'type'; readonly kind: 'func'; readonly type: FuncType; readonly nodes: number }
  | { readonly sort: 'type'; readonly kind: 'resource'; readonly resource: number }
  | {
      readonly sort: 'type'
      readonly kind: 'instance'
      readonly declarations: readonly Declaration[]
      readonly scope: Scope
    }

interface FuncItem {
  readonly sort: 'func'
  readonly type: FuncType
  readonly source: FuncSource
}

export interface InstanceItem {
  readonly sort: 'instance'
  readonly exports: ReadonlyMap<string, Item>
}

interface ModuleItem {
  readonly sort: 'module'
  readonly module: number
}

/** A component with the scope it was written in, which its outer aliases look through. */
export interface ComponentItem {
  readonly sort: 'component'
  readonly syntax: ComponentSyntax
  readonly scope: Scope
}

export type Item = TypeItem | FuncItem | InstanceItem | ModuleItem | ComponentItem

export interface CoreItem {
  readonly sort: CoreSort
  readonly ref: CoreRef
  /** Of a function, when known. */
  readonly signature: string | undefined
}

interface CoreInstanceItem {
  readonly exports: ReadonlyMap<string, CoreItem>
}

export interface Scope {
  readonly outer: Scope | undefined
  /** The component instance that is being linked; instance types have none of their own. */
  readonly component: number
  readonly types: TypeItem[]
  readonly funcs: FuncItem[]
  readonly instances: InstanceItem[]
  readonly modules: ModuleItem[]
  readonly components: ComponentItem[]
  readonly coreInstances: CoreInstanceItem[]
  readonly core: { readonly [sort in CoreSort]: CoreItem[] }
}

export function openScope(outer: Scope | undefined, component: number): Scope {
  return {
    outer,
    component,
    types: [],
    funcs: [],
    instances: [],
    modules: [],
    components: [],
    coreInstances: [],
    core: { func: [], table: [], memory: [], global: [] },
  }
}

/** The item at an index. @throws Refusal when the index space is shorter */
export function itemAt<T>(space: readonly T[], index: number, what: string): T {
  const item = space[index]
  if (item === undefined) throw invalid(`${what} ${index} is missing`)
  return item
}

/** Adds an item to the index space of its sort. */
export function addItem(scope: Scope, item: Item): void {
  switch (item.sort) {
    case 'type':
      scope.types.push(item)
      break
    case 'func':
      scope.funcs.push(item)
      break
    case 'instance':
      scope.instances.push(item)
      break
    case 'module':
      scope.modules.push(item)
      break
    case 'component':
      scope.components.push(item)
      break
  }
}

/** The item of a sort at an index. */
export function findItem(scope: Scope, sort: Item['sort'], index: number): Item {
  switch (sort) {
    case 'type':
      return itemAt(scope.types, index, 'type')
    case 'func':
      return itemAt(scope.funcs, index, 'function')
    case 'instance':
      return itemAt(scope.instances, index, 'instance')
    case 'module':
      return itemAt(scope.modules, index, 'core module')
    case 'component':
      return itemAt(scope.components, index, 'component')
    default:
      return unreachable(sort)
  }
}

export function exportOf(instance: InstanceItem, name: string, sort: Item['sort']): Item {
  const item = instance.exports.get(name)
  if (item?.sort !== sort) throw invalid(`an instance has no ${sort} "${name}"`)
  return item
}

/** Follows `depth` scopes outwards. */
export function outerScope(scope: Scope, depth: number): Scope {
  let found: Scope | undefined = scope
  for (let index = 0; index < depth && found !== undefined; index += 1) found = found.outer
  if (found === undefined) throw invalid(`outer alias leaves the component (${depth} scopes up)`)
  return found
}

export function valueTypeAt(scope: Scope, index: number): Extract<TypeItem, { kind: 'value' }> {
  const item = itemAt(scope.types, index, 'type')
  if (item.kind !== 'value') throw invalid(`type ${index} is not a value type`)
  return item
}

export function funcTypeAt(scope: Scope, index: number): Extract<TypeItem, { kind: 'func' }> {
  const item = itemAt(scope.types, index, 'type')
  if (item.kind !== 'func') throw invalid(`type ${index} is not a function type`)
  return item
}

export function resourceAt(scope: Scope, index: number): number {
  const item = itemAt(scope.types, index, 'type')
  if (item.kind !== 'resource') throw invalid(`type ${index} is not a resource`)
  return item.resource
}

/** A core function, checked against the signature its use asks for. */
export function coreFunction(scope: Scope, index: number, signature: string): CoreItem {
  const item = itemAt(scope.core.func, index, 'core function')
  if (item.signature !== undefined && item.signature !== signature) {
    throw invalid(`core function ${index} is ${item.signature}, not ${signature}`)
  }
  return item
}

/** A core item by its index, when one is named. */
export function coreItem(scope: Scope, sort: CoreSort, index: number | undefined): CoreItem | undefined {
  return index === undefined ? undefined : itemAt(scope.core[sort], index, `core ${sort}`)
}
