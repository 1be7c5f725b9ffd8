/** What a WIT type compiles to: the functions that carry its values across. */
import type { Context, CoreValue } from './context.ts'
import type { ValueType } from './types.ts'

/**
 * `load` and `store` work on memory at a pointer that is checked already; `lift` and `lower` on flat core values from
 * position `at` on. All throw a Trap when the guest lied.
 */
export interface Codec {
  load(context: Context, at: number): unknown
  store(context: Context, value: unknown, at: number): void
  lift(context: Context, flat: readonly CoreValue[], at: number): unknown
  lower(context: Context, value: unknown, flat: CoreValue[], at: number): void
}

export type CodecOf = (type: ValueType) => Codec
