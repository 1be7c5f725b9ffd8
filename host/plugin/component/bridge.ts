/** Functions across the boundary. Source: CanonicalABI.md, "canon lift" and "canon lower". */
import type { Codec, CodecOf } from './codec.ts'
import { slotsOf } from './codec-record.ts'
import { allocate, checkRange, type Context, type CoreFunction, type CoreValue, numberAt, refresh } from './context.ts'
import { returnLent } from './handles.ts'
import { flattenFunc, layoutOf } from './layout.ts'
import { lied } from './trap.ts'
import type { FuncType } from './types.ts'

/** A component function on WIT values; a WIT `result` is `{tag, val}`. */
export type ComponentFunction = (args: readonly unknown[]) => unknown

/** What a function type compiles to: once per component and thread. */
export interface Signature {
  readonly params: readonly { readonly codec: Codec; readonly offset: number; readonly place: number }[]
  readonly paramsSize: number
  readonly paramsAlign: number
  readonly isParamsSpilled: boolean
  /** Core parameters, without the result pointer. */
  readonly flatParams: number
  readonly result: { readonly codec: Codec; readonly size: number; readonly align: number } | undefined
  readonly isResultSpilled: boolean
}

export function compileSignature(type: FuncType, codecOf: CodecOf): Signature {
  const types = type.params.map((param) => param.type)
  const flat = flattenFunc(type)
  const tuple = layoutOf({ kind: 'tuple', items: types })
  return {
    params: slotsOf(types, codecOf),
    paramsSize: tuple.size,
    paramsAlign: tuple.align,
    isParamsSpilled: flat.isParamsSpilled,
    flatParams: flat.isParamsSpilled ? 1 : flat.params.length,
    result: type.result === undefined ? undefined : { codec: codecOf(type.result), ...layoutOf(type.result) },
    isResultSpilled: flat.isResultSpilled,
  }
}

/** A core function that calls a component function: what the guest imports. */
export function lowerFunction(signature: Signature, context: Context, target: ComponentFunction): CoreFunction {
  const { component, run } = context
  const { result, flatParams, isResultSpilled } = signature
  return (...flat) => {
    if (!component.mayLeave) throw lied('the component may not call out now')
    const lentBefore = run.lent.length
    const args = liftParams(signature, context, flat)
    const value = target(args)
    returnLent(run, lentBefore)
    if (result === undefined) return undefined
    refresh(context)
    component.mayLeave = false
    const out: CoreValue[] = []
    if (isResultSpilled) {
      const at = checkRange(context, numberAt(flat, flatParams), result.size, result.align)
      result.codec.store(context, value, at)
    } else result.codec.lower(context, value, out, 0)
    component.mayLeave = true
    return out[0]
  }
}

function liftParams(signature: Signature, context: Context, flat: readonly CoreValue[]): unknown[] {
  refresh(context)
  context.run.budget = context.run.liftBytesMax
  const { params, isParamsSpilled, paramsSize, paramsAlign } = signature
  const args: unknown[] = []
  if (isParamsSpilled) {
    const at = checkRange(context, numberAt(flat, 0), paramsSize, paramsAlign)
    for (const { codec, offset } of params) args.push(codec.load(context, at + offset))
  } else for (const { codec, place } of params) args.push(codec.lift(context, flat, place))
  return args
}

/** A component function that calls a core function: what the guest exports. */
export function liftFunction(
  signature: Signature,
  context: Context,
  core: CoreFunction,
  postReturn: CoreFunction | undefined,
): ComponentFunction {
  const { component, run } = context
  return (args) => {
    if (!component.mayEnter) throw lied('the component is entered twice')
    component.mayEnter = false
    component.borrows = 0
    component.words.fill(0)
    component.mayLeave = false
    const flat = lowerParams(signature, context, args)
    component.mayLeave = true
    const returned = core(...flat)
    refresh(context)
    run.budget = run.liftBytesMax
    const value = liftResult(signature, context, returned)
    if (component.borrows > 0) throw lied(`${component.borrows} borrowed handles are still held at the end of the call`)
    if (postReturn !== undefined) {
      component.mayLeave = false
      if (returned === undefined) postReturn()
      else postReturn(returned)
      component.mayLeave = true
    }
    component.mayEnter = true
    return value
  }
}

function lowerParams(signature: Signature, context: Context, args: readonly unknown[]): CoreValue[] {
  const { params, isParamsSpilled, paramsSize, paramsAlign } = signature
  if (args.length !== params.length) throw lied(`${params.length} arguments are expected, ${args.length} given`)
  refresh(context)
  const flat: CoreValue[] = []
  if (isParamsSpilled) {
    const at = allocate(context, paramsSize, paramsAlign)
    for (const [index, { codec, offset }] of params.entries()) codec.store(context, args[index], at + offset)
    flat.push(at)
  } else for (const [index, { codec, place }] of params.entries()) codec.lower(context, args[index], flat, place)
  return flat
}

function liftResult(signature: Signature, context: Context, returned: CoreValue | undefined): unknown {
  const { result, isResultSpilled } = signature
  if (result === undefined) return undefined
  if (returned === undefined) throw lied('a result is missing')
  if (!isResultSpilled) return result.codec.lift(context, [returned], 0)
  const at = checkRange(context, numberAt([returned], 0), result.size, result.align)
  return result.codec.load(context, at)
}
