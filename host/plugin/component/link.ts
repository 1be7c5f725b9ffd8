/**
 * Links a decoded component: runs its definitions over index spaces whose items are references, so that nested
 * components dissolve and what is left is one flat plan. Nothing is instantiated here.
 * Source: component-model, Explainer.md ("Instance Definitions", "Alias Definitions", "Canonical Definitions").
 */
import { unreachable } from '#host/errors.ts'

import type { CoreModule } from './core-module.ts'
import { invalid } from './cursor.ts'
import { linkCanon } from './link-canon.ts'
import { countSteps, type Linker, type Origin, resolveAlias, resolveExtern, resolveType } from './link-types.ts'
import type { CoreRef, Plan } from './plan.ts'
import {
  addItem,
  type ComponentItem,
  coreFunction,
  type CoreItem,
  findItem,
  type Item,
  itemAt,
  openScope,
  type Scope,
} from './scope.ts'
import type { ComponentSyntax, Definition } from './syntax.ts'

export type Linked = Pick<
  Plan,
  'resources' | 'imports' | 'instances' | 'trampolines' | 'lifts' | 'exports' | 'components'
>

/** @throws Refusal component-invalid when a reference does not resolve or is of another type; too-large */
export function linkComponent(root: ComponentSyntax, modules: readonly CoreModule[]): Linked {
  const linker: Linker = {
    modules,
    resources: [],
    imports: [],
    instances: [],
    trampolines: [],
    lifts: [],
    components: 0,
    steps: 0,
  }
  const exports = runComponent(linker, { sort: 'component', syntax: root, scope: openScope(undefined, 0) }, undefined)
  return { ...linker, exports: collectExports(exports) }
}

/** Instantiates by running the definitions. Without `args`, imports come from the host. */
function runComponent(
  linker: Linker,
  component: ComponentItem,
  args: ReadonlyMap<string, Item> | undefined,
): Map<string, Item> {
  const scope = openScope(component.scope, linker.components)
  linker.components += 1
  const exports = new Map<string, Item>()
  const imported = new Set<string>()
  for (const definition of component.syntax.definitions) {
    countSteps(linker)
    if (definition.kind === 'import') {
      if (imported.has(definition.name)) throw invalid(`"${definition.name}" is imported twice`)
      imported.add(definition.name)
      addItem(scope, runImport(linker, scope, definition, args))
    } else if (definition.kind === 'export') {
      if (exports.has(definition.name)) throw invalid(`"${definition.name}" is exported twice`)
      const item = runExport(linker, scope, definition)
      exports.set(definition.name, item)
      addItem(scope, item)
    } else runDefinition(linker, scope, definition)
  }
  return exports
}

type Inner = Exclude<Definition, { kind: 'import' | 'export' }>

function runDefinition(linker: Linker, scope: Scope, definition: Inner): void {
  switch (definition.kind) {
    case 'module':
      return addItem(scope, { sort: 'module', module: definition.module })
    case 'component':
      return addItem(scope, { sort: 'component', syntax: definition.component, scope })
    case 'core-instance':
      return runCoreInstance(linker, scope, definition)
    case 'core-bag':
      scope.coreInstances.push({
        exports: mapOf(definition.items, ({ sort, index }) => itemAt(scope.core[sort], index, `core ${sort}`)),
      })
      return
    case 'instance': {
      const component = itemAt(scope.components, definition.component, 'component')
      const args = mapOf(definition.args, ({ sort, index }) => findItem(scope, sort, index))
      return addItem(scope, { sort: 'instance', exports: runComponent(linker, component, args) })
    }
    case 'bag':
      return addItem(scope, {
        sort: 'instance',
        exports: mapOf(definition.items, ({ sort, index }) => findItem(scope, sort, index)),
      })
    case 'alias-core': {
      const instance = itemAt(scope.coreInstances, definition.instance, 'core instance')
      const item = instance.exports.get(definition.name)
      if (item?.sort !== definition.sort)
        throw invalid(`a core instance has no ${definition.sort} "${definition.name}"`)
      scope.core[definition.sort].push(item)
      return
    }
    case 'alias-export':
    case 'alias-outer':
      return addItem(scope, resolveAlias(scope, definition))
    case 'type': {
      const destructor = (index: number): CoreRef => coreFunction(scope, index, 'i:').ref
      return addItem(scope, resolveType(linker, scope, definition.type, destructor))
    }
    case 'lift':
    case 'lower':
    case 'resource':
    case 'context':
    case 'unsupported':
      return linkCanon(linker, scope, definition)
    default:
      return unreachable(definition)
  }
}

function runImport(
  linker: Linker,
  scope: Scope,
  definition: Extract<Definition, { kind: 'import' }>,
  args: ReadonlyMap<string, Item> | undefined,
): Item {
  if (args === undefined) {
    const owner = definition.desc.kind === 'instance' ? definition.name : '$root'
    return resolveExtern(linker, scope, definition, { origin: hostOrigin(linker, owner) })
  }
  const given = args.get(definition.name)
  if (given === undefined) throw invalid(`a nested component is not given "${definition.name}"`)
  return resolveExtern(linker, scope, definition, { given })
}

function hostOrigin(linker: Linker, owner: string): Origin {
  return {
    interface: owner,
    func(name, type) {
      linker.imports.push({ interface: owner, name, type })
      return { sort: 'func', type, source: { kind: 'import', import: linker.imports.length - 1 } }
    },
  }
}

function runExport(linker: Linker, scope: Scope, definition: Extract<Definition, { kind: 'export' }>): Item {
  const item = findItem(scope, definition.item.sort, definition.item.index)
  if (definition.desc === undefined) return item
  return resolveExtern(linker, scope, { name: definition.name, desc: definition.desc }, { given: item })
}

function runCoreInstance(
  linker: Linker,
  scope: Scope,
  definition: Extract<Definition, { kind: 'core-instance' }>,
): void {
  const { module: index } = itemAt(scope.modules, definition.module, 'core module')
  const module = itemAt(linker.modules, index, 'core module')
  const args = mapOf(definition.args, (value) => itemAt(scope.coreInstances, value, 'core instance'))
  const imports = module.imports.map(({ module: from, name, sort, signature }) => {
    countSteps(linker)
    const item = args.get(from)?.exports.get(name)
    if (item?.sort !== sort) throw invalid(`core import "${from}" "${name}" is not given a ${sort}`)
    // V8 checks what one module gives another; a function of the host has no type of its own there.
    if (item.signature !== undefined && item.signature !== signature) {
      throw invalid(`core import "${from}" "${name}" has another signature`)
    }
    return { module: from, name, ref: item.ref }
  })
  linker.instances.push({ module: index, imports })
  const instance = linker.instances.length - 1
  const exports = new Map<string, CoreItem>()
  for (const [name, { sort, signature }] of module.exports) {
    exports.set(name, { sort, ref: { kind: 'export', instance, name, sort }, signature })
  }
  scope.coreInstances.push({ exports })
}

function mapOf<T, U>(items: readonly { readonly name: string; readonly value: T }[], resolve: (value: T) => U) {
  const map = new Map<string, U>()
  for (const { name, value } of items) {
    if (map.has(name)) throw invalid(`"${name}" stands twice`)
    map.set(name, resolve(value))
  }
  return map
}

/** Functions a caller can name: `handle`, or `interface#function` for those of an exported interface. */
function collectExports(items: ReadonlyMap<string, Item>, prefix = ''): { name: string; lift: number }[] {
  return [...items].flatMap(([name, item]) => {
    if (item.sort === 'instance' && prefix === '') return collectExports(item.exports, `${name}#`)
    if (item.sort !== 'func' || item.source.kind !== 'lift') return []
    return [{ name: `${prefix}${name}`, lift: item.source.lift }]
  })
}
