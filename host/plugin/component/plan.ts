/** A linked component as plain data: what to instantiate in which order, and how functions cross the boundary. */
import type { CoreSort } from './syntax.ts'
import type { FuncType } from './types.ts'

export interface Plan {
  /** Resource types by number; types refer to them by it. */
  readonly resources: readonly ResourcePlan[]
  /** Functions the component asks its host for. */
  readonly imports: readonly ImportPlan[]
  /** Core instances, in order. */
  readonly instances: readonly CoreInstancePlan[]
  readonly trampolines: readonly Trampoline[]
  readonly lifts: readonly LiftPlan[]
  readonly exports: readonly { readonly name: string; readonly lift: number }[]
  /** How many component instances there are; each has its own handle table. */
  readonly components: number
  /** The code can write tables: a reset must copy them back. */
  readonly copiesTables: boolean
  /** False when the code drops segments, or its tables are too large to copy: replace the instance. */
  readonly isResettable: boolean
  readonly memoryPagesMax: number
  /** Function entries and loop turns of one call; undefined when they are not counted. */
  readonly fuel: number | undefined
}

export interface ResourcePlan {
  readonly name: string
  /** Where it comes from: a host interface, or a component instance with the destructor it declares. */
  readonly owner:
    | { readonly kind: 'host'; readonly interface: string }
    | { readonly kind: 'guest'; readonly component: number; readonly destructor: CoreRef | undefined }
}

export interface ImportPlan {
  /** The interface's name, or `$root` for a function imported by itself. */
  readonly interface: string
  readonly name: string
  readonly type: FuncType
}

export interface CoreInstancePlan {
  readonly module: number
  readonly imports: readonly { readonly module: string; readonly name: string; readonly ref: CoreRef }[]
}

/** Something a core module exports, or a function made by this host. */
export type CoreRef =
  | { readonly kind: 'export'; readonly instance: number; readonly name: string; readonly sort: CoreSort }
  | { readonly kind: 'trampoline'; readonly trampoline: number }

export interface ContextPlan {
  readonly component: number
  readonly memory: CoreRef | undefined
  readonly realloc: CoreRef | undefined
}

/** What a component function is behind its type. */
export type FuncSource =
  | { readonly kind: 'import'; readonly import: number }
  | { readonly kind: 'lift'; readonly lift: number }

export type Trampoline =
  | {
      readonly kind: 'lower'
      readonly type: FuncType
      readonly source: FuncSource
      readonly context: ContextPlan
    }
  | {
      readonly kind: 'resource'
      readonly op: 'new' | 'drop' | 'rep'
      readonly resource: number
      readonly component: number
    }
  | { readonly kind: 'context'; readonly op: 'get' | 'set'; readonly slot: number; readonly component: number }
  | { readonly kind: 'unsupported'; readonly name: string }

export interface LiftPlan {
  readonly type: FuncType
  readonly core: CoreRef
  readonly postReturn: CoreRef | undefined
  readonly context: ContextPlan
}
