/** Compiles a WIT type into functions that carry its values across. Source: CanonicalABI.md, "Lifting", "Lowering". */
import { unreachable } from '#host/errors.ts'

import type { Codec, CodecOf } from './codec.ts'
import { handleCodec } from './codec-handle.ts'
import { listCodec } from './codec-list.ts'
import { recordCodec, tupleCodec } from './codec-record.ts'
import { charCodec, flagsCodec, scalarCodec } from './codec-scalar.ts'
import { stringCodec } from './codec-string.ts'
import { enumCodec, optionCodec, resultCodec, variantCodec } from './codec-variant.ts'
import type { Plan } from './plan.ts'
import type { ValueType } from './types.ts'

/** One codec per type, made when first asked for. */
export function openCodecs(plan: Plan): CodecOf {
  const codecs = new Map<ValueType, Codec>()
  const codecOf = (type: ValueType): Codec => {
    const known = codecs.get(type)
    if (known !== undefined) return known
    const codec = makeCodec(plan, type, codecOf)
    codecs.set(type, codec)
    return codec
  }
  return codecOf
}

function makeCodec(plan: Plan, type: ValueType, codecOf: CodecOf): Codec {
  switch (type.kind) {
    case 'string':
      return stringCodec
    case 'char':
      return charCodec
    case 'list':
      return listCodec(type.element, codecOf)
    case 'record':
      return recordCodec(type.fields, codecOf)
    case 'tuple':
      return tupleCodec(type.items, codecOf)
    case 'variant':
      return variantCodec(type.cases, codecOf)
    case 'option':
      return optionCodec(type.some, codecOf)
    case 'result':
      return resultCodec(type, codecOf)
    case 'enum':
      return enumCodec(type.names)
    case 'flags':
      return flagsCodec(type.names)
    case 'own':
    case 'borrow':
      return handleCodec(type.kind, type.resource, plan.resources[type.resource]?.owner)
    case 'bool':
    case 's8':
    case 'u8':
    case 's16':
    case 'u16':
    case 's32':
    case 'u32':
    case 's64':
    case 'u64':
    case 'f32':
    case 'f64':
      return scalarCodec(type.kind)
    default:
      return unreachable(type)
  }
}
