/** Lists. Those of numbers are typed arrays, as in jco's types; plain arrays are accepted in their place. */
import type { Codec, CodecOf } from './codec.ts'
import { allocate, checkRange, type Context, numberAt, spend } from './context.ts'
import { layoutOf } from './layout.ts'
import { lied } from './trap.ts'
import type { ValueType } from './types.ts'

type NumberArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array
  | Float32Array
  | Float64Array

const numberArrays = new Map<ValueType['kind'], new (buffer: ArrayBuffer) => NumberArray>([
  ['u8', Uint8Array],
  ['s8', Int8Array],
  ['u16', Uint16Array],
  ['s16', Int16Array],
  ['u32', Uint32Array],
  ['s32', Int32Array],
  ['u64', BigUint64Array],
  ['s64', BigInt64Array],
  ['f32', Float32Array],
  ['f64', Float64Array],
])

export function listCodec(element: ValueType, codecOf: CodecOf): Codec {
  const { size, align } = layoutOf(element)
  const codec = codecOf(element)
  const NumbersOf = numberArrays.get(element.kind)

  const lift = (context: Context, pointer: number, length: number): unknown => {
    const count = length >>> 0
    spend(context, count * size)
    const at = checkRange(context, pointer, count * size, align)
    if (NumbersOf !== undefined) return new NumbersOf(copyBytes(context, at, count * size))
    const items: unknown[] = []
    for (let index = 0; index < count; index += 1) items.push(codec.load(context, at + index * size))
    return items
  }

  const lower = (context: Context, value: unknown): [number, number] => {
    if (NumbersOf !== undefined && value instanceof NumbersOf) return lowerNumbers(context, value, align)
    if (!Array.isArray(value)) throw lied('a list is expected')
    const items: readonly unknown[] = value
    const at = allocate(context, items.length * size, align)
    for (const [index, item] of items.entries()) codec.store(context, item, at + index * size)
    return [at, items.length]
  }

  return {
    load: (context, at) => lift(context, context.view.getUint32(at, true), context.view.getUint32(at + 4, true)),
    store: (context, value, at) => {
      const [pointer, length] = lower(context, value)
      context.view.setUint32(at, pointer, true)
      context.view.setUint32(at + 4, length, true)
    },
    lift: (context, flat, at) => lift(context, numberAt(flat, at), numberAt(flat, at + 1)),
    lower: (context, value, flat, at) => {
      const [pointer, length] = lower(context, value)
      flat[at] = pointer
      flat[at + 1] = length
    },
  }
}

function copyBytes(context: Context, at: number, size: number): ArrayBuffer {
  const copy = new Uint8Array(size)
  copy.set(context.bytes.subarray(at, at + size))
  return copy.buffer
}

function lowerNumbers(context: Context, value: NumberArray, align: number): [number, number] {
  const at = allocate(context, value.byteLength, align)
  context.bytes.set(new Uint8Array(value.buffer, value.byteOffset, value.byteLength), at)
  return [at, value.length]
}
