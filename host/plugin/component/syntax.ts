/** A decoded component before linking: definitions in their order, indices unresolved. */

export type CoreSort = 'func' | 'table' | 'memory' | 'global'
export type Sort = 'module' | 'func' | 'type' | 'component' | 'instance'

export interface ComponentSyntax {
  readonly definitions: readonly Definition[]
}

export type Definition =
  | { readonly kind: 'module'; readonly module: number }
  | { readonly kind: 'component'; readonly component: ComponentSyntax }
  | { readonly kind: 'core-instance'; readonly module: number; readonly args: readonly Named<number>[] }
  | { readonly kind: 'core-bag'; readonly items: readonly Named<CoreIndex>[] }
  | { readonly kind: 'instance'; readonly component: number; readonly args: readonly Named<SortIndex>[] }
  | { readonly kind: 'bag'; readonly items: readonly Named<SortIndex>[] }
  | AliasSyntax
  | { readonly kind: 'type'; readonly type: TypeSyntax }
  | CanonSyntax
  | { readonly kind: 'import'; readonly name: string; readonly desc: ExternSyntax }
  | {
      readonly kind: 'export'
      readonly name: string
      readonly item: SortIndex
      readonly desc: ExternSyntax | undefined
    }

export interface Named<T> {
  readonly name: string
  readonly value: T
}

export interface SortIndex {
  readonly sort: Sort
  readonly index: number
}

interface CoreIndex {
  readonly sort: CoreSort
  readonly index: number
}

export type AliasSyntax =
  | { readonly kind: 'alias-export'; readonly sort: Sort; readonly instance: number; readonly name: string }
  | { readonly kind: 'alias-core'; readonly sort: CoreSort; readonly instance: number; readonly name: string }
  | { readonly kind: 'alias-outer'; readonly sort: Sort; readonly depth: number; readonly index: number }

export interface CanonOptions {
  readonly memory: number | undefined
  readonly realloc: number | undefined
  readonly postReturn: number | undefined
}

export type CanonSyntax =
  | { readonly kind: 'lift'; readonly core: number; readonly options: CanonOptions; readonly type: number }
  | { readonly kind: 'lower'; readonly func: number; readonly options: CanonOptions }
  | { readonly kind: 'resource'; readonly op: 'new' | 'drop' | 'rep'; readonly type: number }
  | { readonly kind: 'context'; readonly op: 'get' | 'set'; readonly slot: number }
  | { readonly kind: 'unsupported'; readonly name: string }

export type ExternSyntax =
  | { readonly kind: 'func'; readonly type: number }
  | { readonly kind: 'type-eq'; readonly type: number }
  | { readonly kind: 'type-sub' }
  | { readonly kind: 'instance'; readonly type: number }

/** A type index, or a primitive by name. */
export type ValueSyntax = number | Primitive

export const primitives = [
  'bool',
  's8',
  'u8',
  's16',
  'u16',
  's32',
  'u32',
  's64',
  'u64',
  'f32',
  'f64',
  'char',
  'string',
] as const

export type Primitive = (typeof primitives)[number]

export type TypeSyntax =
  | { readonly kind: 'primitive'; readonly primitive: Primitive }
  | { readonly kind: 'record'; readonly fields: readonly Named<ValueSyntax>[] }
  | { readonly kind: 'variant'; readonly cases: readonly Named<ValueSyntax | undefined>[] }
  | { readonly kind: 'list'; readonly element: ValueSyntax }
  | { readonly kind: 'tuple'; readonly items: readonly ValueSyntax[] }
  | { readonly kind: 'flags' | 'enum'; readonly names: readonly string[] }
  | { readonly kind: 'option'; readonly some: ValueSyntax }
  | { readonly kind: 'result'; readonly ok: ValueSyntax | undefined; readonly err: ValueSyntax | undefined }
  | { readonly kind: 'own' | 'borrow'; readonly resource: number }
  | { readonly kind: 'func'; readonly params: readonly Named<ValueSyntax>[]; readonly result: ValueSyntax | undefined }
  | { readonly kind: 'instance'; readonly declarations: readonly Declaration[] }
  | { readonly kind: 'resource'; readonly destructor: number | undefined }

export type Declaration =
  | { readonly kind: 'type'; readonly type: TypeSyntax }
  | AliasSyntax
  | { readonly kind: 'export'; readonly name: string; readonly desc: ExternSyntax }
