/** Variants, options, results and enums. Cases of different core types share flat slots of a joined type. */
import type { Codec, CodecOf } from './codec.ts'
import { isObject } from './codec-record.ts'
import { bigintAt, type Context, type CoreValue, numberAt } from './context.ts'
import { type CoreType, discriminantSize, layoutOf, payloadOffset } from './layout.ts'
import { lied } from './trap.ts'
import type { Case, ValueType } from './types.ts'

/** How a kind of variant looks to JavaScript. */
interface Shape {
  wrap(index: number, value: unknown): unknown
  /** The case, and its payload in `value`. */
  indexOf(value: unknown): number
  payloadOf(value: unknown): unknown
}

export function variantCodec(cases: readonly Case[], codecOf: CodecOf): Codec {
  return choiceCodec(
    cases.map((item) => item.type),
    taggedShape(cases.map((item) => item.name)),
    codecOf,
  )
}

export function resultCodec(type: Extract<ValueType, { kind: 'result' }>, codecOf: CodecOf): Codec {
  return choiceCodec([type.ok, type.err], taggedShape(['ok', 'err']), codecOf)
}

/** `undefined` or the value; tagged when the value may itself be `undefined`. */
export function optionCodec(some: ValueType, codecOf: CodecOf): Codec {
  return choiceCodec([undefined, some], isNullable(some) ? taggedShape(['none', 'some']) : nullableShape, codecOf)
}

function isNullable(type: ValueType): boolean {
  return type.kind === 'option' && !isNullable(type.some)
}

const nullableShape: Shape = {
  wrap: (index, value) => (index === 0 ? undefined : value),
  indexOf: (value) => (value === undefined || value === null ? 0 : 1),
  payloadOf: (value) => value,
}

function taggedShape(names: readonly string[]): Shape {
  const indices = new Map<unknown, number>(names.map((name, index) => [name, index]))
  return {
    wrap: (index, val) => (val === undefined ? { tag: names[index] } : { tag: names[index], val }),
    indexOf: (value) => {
      const index = isObject(value) ? indices.get(value['tag']) : undefined
      if (index === undefined) throw lied(`one of ${names.join(', ')} is expected`)
      return index
    },
    payloadOf: (value) => (isObject(value) ? value['val'] : undefined),
  }
}

interface Arm {
  readonly codec: Codec
  readonly flat: readonly CoreType[]
  /** Some flat slot of it is of another type than the joined one. */
  readonly isMixed: boolean
}

function choiceCodec(types: readonly (ValueType | undefined)[], shape: Shape, codecOf: CodecOf): Codec {
  const layouts = types.map(layoutOf)
  const offset = payloadOffset(layouts)
  const tag = discriminant(types.length)
  const joined = joinedSlots(types)
  const arms = types.map((type): Arm | undefined => {
    if (type === undefined) return undefined
    const { flat } = layoutOf(type)
    return { codec: codecOf(type), flat, isMixed: flat.some((slot, index) => slot !== joined[index]) }
  })
  return {
    load: (context, at) => {
      const index = tag.read(context, at)
      if (index >= arms.length) throw lied(`case ${index} of ${arms.length}`)
      return shape.wrap(index, arms[index]?.codec.load(context, at + offset))
    },
    store: (context, value, at) => {
      const index = shape.indexOf(value)
      tag.write(context, at, index)
      arms[index]?.codec.store(context, shape.payloadOf(value), at + offset)
    },
    lift: (context, flat, at) => {
      const index = numberAt(flat, at) >>> 0
      if (index >= arms.length) throw lied(`case ${index} of ${arms.length}`)
      const arm = arms[index]
      if (arm?.isMixed !== true) return shape.wrap(index, arm?.codec.lift(context, flat, at + 1))
      const own = arm.flat.map((type, slot) => fromJoined(flat, at + 1 + slot, joined[slot] ?? type, type))
      return shape.wrap(index, arm.codec.lift(context, own, 0))
    },
    lower: (context, value, flat, at) => {
      const index = shape.indexOf(value)
      const arm = arms[index]
      flat[at] = index
      for (const [slot, type] of joined.entries()) flat[at + 1 + slot] = type === 'i64' ? 0n : 0
      if (arm?.isMixed !== true) return arm?.codec.lower(context, shape.payloadOf(value), flat, at + 1)
      const own: CoreValue[] = []
      arm.codec.lower(context, shape.payloadOf(value), own, 0)
      for (const [slot, type] of arm.flat.entries()) {
        flat[at + 1 + slot] = toJoined(own, slot, type, joined[slot] ?? type)
      }
    },
  }
}

function joinedSlots(types: readonly (ValueType | undefined)[]): readonly CoreType[] {
  const cases = types.map((type, index) => ({ name: String(index), type }))
  return layoutOf({ kind: 'variant', cases }).flat.slice(1)
}

interface Discriminant {
  read(context: Context, at: number): number
  write(context: Context, at: number, index: number): void
}

function discriminant(count: number): Discriminant {
  const size = discriminantSize(count)
  if (size === 1) {
    return {
      read: ({ view }, at) => view.getUint8(at),
      write: ({ view }, at, index) => view.setUint8(at, index),
    }
  }
  if (size === 2) {
    return {
      read: ({ view }, at) => view.getUint16(at, true),
      write: ({ view }, at, index) => view.setUint16(at, index, true),
    }
  }
  return {
    read: ({ view }, at) => view.getUint32(at, true),
    write: ({ view }, at, index) => view.setUint32(at, index, true),
  }
}

// Bits travel through these words: JavaScript numbers would lose an i64, and fold NaNs only here, on purpose.
const scratch = new DataView(new ArrayBuffer(8))

function fromJoined(flat: readonly CoreValue[], at: number, have: CoreType, want: CoreType): CoreValue {
  if (have === want) return flat[at] ?? 0
  if (have === 'i64') scratch.setBigInt64(0, bigintAt(flat, at), true)
  else scratch.setInt32(0, numberAt(flat, at), true)
  if (want === 'f64') return scratch.getFloat64(0, true)
  return want === 'f32' ? scratch.getFloat32(0, true) : scratch.getInt32(0, true)
}

function toJoined(flat: readonly CoreValue[], at: number, have: CoreType, want: CoreType): CoreValue {
  if (have === want) return flat[at] ?? 0
  scratch.setBigInt64(0, 0n, true)
  if (have === 'f64') scratch.setFloat64(0, numberAt(flat, at), true)
  else if (have === 'f32') scratch.setFloat32(0, numberAt(flat, at), true)
  else scratch.setInt32(0, numberAt(flat, at), true)
  return want === 'i64' ? scratch.getBigInt64(0, true) : scratch.getInt32(0, true)
}

/** Strings, by the names in WIT. */
export function enumCodec(names: readonly string[]): Codec {
  const indices = new Map<unknown, number>(names.map((name, index) => [name, index]))
  const tag = discriminant(names.length)
  const nameAt = (index: number): string => {
    const name = names[index]
    if (name === undefined) throw lied(`case ${index} of ${names.length}`)
    return name
  }
  const indexOf = (value: unknown): number => {
    const index = indices.get(value)
    if (index === undefined) throw lied(`one of ${names.join(', ')} is expected`)
    return index
  }
  return {
    load: (context, at) => nameAt(tag.read(context, at)),
    store: (context, value, at) => tag.write(context, at, indexOf(value)),
    lift: (_, flat, at) => nameAt(numberAt(flat, at) >>> 0),
    lower: (_, value, flat, at) => {
      flat[at] = indexOf(value)
    },
  }
}
