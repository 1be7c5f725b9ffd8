/** Random steps of two parties in a sandbox, mostly such as come out well. */
import * as fc from 'fast-check'

import { unreachable } from '#host/errors.ts'
import { type Note, noteAt, type Table } from './sandbox-oracle.fixture.ts'
import type { Deed, Grant, Place } from './sandbox-deed.ts'
import type { SandboxClauses, Side } from './sandbox.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const side = fc.constantFrom<Side>('creator', 'guest')
const key = fc.constantFrom('a', 'b', 'c')
const place = fc.constantFrom<Place>('mine', 'mine', 'theirs', 'mutual')
const right = fc.constantFrom('none', 'read', 'write', 'write', 'approval', 'approval') as fc.Arbitrary<
  SandboxClauses['rights']['guest']
>
const wanted = fc.constantFrom(true, true, true, true, false)

export const clausesArbitrary: fc.Arbitrary<SandboxClauses> = fc.record({
  name: fc.constant('model'),
  rights: fc.record({ creator: right, guest: right }),
  takeBack: fc.boolean(),
  portability: fc.constantFrom('none', 'mutual', 'mutual-and-own'),
  purge: fc.boolean(),
  bytesMax: fc.constantFrom(600, 2_000, 4_000),
})

/** One step; what it relies on is looked up when it runs, mostly right. */
export type Step = { readonly by: Side } & (
  | { readonly kind: 'write'; place: Place; key: string; text: string; fresh: boolean; open: boolean }
  | { readonly kind: 'remove'; place: Place; key: string; fresh: boolean }
  | { readonly kind: 'move'; to: 'mine' | 'mutual'; key: string; fresh: boolean; carries: boolean }
  | { readonly kind: 'share'; key: string; grant: Grant; fresh: boolean; carries: boolean }
  | { readonly kind: 'decide'; nth: number; approve: boolean }
  | { readonly kind: 'end' }
)

const text = fc.string({ unit: fc.constantFrom('x', 'y'), maxLength: 90 })
const grant = fc.constantFrom<Grant>('none', 'visible', 'writable')
const steps: fc.Arbitrary<Step>[] = [
  fc.record({ by: side, kind: fc.constant('write' as const), place, key, text, fresh: wanted, open: wanted }),
  fc.record({ by: side, kind: fc.constant('remove' as const), place, key, fresh: wanted }),
  fc.record({
    by: side,
    kind: fc.constant('move' as const),
    to: fc.constantFrom('mutual' as const, 'mutual' as const, 'mine' as const),
    key,
    fresh: wanted,
    carries: wanted,
  }),
  fc.record({ by: side, kind: fc.constant('share' as const), key, grant, fresh: wanted, carries: wanted }),
  fc.record({ by: side, kind: fc.constant('decide' as const), nth: fc.nat(3), approve: wanted }),
  fc.record({ by: side, kind: fc.constant('end' as const) }),
]
/** Ends are rare: a sequence is to go on. */
export const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  ...steps.map((arbitrary, index) => ({ arbitrary, weight: [16, 8, 10, 6, 8][index] ?? 1 })),
)

function revision(note: Note | undefined, fresh: boolean): number {
  return (note?.revision ?? 0) + (fresh ? 0 : 1)
}

/** The deed of a step, given what there is. `proposals` are the numbers of those that wait. */
export function deedOf(step: Step, table: Table, proposals: readonly number[]): Deed {
  const at = (where: Place): Note | undefined =>
    'key' in step ? noteAt(table, step.by, { place: where, key: step.key }) : undefined
  switch (step.kind) {
    case 'write': {
      const note = at(step.place)
      const isShared = note !== undefined && note.grant !== 'none'
      const { kind, place: where, key: name, fresh } = step
      const open = step.open ? isShared : !isShared
      return { kind, place: where, key: name, value: bytes(step.text), expected: revision(note, fresh), open }
    }
    case 'remove':
      return { kind: 'remove', place: step.place, key: step.key, expected: revision(at(step.place), step.fresh) }
    case 'move':
    case 'share': {
      const note = at(step.kind === 'move' && step.to === 'mine' ? 'mutual' : 'mine')
      const value = (step.by === 'guest') === step.carries ? bytes(note?.text ?? '') : null
      const about = { key: step.key, expected: revision(note, step.fresh), value }
      return step.kind === 'move'
        ? { kind: 'move', to: step.to, ...about }
        : { kind: 'share', grant: step.grant, ...about }
    }
    case 'decide':
      return { kind: 'decide', proposal: proposals[step.nth] ?? 999, approve: step.approve }
    case 'end':
      return { kind: 'end' }
    default:
      return unreachable(step)
  }
}

/** What a side sees, in lines: the notes in the order of their areas and keys, then the history. */
export function linesOf({ notes, history }: Pick<Table, 'notes' | 'history'>): string[] {
  const lines = notes.map(
    ({ area, key, text, ...by }) => `${area} ${key}=${text} #${by.revision} ${by.author} ${by.grant}`,
  )
  return [...lines.sort(), ...history]
}
