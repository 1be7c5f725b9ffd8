/** Resolves type definitions, and checks what is given against what is declared. */
import { Refusal, unreachable } from '#host/errors.ts'
import { COMPONENT_LINK_STEPS_MAX, TYPE_DEPTH_MAX, TYPE_NODES_MAX } from '#host/plugin/limits.ts'

import type { CoreModule } from './core-module.ts'
import { invalid } from './cursor.ts'
import type { CoreInstancePlan, CoreRef, ImportPlan, LiftPlan, ResourcePlan, Trampoline } from './plan.ts'
import {
  addItem,
  exportOf,
  findItem,
  funcTypeAt,
  type InstanceItem,
  type Item,
  itemAt,
  openScope,
  outerScope,
  resourceAt,
  type Scope,
  type TypeItem,
  valueTypeAt,
} from './scope.ts'
import type { AliasSyntax, ExternSyntax, TypeSyntax, ValueSyntax } from './syntax.ts'
import { contains, type FuncType, sameFunc, sameType, type ValueType } from './types.ts'

/** What linking collects across scopes. */
export interface Linker {
  readonly modules: readonly CoreModule[]
  readonly resources: ResourcePlan[]
  readonly imports: ImportPlan[]
  readonly instances: CoreInstancePlan[]
  readonly trampolines: Trampoline[]
  readonly lifts: LiftPlan[]
  components: number
  /** Counts every definition run: nested components can repeat themselves exponentially. */
  steps: number
}

export function countSteps(linker: Linker, count = 1): void {
  linker.steps += count
  if (linker.steps > COMPONENT_LINK_STEPS_MAX) throw new Refusal('too-large', 'component: too many definitions to link')
}

/** `destructor` finds the core function a resource declares; instance types have none. */
export function resolveType(
  linker: Linker,
  scope: Scope,
  syntax: TypeSyntax,
  destructor: ((index: number) => CoreRef) | undefined,
): TypeItem {
  if (syntax.kind === 'func') return { sort: 'type', kind: 'func', ...resolveFunc(scope, syntax) }
  if (syntax.kind === 'instance') return { sort: 'type', kind: 'instance', declarations: syntax.declarations, scope }
  if (syntax.kind !== 'resource') return resolveValueType(scope, syntax)
  if (destructor === undefined) throw invalid('a resource is defined inside an instance type')
  const found = syntax.destructor === undefined ? undefined : destructor(syntax.destructor)
  linker.resources.push({ name: '', owner: { kind: 'guest', component: scope.component, destructor: found } })
  return { sort: 'type', kind: 'resource', resource: linker.resources.length - 1 }
}

type Sized = Extract<TypeItem, { kind: 'value' }>
type ValueDefinition = Exclude<TypeSyntax, { kind: 'func' | 'instance' | 'resource' }>

function resolveValueType(scope: Scope, syntax: ValueDefinition): Sized {
  let nodes = 1
  let depth = 0
  const part = (value: ValueSyntax): ValueType => {
    if (typeof value === 'string') {
      nodes += 1
      return { kind: value }
    }
    const item = valueTypeAt(scope, value)
    nodes += item.nodes
    depth = Math.max(depth, item.depth)
    return item.type
  }
  const optional = (value: ValueSyntax | undefined) => (value === undefined ? undefined : part(value))
  const type = buildType(scope, syntax, part, optional)
  nodes += 'names' in type ? type.names.length : 0
  depth += 1
  if (nodes > TYPE_NODES_MAX || depth > TYPE_DEPTH_MAX) throw new Refusal('too-large', 'component: a type is too large')
  return { sort: 'type', kind: 'value', type, nodes, depth }
}

function buildType(
  scope: Scope,
  syntax: ValueDefinition,
  part: (value: ValueSyntax) => ValueType,
  optional: (value: ValueSyntax | undefined) => ValueType | undefined,
): ValueType {
  switch (syntax.kind) {
    case 'primitive':
      return { kind: syntax.primitive }
    case 'list':
      return { kind: 'list', element: part(syntax.element) }
    case 'record':
      return { kind: 'record', fields: syntax.fields.map(({ name, value }) => ({ name, type: part(value) })) }
    case 'tuple':
      return { kind: 'tuple', items: syntax.items.map(part) }
    case 'variant':
      return { kind: 'variant', cases: syntax.cases.map(({ name, value }) => ({ name, type: optional(value) })) }
    case 'option':
      return { kind: 'option', some: part(syntax.some) }
    case 'result':
      return { kind: 'result', ok: optional(syntax.ok), err: optional(syntax.err) }
    case 'enum':
    case 'flags':
      return { kind: syntax.kind, names: syntax.names }
    case 'own':
    case 'borrow':
      return { kind: syntax.kind, resource: resourceAt(scope, syntax.resource) }
    default:
      return unreachable(syntax)
  }
}

function resolveFunc(
  scope: Scope,
  syntax: Extract<TypeSyntax, { kind: 'func' }>,
): { readonly type: FuncType; readonly nodes: number } {
  let nodes = 0
  const value = (item: ValueSyntax): ValueType => {
    const found = typeof item === 'string' ? undefined : valueTypeAt(scope, item)
    nodes += found?.nodes ?? 1
    if (nodes > TYPE_NODES_MAX) throw new Refusal('too-large', 'component: a function type is too large')
    return typeof item === 'string' ? { kind: item } : valueTypeAt(scope, item).type
  }
  const result = syntax.result === undefined ? undefined : value(syntax.result)
  if (contains(result, (type) => type.kind === 'borrow')) throw invalid('a function returns a borrow')
  const params = syntax.params.map((param) => ({ name: param.name, type: value(param.value) }))
  return { type: { params, result }, nodes }
}

export function resolveAlias(scope: Scope, alias: Exclude<AliasSyntax, { kind: 'alias-core' }>): Item {
  if (alias.kind === 'alias-export') {
    return exportOf(itemAt(scope.instances, alias.instance, 'instance'), alias.name, alias.sort)
  }
  if (alias.sort === 'func' || alias.sort === 'instance') throw invalid(`outer alias of a ${alias.sort}`)
  return findItem(outerScope(scope, alias.depth), alias.sort, alias.index)
}

/** Where fresh items come from when a declaration is not matched against something given. */
export interface Origin {
  readonly interface: string
  /** The function a host will provide under this name. */
  func(name: string, type: FuncType): Item
}

/**
 * Evaluates an extern description. With `given`, the item is checked against it and returned; without, it is made up
 * as an import from the host.
 */
export function resolveExtern(
  linker: Linker,
  scope: Scope,
  extern: { readonly name: string; readonly desc: ExternSyntax },
  from: { readonly given: Item } | { readonly origin: Origin },
): Item {
  countSteps(linker)
  const { name, desc } = extern
  switch (desc.kind) {
    case 'func': {
      const { type, nodes } = funcTypeAt(scope, desc.type)
      countSteps(linker, nodes)
      if ('origin' in from) return from.origin.func(name, type)
      if (from.given.sort === 'func' && sameFunc(type, from.given.type)) return from.given
      break
    }
    case 'type-eq': {
      const item = itemAt(scope.types, desc.type, 'type')
      if ('origin' in from) return item
      if (sameItem(item, from.given)) return from.given
      break
    }
    case 'type-sub': {
      if ('given' in from) {
        if (from.given.sort === 'type' && from.given.kind === 'resource') return from.given
        break
      }
      linker.resources.push({ name, owner: { kind: 'host', interface: from.origin.interface } })
      return { sort: 'type', kind: 'resource', resource: linker.resources.length - 1 }
    }
    case 'instance':
      return resolveInstance(linker, itemAt(scope.types, desc.type, 'type'), from)
  }
  throw invalid(`"${name}" is not of the type it is declared with`)
}

function resolveInstance(
  linker: Linker,
  type: TypeItem,
  from: { readonly given: Item } | { readonly origin: Origin },
): InstanceItem {
  if (type.kind !== 'instance') throw invalid('an instance is declared with a type of another sort')
  const given = 'given' in from ? from.given : undefined
  if (given !== undefined && given.sort !== 'instance') throw invalid('an instance is expected')
  const scope = openScope(type.scope, type.scope.component)
  const exports = new Map<string, Item>()
  for (const declaration of type.declarations) {
    countSteps(linker)
    if (declaration.kind === 'type') addItem(scope, resolveType(linker, scope, declaration.type, undefined))
    else if (declaration.kind === 'alias-core') throw invalid('a core alias inside an instance type')
    else if (declaration.kind !== 'export') addItem(scope, resolveAlias(scope, declaration))
    else {
      const item = given?.exports.get(declaration.name)
      if (given !== undefined && item === undefined) throw invalid(`an instance lacks "${declaration.name}"`)
      const source = item === undefined ? { origin: originOf(from) } : { given: item }
      const resolved = resolveExtern(linker, scope, declaration, source)
      addItem(scope, resolved)
      if (exports.has(declaration.name)) throw invalid(`"${declaration.name}" is exported twice`)
      exports.set(declaration.name, resolved)
    }
  }
  return { sort: 'instance', exports }
}

function originOf(from: { readonly given: Item } | { readonly origin: Origin }): Origin {
  if ('origin' in from) return from.origin
  throw invalid('an instance lacks an export')
}

function sameItem(declared: TypeItem, given: Item): boolean {
  if (given.sort !== 'type' || declared.kind !== given.kind) return false
  if (declared.kind === 'value' && given.kind === 'value') return sameType(declared.type, given.type)
  if (declared.kind === 'func' && given.kind === 'func') return sameFunc(declared.type, given.type)
  return declared.kind === 'resource' && given.kind === 'resource' && declared.resource === given.resource
}
