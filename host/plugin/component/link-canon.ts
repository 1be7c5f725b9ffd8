/** Canonical definitions: where core and component functions meet. Source: CanonicalABI.md, "Canonical Definitions". */
import { invalid } from './cursor.ts'
import { coreSignature, flattenFunc } from './layout.ts'
import { countSteps, type Linker } from './link-types.ts'
import type { ContextPlan, CoreRef, Trampoline } from './plan.ts'
import { coreFunction, coreItem, funcTypeAt, itemAt, resourceAt, type Scope } from './scope.ts'
import type { CanonOptions, CanonSyntax } from './syntax.ts'
import { contains, type FuncType, type ValueType } from './types.ts'

export function linkCanon(linker: Linker, scope: Scope, canon: CanonSyntax): void {
  switch (canon.kind) {
    case 'lift':
      return linkLift(linker, scope, canon)
    case 'lower': {
      const { type, source } = itemAt(scope.funcs, canon.func, 'function')
      if (canon.options.postReturn !== undefined) throw invalid('a lowered function with post-return')
      const context = linkOptions(scope, canon.options, needsOf(type, 'lower'))
      return addTrampoline(linker, scope, { kind: 'lower', type, source, context }, coreSignature(type, 'lower'))
    }
    case 'resource': {
      const resource = resourceAt(scope, canon.type)
      const owner = linker.resources[resource]?.owner
      const isOwn = owner?.kind === 'guest' && owner.component === scope.component
      if (canon.op !== 'drop' && !isOwn) throw invalid(`resource.${canon.op} of a resource of another component`)
      const signature = canon.op === 'drop' ? 'i:' : 'i:i'
      return addTrampoline(
        linker,
        scope,
        { kind: 'resource', op: canon.op, resource, component: scope.component },
        signature,
      )
    }
    case 'context': {
      if (canon.slot > 1) throw invalid(`context slot ${canon.slot} is missing`)
      const signature = canon.op === 'get' ? ':i' : 'i:'
      const { op, slot } = canon
      return addTrampoline(linker, scope, { kind: 'context', op, slot, component: scope.component }, signature)
    }
    case 'unsupported':
      return addTrampoline(linker, scope, canon, undefined)
  }
}

function addTrampoline(linker: Linker, scope: Scope, trampoline: Trampoline, signature: string | undefined): void {
  linker.trampolines.push(trampoline)
  const ref: CoreRef = { kind: 'trampoline', trampoline: linker.trampolines.length - 1 }
  scope.core.func.push({ sort: 'func', ref, signature })
}

function linkLift(linker: Linker, scope: Scope, canon: Extract<CanonSyntax, { kind: 'lift' }>): void {
  const { type, nodes } = funcTypeAt(scope, canon.type)
  countSteps(linker, nodes)
  const signature = coreSignature(type, 'lift')
  const core = coreFunction(scope, canon.core, signature)
  if (core.ref.kind !== 'export') throw invalid('a lifted function is one of the host')
  const { postReturn } = canon.options
  const results = signature.slice(signature.indexOf(':') + 1)
  linker.lifts.push({
    type,
    core: core.ref,
    postReturn: postReturn === undefined ? undefined : coreFunction(scope, postReturn, `${results}:`).ref,
    context: linkOptions(scope, canon.options, needsOf(type, 'lift')),
  })
  scope.funcs.push({ sort: 'func', type, source: { kind: 'lift', lift: linker.lifts.length - 1 } })
}

interface Needs {
  readonly memory: boolean
  readonly realloc: boolean
}

function needsOf(type: FuncType, direction: 'lift' | 'lower'): Needs {
  const flat = flattenFunc(type)
  const inParams = type.params.some((param) => hasPointers(param.type))
  const inResult = hasPointers(type.result)
  return {
    memory: inParams || inResult || flat.isParamsSpilled || flat.isResultSpilled,
    realloc: direction === 'lift' ? inParams || flat.isParamsSpilled : inResult,
  }
}

function hasPointers(type: ValueType | undefined): boolean {
  return contains(type, ({ kind }) => kind === 'string' || kind === 'list')
}

function linkOptions(scope: Scope, options: CanonOptions, needs: Needs): ContextPlan {
  const memory = coreItem(scope, 'memory', options.memory)
  const realloc = options.realloc === undefined ? undefined : coreFunction(scope, options.realloc, 'iiii:i')
  if (needs.memory && memory === undefined) throw invalid('a canonical function without its memory')
  if (needs.realloc && realloc === undefined) throw invalid('a canonical function without its realloc')
  return { component: scope.component, memory: memory?.ref, realloc: realloc?.ref }
}
