/** Numbers, booleans, characters and flags. */
import type { Codec } from './codec.ts'
import { bigintAt, type Context, numberAt } from './context.ts'
import { flagsSize } from './layout.ts'
import { camelCase } from './names.ts'
import type { Primitive } from './syntax.ts'
import { lied } from './trap.ts'

type Scalar = Exclude<Primitive, 'string' | 'char'>

export function scalarCodec(kind: Scalar): Codec {
  return scalars[kind]
}

interface IntegerShape {
  readonly kind: string
  readonly min: number
  readonly max: number
  readonly read: (view: DataView, at: number) => number
  readonly write: (view: DataView, at: number, value: number) => void
  /** From an i32, of which only the low bits count. */
  readonly narrow: (value: number) => number
}

function integerCodec({ kind, min, max, read, write, narrow }: IntegerShape): Codec {
  const check = (value: unknown): number => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
    throw lied(`a value of type ${kind} is expected`)
  }
  return {
    load: (context, at) => read(context.view, at),
    store: (context, value, at) => write(context.view, at, check(value)),
    lift: (_, flat, at) => narrow(numberAt(flat, at)),
    lower: (_, value, flat, at) => {
      flat[at] = check(value)
    },
  }
}

interface BigintShape {
  readonly kind: string
  readonly min: bigint
  readonly max: bigint
  readonly read: (view: DataView, at: number) => bigint
  readonly wrap: (value: bigint) => bigint
}

function bigintCodec({ kind, min, max, read, wrap }: BigintShape): Codec {
  const check = (value: unknown): bigint => {
    if (typeof value === 'bigint' && value >= min && value <= max) return value
    throw lied(`a value of type ${kind} is expected`)
  }
  return {
    load: (context, at) => read(context.view, at),
    store: (context, value, at) => context.view.setBigInt64(at, BigInt.asIntN(64, check(value)), true),
    lift: (_, flat, at) => wrap(bigintAt(flat, at)),
    lower: (_, value, flat, at) => {
      flat[at] = BigInt.asIntN(64, check(value))
    },
  }
}

function checkFloat(value: unknown): number {
  if (typeof value === 'number') return value
  throw lied('a number is expected')
}

const f32Codec: Codec = {
  load: (context, at) => context.view.getFloat32(at, true),
  store: (context, value, at) => context.view.setFloat32(at, checkFloat(value), true),
  lift: (_, flat, at) => numberAt(flat, at),
  lower: (_, value, flat, at) => {
    flat[at] = Math.fround(checkFloat(value))
  },
}

const f64Codec: Codec = {
  load: (context, at) => context.view.getFloat64(at, true),
  store: (context, value, at) => context.view.setFloat64(at, checkFloat(value), true),
  lift: (_, flat, at) => numberAt(flat, at),
  lower: (_, value, flat, at) => {
    flat[at] = checkFloat(value)
  },
}

function checkBool(value: unknown): number {
  if (typeof value === 'boolean') return value ? 1 : 0
  throw lied('a boolean is expected')
}

const boolCodec: Codec = {
  load: (context, at) => context.bytes[at] !== 0,
  store: (context, value, at) => {
    context.bytes[at] = checkBool(value)
  },
  lift: (_, flat, at) => numberAt(flat, at) !== 0,
  lower: (_, value, flat, at) => {
    flat[at] = checkBool(value)
  },
}

const scalars: { readonly [kind in Scalar]: Codec } = {
  bool: boolCodec,
  u8: integerCodec({
    kind: 'u8',
    min: 0,
    max: 0xff,
    read: (view, at) => view.getUint8(at),
    write: (view, at, value) => view.setUint8(at, value),
    narrow: (value) => value & 0xff,
  }),
  s8: integerCodec({
    kind: 's8',
    min: -0x80,
    max: 0x7f,
    read: (view, at) => view.getInt8(at),
    write: (view, at, value) => view.setInt8(at, value),
    narrow: (value) => (value << 24) >> 24,
  }),
  u16: integerCodec({
    kind: 'u16',
    min: 0,
    max: 0xffff,
    read: (view, at) => view.getUint16(at, true),
    write: (view, at, value) => view.setUint16(at, value, true),
    narrow: (value) => value & 0xffff,
  }),
  s16: integerCodec({
    kind: 's16',
    min: -0x8000,
    max: 0x7fff,
    read: (view, at) => view.getInt16(at, true),
    write: (view, at, value) => view.setInt16(at, value, true),
    narrow: (value) => (value << 16) >> 16,
  }),
  u32: integerCodec({
    kind: 'u32',
    min: 0,
    max: 0xffff_ffff,
    read: (view, at) => view.getUint32(at, true),
    write: (view, at, value) => view.setUint32(at, value, true),
    narrow: (value) => value >>> 0,
  }),
  s32: integerCodec({
    kind: 's32',
    min: -0x8000_0000,
    max: 0x7fff_ffff,
    read: (view, at) => view.getInt32(at, true),
    write: (view, at, value) => view.setInt32(at, value, true),
    narrow: (value) => value | 0,
  }),
  u64: bigintCodec({
    kind: 'u64',
    min: 0n,
    max: 0xffff_ffff_ffff_ffffn,
    read: (view, at) => view.getBigUint64(at, true),
    wrap: (value) => BigInt.asUintN(64, value),
  }),
  s64: bigintCodec({
    kind: 's64',
    min: -0x8000_0000_0000_0000n,
    max: 0x7fff_ffff_ffff_ffffn,
    read: (view, at) => view.getBigInt64(at, true),
    wrap: (value) => BigInt.asIntN(64, value),
  }),
  f32: f32Codec,
  f64: f64Codec,
}

function toChar(code: number): string {
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) throw lied(`0x${code.toString(16)} is not a character`)
  return String.fromCodePoint(code)
}

function fromChar(value: unknown): number {
  const code = typeof value === 'string' ? value.codePointAt(0) : undefined
  if (code === undefined || toChar(code) !== value) throw lied('one character is expected')
  return code
}

export const charCodec: Codec = {
  load: (context, at) => toChar(context.view.getUint32(at, true)),
  store: (context, value, at) => context.view.setUint32(at, fromChar(value), true),
  lift: (_, flat, at) => toChar(numberAt(flat, at) >>> 0),
  lower: (_, value, flat, at) => {
    flat[at] = fromChar(value)
  },
}

/** An object of booleans; absent keys are false. Bits beyond the last flag are ignored. */
export function flagsCodec(names: readonly string[]): Codec {
  const keys = names.map(camelCase)
  const size = flagsSize(names.length)
  const unpack = (bits: number): Record<string, boolean> => {
    const value: Record<string, boolean> = {}
    for (const [index, key] of keys.entries()) value[key] = ((bits >>> index) & 1) === 1
    return value
  }
  const pack = (value: unknown): number => {
    if (typeof value !== 'object' || value === null) throw lied('an object of flags is expected')
    const flags: { readonly [key: string]: unknown } = { ...value }
    return keys.reduce((bits, key, index) => (flags[key] === true ? bits | (1 << index) : bits), 0) >>> 0
  }
  const read = ({ view }: Context, at: number) => {
    if (size === 1) return view.getUint8(at)
    return size === 2 ? view.getUint16(at, true) : view.getUint32(at, true)
  }
  return {
    load: (context, at) => unpack(read(context, at)),
    store: ({ view }, value, at) => {
      const bits = pack(value)
      if (size === 1) view.setUint8(at, bits)
      else if (size === 2) view.setUint16(at, bits, true)
      else view.setUint32(at, bits, true)
    },
    lift: (_, flat, at) => unpack(numberAt(flat, at)),
    lower: (_, value, flat, at) => {
      flat[at] = pack(value)
    },
  }
}
