/** Records are objects with camelCase keys, tuples are arrays. */
import type { Codec, CodecOf } from './codec.ts'
import { layoutOf, offsetsOf } from './layout.ts'
import { camelCase } from './names.ts'
import { lied } from './trap.ts'
import type { Field, ValueType } from './types.ts'

interface Slot {
  readonly codec: Codec
  /** In memory. */
  readonly offset: number
  /** Among the flat values. */
  readonly place: number
}

/** Where each part of a sequence stands, in memory and among flat values. */
export function slotsOf(types: readonly ValueType[], codecOf: CodecOf): Slot[] {
  const layouts = types.map(layoutOf)
  const offsets = offsetsOf(layouts)
  let place = 0
  return types.map((type, index) => {
    const slot = { codec: codecOf(type), offset: offsets[index] ?? 0, place }
    place += layouts[index]?.flat.length ?? 0
    return slot
  })
}

export function recordCodec(fields: readonly Field[], codecOf: CodecOf): Codec {
  const slots = slotsOf(
    fields.map((field) => field.type),
    codecOf,
  )
  const entries = slots.map(({ codec, offset, place }, index) => ({
    key: camelCase(fields[index]?.name ?? ''),
    codec,
    offset,
    place,
  }))
  return {
    load: (context, at) => {
      const value: Record<string, unknown> = {}
      for (const { key, codec, offset } of entries) value[key] = codec.load(context, at + offset)
      return value
    },
    store: (context, value, at) => {
      if (!isObject(value)) throw lied('an object is expected')
      for (const { key, codec, offset } of entries) codec.store(context, value[key], at + offset)
    },
    lift: (context, flat, at) => {
      const value: Record<string, unknown> = {}
      for (const { key, codec, place } of entries) value[key] = codec.lift(context, flat, at + place)
      return value
    },
    lower: (context, value, flat, at) => {
      if (!isObject(value)) throw lied('an object is expected')
      for (const { key, codec, place } of entries) codec.lower(context, value[key], flat, at + place)
    },
  }
}

export function tupleCodec(items: readonly ValueType[], codecOf: CodecOf): Codec {
  const slots = slotsOf(items, codecOf)
  const check = (value: unknown): readonly unknown[] => {
    if (Array.isArray(value) && value.length === items.length) return value
    throw lied(`an array of ${items.length} is expected`)
  }
  return {
    load: (context, at) => slots.map(({ codec, offset }) => codec.load(context, at + offset)),
    store: (context, value, at) => {
      const parts = check(value)
      for (const [index, { codec, offset }] of slots.entries()) codec.store(context, parts[index], at + offset)
    },
    lift: (context, flat, at) => slots.map(({ codec, place }) => codec.lift(context, flat, at + place)),
    lower: (context, value, flat, at) => {
      const parts = check(value)
      for (const [index, { codec, place }] of slots.entries()) codec.lower(context, parts[index], flat, at + place)
    },
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
