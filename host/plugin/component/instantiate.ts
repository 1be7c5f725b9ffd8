/** Runs a component's plan: links core instances, binds the host's functions, calls exports, resets. */
import { unreachable } from '#host/errors.ts'

import { type ComponentFunction, compileSignature, liftFunction, lowerFunction, type Signature } from './bridge.ts'
import { openCodecs } from './codecs.ts'
import { type Context, type CoreFunction, openContext, type Run } from './context.ts'
import { openTank, type Tank } from './fuel.ts'
import { addOwn, disposeOf, dropHandle, GuestResource, openComponent, repOf } from './handles.ts'
import type { ComponentState } from './handles.ts'
import type { Component } from './load.ts'
import type { ContextPlan, CoreRef, FuncSource, Plan, ResourcePlan, Trampoline } from './plan.ts'
import { takeSnapshot } from './snapshot.ts'
import { openToll, type Toll } from './toll.ts'
import { HostError, lied, outOfFuel, toTrap, Trap } from './trap.ts'
import type { FuncType } from './types.ts'
import { isFixedWasi, openWasi, type WasiOptions, type WasiTable } from './wasi.ts'

export interface InstantiateOptions {
  readonly imports: HostImports
  /** What the guest may hand over in one call to the host, or as its result. */
  readonly liftBytesMax: number
  readonly wasi: WasiOptions
  /** Whether the call under way has had its time: it ends then. Metered code asks once in a while. */
  readonly isLate?: () => boolean
}

/**
 * Host functions by interface and name, exactly as in WIT: `trellis:handler/store@0.1.0`, `[method]namespace.get` (self
 * first). Functions the world imports by themselves are under `$root`. A function whose WIT result is a `result`
 * returns the `ok` value, or throws a `HostError` with the `err` one; whatever else it throws ends the call.
 */
export type HostImports = {
  readonly [interfaceName: string]: { readonly [func: string]: (...args: never[]) => unknown }
}

export interface Instance {
  /**
   * Calls an export. A WIT `result` comes back as `{tag, val}`.
   *
   * @throws Trap when the guest fails; whatever a host function threw. The instance is spent then.
   */
  call(name: string, args: readonly unknown[]): unknown
  /** Back to the state after instantiation. False when it cannot be: replace the instance. */
  reset(): boolean
  /** Bytes of linear memory now. */
  readonly memoryBytes: number
}

/** Boundary code is compiled once per component and thread. */
const compiled = new WeakMap<Plan, (type: FuncType) => Signature>()

function signaturesOf(plan: Plan): (type: FuncType) => Signature {
  const known = compiled.get(plan)
  if (known !== undefined) return known
  const codecOf = openCodecs(plan)
  const signatures = new Map<FuncType, Signature>()
  const signatureOf = (type: FuncType): Signature => {
    const signature = signatures.get(type) ?? compileSignature(type, codecOf)
    signatures.set(type, signature)
    return signature
  }
  compiled.set(plan, signatureOf)
  return signatureOf
}

/** What instantiation builds up. */
interface Machine {
  readonly plan: Plan
  readonly options: InstantiateOptions
  readonly signatureOf: (type: FuncType) => Signature
  readonly run: Run
  /** Made when the first import asks for it. */
  wasi: WasiTable | undefined
  readonly components: readonly ComponentState[]
  readonly instances: WebAssembly.Instance[]
  readonly trampolines: Map<number, CoreFunction>
  readonly toll: Toll
  readonly lifts: Map<number, ComponentFunction>
  /** There once the instances are: their start functions run on what the modules were made with. */
  tank: Tank | undefined
}

/** @throws Trap when the component's own start-up fails */
export function instantiate(component: Component, options: InstantiateOptions): Instance {
  const { plan } = component
  const run: Run = { depth: 0, budget: 0, liftBytesMax: options.liftBytesMax, lent: [] }
  const machine: Machine = {
    plan,
    options,
    signatureOf: signaturesOf(plan),
    run,
    wasi: undefined,
    components: Array.from({ length: plan.components }, (_, index) => openComponent(index)),
    instances: [],
    trampolines: new Map(),
    // What runs when it is made is of no event.
    toll: openToll(() => run.depth > 0 && options.isLate?.() === true),
    lifts: new Map(),
    tank: undefined,
  }
  guarded(machine, () => runInstances(machine, component.modules))
  const exports = new Map(plan.exports.map(({ name, lift }) => [name, liftAt(machine, lift)]))
  const tank =
    plan.fuel === undefined ? undefined : openTank(machine.instances, { fuel: plan.fuel, isLate: options.isLate })
  machine.tank = tank
  const snapshot = takeSnapshot(machine.instances, machine.components, plan.copiesTables)
  let isSpent = false
  return {
    call(name, args) {
      const target = exports.get(name)
      if (target === undefined) throw new Error(`the component has no function "${name}"`)
      if (isSpent) throw new Trap('trap', 'the instance is spent: replace it')
      isSpent = true
      run.depth = 1
      tank?.fill()
      const value = guarded(machine, () => target(args))
      if (tank?.isSpent() === true) throw outOfFuel(plan.fuel)
      run.depth = 0
      isSpent = false
      return value
    },
    reset() {
      if (isSpent || !plan.isResettable) return false
      machine.wasi?.reset()
      return snapshot.restore()
    },
    get memoryBytes() {
      return snapshot.memoryBytes
    },
  }
}

function runInstances(machine: Machine, modules: readonly WebAssembly.Module[]): void {
  for (const { module: index, imports } of machine.plan.instances) {
    const module = modules[index]
    if (module === undefined) throw new Error(`core module ${index} is missing`)
    const given: Record<string, Record<string, WebAssembly.ImportValue>> = Object.create(null)
    for (const { module: from, name, ref } of imports) {
      given[from] ??= Object.create(null) as Record<string, WebAssembly.ImportValue>
      given[from][name] = resolveRef(machine, ref)
    }
    machine.instances.push(new WebAssembly.Instance(module, given))
  }
}

/** Runs guest code and sorts its failures. */
function guarded<T>(machine: Machine, run: () => T): T {
  try {
    return run()
  } catch (error) {
    const isSpent = error instanceof WebAssembly.RuntimeError && machine.tank?.isSpent() === true
    throw isSpent ? outOfFuel(machine.plan.fuel, error) : toTrap(error, () => isFull(machine))
  }
}

/** It holds more than half of the memory it may have. */
function isFull({ instances, plan }: Machine): boolean {
  return instances.some((instance) =>
    Object.values(instance.exports).some(
      (item) => item instanceof WebAssembly.Memory && item.buffer.byteLength > plan.memoryPagesMax * 32_768,
    ),
  )
}

function resolveRef(machine: Machine, ref: CoreRef): WebAssembly.ImportValue {
  if (ref.kind === 'trampoline') return trampolineAt(machine, ref.trampoline)
  const item = machine.instances[ref.instance]?.exports[ref.name]
  if (item === undefined) throw new Error(`core export "${ref.name}" is missing`)
  return item
}

function coreFunctionAt(machine: Machine, ref: CoreRef): CoreFunction {
  const item = resolveRef(machine, ref)
  if (typeof item !== 'function') throw new Error('a core function is expected')
  return item
}

function trampolineAt(machine: Machine, index: number): CoreFunction {
  const known = machine.trampolines.get(index)
  if (known !== undefined) return known
  const plan = machine.plan.trampolines[index]
  if (plan === undefined) throw new Error(`trampoline ${index} is missing`)
  const made = machine.toll(makeTrampoline(machine, plan))
  machine.trampolines.set(index, made)
  return made
}

function makeTrampoline(machine: Machine, plan: Trampoline): CoreFunction {
  switch (plan.kind) {
    case 'lower':
      return lowerFunction(
        machine.signatureOf(plan.type),
        contextOf(machine, plan.context),
        sourceOf(machine, plan.source),
      )
    case 'resource':
      return makeResourceFunction(machine, plan)
    case 'context': {
      const { words } = componentAt(machine, plan.component)
      if (plan.op === 'get') return () => words[plan.slot === 0 ? 0 : 1]
      return (word) => {
        words[plan.slot === 0 ? 0 : 1] = Number(word)
        return undefined
      }
    }
    case 'unsupported':
      return () => {
        throw new Trap('trap', `${plan.name} is not available`)
      }
    default:
      return unreachable(plan)
  }
}

function makeResourceFunction(machine: Machine, plan: Extract<Trampoline, { kind: 'resource' }>): CoreFunction {
  const state = componentAt(machine, plan.component)
  const { resource } = plan
  if (plan.op === 'rep') return (handle) => repOf(state, Number(handle), resource)
  const mustLeave = () => {
    if (!state.mayLeave) throw lied('the component may not call out now')
  }
  if (plan.op === 'new') {
    return (rep) => {
      mustLeave()
      return addOwn(state, resource, new GuestResource(Number(rep), resource))
    }
  }
  const owner = machine.plan.resources[resource]?.owner
  return (handle) => {
    mustLeave()
    const value = dropHandle(state, Number(handle), resource)
    if (value instanceof GuestResource) {
      if (owner?.kind === 'guest') destroy(machine, owner, { rep: value.rep, from: plan.component })
    } else if (value !== undefined) disposeOf(value)
    return undefined
  }
}

/** Runs the destructor a component gave its own resource. */
function destroy(
  machine: Machine,
  owner: Extract<ResourcePlan['owner'], { kind: 'guest' }>,
  { rep, from }: { readonly rep: number; readonly from: number },
): void {
  if (owner.component !== from && !componentAt(machine, owner.component).mayEnter) {
    throw lied('the component is entered twice')
  }
  if (owner.destructor !== undefined) coreFunctionAt(machine, owner.destructor)(rep)
}

function componentAt(machine: Machine, index: number): ComponentState {
  const component = machine.components[index]
  if (component === undefined) throw new Error(`component instance ${index} is missing`)
  return component
}

function contextOf(machine: Machine, plan: ContextPlan): Context {
  const memory = plan.memory === undefined ? undefined : resolveRef(machine, plan.memory)
  if (memory !== undefined && !(memory instanceof WebAssembly.Memory)) throw new Error('a memory is expected')
  return openContext({
    run: machine.run,
    component: componentAt(machine, plan.component),
    memory,
    realloc: plan.realloc === undefined ? undefined : coreFunctionAt(machine, plan.realloc),
  })
}

function sourceOf(machine: Machine, source: FuncSource): ComponentFunction {
  return source.kind === 'lift' ? liftAt(machine, source.lift) : importAt(machine, source.import)
}

function liftAt(machine: Machine, index: number): ComponentFunction {
  const known = machine.lifts.get(index)
  if (known !== undefined) return known
  const plan = machine.plan.lifts[index]
  if (plan === undefined) throw new Error(`lift ${index} is missing`)
  const postReturn = plan.postReturn === undefined ? undefined : coreFunctionAt(machine, plan.postReturn)
  const core = coreFunctionAt(machine, plan.core)
  const lifted = liftFunction(machine.signatureOf(plan.type), contextOf(machine, plan.context), core, postReturn)
  machine.lifts.set(index, lifted)
  return lifted
}

function importAt(machine: Machine, index: number): ComponentFunction {
  const plan = machine.plan.imports[index]
  if (plan === undefined) throw new Error(`import ${index} is missing`)
  const { interface: owner, name, type } = plan
  if (isFixedWasi(owner)) {
    machine.wasi ??= openWasi(machine.options.wasi)
    const answer = machine.wasi.find(owner, name)
    return (args) => answer(...args)
  }
  const host = Object.hasOwn(machine.options.imports, owner) ? machine.options.imports[owner] : undefined
  const func = host !== undefined && Object.hasOwn(host, name) ? host[name] : undefined
  const { run } = machine
  const answer = (args: readonly unknown[]): unknown => {
    if (run.depth === 0) throw lied(`${owner} ${name} is called outside of a call`)
    if (func === undefined) throw new Trap('trap', `${owner} ${name} is not available`)
    return Reflect.apply(func, host, args)
  }
  if (type.result?.kind !== 'result') return answer
  return (args) => {
    try {
      return { tag: 'ok', val: answer(args) }
    } catch (error) {
      if (error instanceof HostError) return { tag: 'err', val: error.payload }
      throw error
    }
  }
}
