/** Function types as text, so that what a component declares can be compared with what a host means. */
import { unreachable } from '#host/errors.ts'

import type { Plan } from './plan.ts'
import type { FuncType, ValueType } from './types.ts'

/**
 * Every function a component imports or exports, with its type written out:
 * `trellis:handler/clock@0.1.0#now` is `() -> u64`. A resource stands with the interface it comes from.
 */
export function describeFunctions(plan: Pick<Plan, 'imports' | 'exports' | 'lifts' | 'resources'>): {
  readonly imports: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, string>>
} {
  return {
    imports: Object.fromEntries(
      plan.imports.map((item) => [`${item.interface}#${item.name}`, describeFunc(plan, item.type)]),
    ),
    exports: Object.fromEntries(
      plan.exports.map(({ name, lift }) => [name, describeFunc(plan, plan.lifts[lift]?.type)]),
    ),
  }
}

type Resources = Pick<Plan, 'resources'>

function describeFunc(plan: Resources, type: FuncType | undefined): string {
  const params = type?.params.map((param) => `${param.name}: ${describeType(plan, param.type)}`) ?? []
  const result = type?.result === undefined ? '' : ` -> ${describeType(plan, type.result)}`
  return `(${params.join(', ')})${result}`
}

function describeType(plan: Resources, type: ValueType | undefined): string {
  const of = (part: ValueType | undefined) => describeType(plan, part)
  if (type === undefined) return '_'
  switch (type.kind) {
    case 'list':
      return `list<${of(type.element)}>`
    case 'option':
      return `option<${of(type.some)}>`
    case 'tuple':
      return `tuple<${type.items.map(of).join(', ')}>`
    case 'result':
      return `result<${of(type.ok)}, ${of(type.err)}>`
    case 'record':
      return `record {${type.fields.map((field) => `${field.name}: ${of(field.type)}`).join(', ')}}`
    case 'variant':
      return `variant {${type.cases.map((item) => `${item.name}: ${of(item.type)}`).join(', ')}}`
    case 'enum':
    case 'flags':
      return `${type.kind} {${type.names.join(', ')}}`
    case 'own':
    case 'borrow': {
      const resource = plan.resources[type.resource]
      const owner = resource?.owner.kind === 'host' ? resource.owner.interface : 'guest'
      return `${type.kind}<${owner}/${resource?.name ?? ''}>`
    }
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
    case 'char':
    case 'string':
      return type.kind
    default:
      return unreachable(type)
  }
}
