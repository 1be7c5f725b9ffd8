/** A shared sandbox as one would explain it: what each side may do and sees. It knows nothing of the rules' code. */
import * as fc from 'fast-check'

import type { Area, Deed, Grant, Place } from './sandbox-rules.ts'
import type { SandboxClauses, Side } from './sandbox.ts'

interface Note {
  readonly text: string
  readonly revision: number
  readonly author: Side
  readonly grant: Grant
}

export interface Sight {
  readonly mine: readonly string[]
  readonly theirs: readonly string[]
  readonly mutual: readonly string[]
  readonly history: readonly string[]
}

export interface Oracle {
  readonly areas: Readonly<Record<Area, Map<string, Note>>>
  readonly isOver: boolean
  /** `done`, `asked` or the code of the refusal. */
  act(deed: Deed, by: Side): string
  sight(by: Side): Sight
}

/** One item on one line. */
export function line(key: string, note: Pick<Note, 'text' | 'revision' | 'author' | 'grant'>): string {
  return `${key}=${note.text} #${note.revision} ${note.author} ${note.grant}`
}

export function oracle(terms: SandboxClauses): Oracle {
  const areas = { creator: new Map<string, Note>(), guest: new Map<string, Note>(), mutual: new Map<string, Note>() }
  const asked = new Map<number, { deed: Deed; by: Side }>()
  const history: string[] = []
  let number = 0
  let isOver = false
  const text = (value: Uint8Array | null): string => new TextDecoder().decode(value ?? undefined)
  const flip = (side: Side): Side => (side === 'guest' ? 'creator' : 'guest')
  const room = (place: Place, by: Side): Area => (place === 'mutual' ? place : place === 'mine' ? by : flip(by))
  const weight = (): number =>
    Object.values(areas).reduce(
      (sum, area) => sum + [...area].reduce((all, [key, { text: t }]) => all + key.length + t.length + 128, 0),
      0,
    )
  const mayChange = (by: Side): boolean => ['write', 'approval'].includes(terms.rights[by])

  /** Why not; or puts it there and says nothing. */
  function apply(deed: Exclude<Deed, { kind: 'decide' | 'end' }>, by: Side): string | undefined {
    if (deed.kind === 'move' || deed.kind === 'share') return carry(deed, by)
    const place = room(deed.place, by)
    const note = areas[place].get(deed.key)
    if (deed.place === 'theirs' && (deed.kind === 'remove' || note?.grant !== 'writable')) return 'not-permitted'
    if (deed.place === 'mutual' && !isOver && !mayChange(by)) return 'not-permitted'
    if ((note?.revision ?? 0) !== deed.expected || (deed.kind === 'remove' && !note)) return 'conflict'
    if (deed.kind === 'remove') areas[place].delete(deed.key)
    else {
      const grant = note?.grant ?? 'none'
      if (place === 'guest' && by === 'guest' && deed.open !== (grant !== 'none')) return 'malformed-request'
      areas[place].set(deed.key, { text: text(deed.value), revision: number + 1, author: by, grant })
    }
    if (place === 'mutual') history.push(`${by} ${deed.kind} ${deed.key}`)
    return undefined
  }
  function carry(deed: Extract<Deed, { kind: 'move' | 'share' }>, by: Side): string | undefined {
    const back = deed.kind === 'move' && deed.to === 'mine'
    if (deed.kind === 'move' && (!mayChange(by) || (back && !terms.takeBack))) return 'not-permitted'
    const [from, to] = deed.kind === 'share' ? [by, by] : back ? (['mutual', by] as const) : ([by, 'mutual'] as const)
    const note = areas[from].get(deed.key)
    if (!note || note.revision !== deed.expected) return 'conflict'
    if (back && note.author !== by) return 'not-permitted'
    if (from !== to && areas[to].has(deed.key)) return 'conflict'
    if ((deed.value !== null) !== (by === 'guest')) return 'malformed-request'
    areas[from].delete(deed.key)
    const carried = deed.value === null ? note.text : text(deed.value)
    const grant = deed.kind === 'share' ? deed.grant : 'none'
    areas[to].set(deed.key, { text: carried, revision: number + 1, author: by, grant })
    if (deed.kind === 'move') history.push(`${by} ${back ? 'move-out' : 'move-in'} ${deed.key}`)
    return undefined
  }
  /** Applies within the size, or leaves all as it was. */
  function attempt(deed: Parameters<typeof apply>[0], by: Side, isTrial: boolean): string {
    const before = { ...Object.fromEntries(Object.entries(areas).map(([name, area]) => [name, new Map(area)])) }
    const [weighed, lines] = [weight(), history.length]
    const why = apply(deed, by) ?? (weight() > terms.bytesMax && weight() > weighed ? 'storage-full' : undefined)
    if (why === undefined && !isTrial) number += 1
    else {
      history.length = lines
      for (const name of ['creator', 'guest', 'mutual'] as const) {
        areas[name].clear()
        for (const [key, note] of before[name] ?? []) areas[name].set(key, note)
      }
    }
    return why ?? 'done'
  }
  function answer({ proposal, approve }: Extract<Deed, { kind: 'decide' }>, by: Side): string {
    const waiting = asked.get(proposal)
    if (!waiting) return 'conflict'
    if (approve && waiting.by === by) return 'not-permitted'
    asked.delete(proposal)
    const { deed } = waiting
    const isDone =
      approve && deed.kind !== 'decide' && deed.kind !== 'end' && attempt(deed, waiting.by, false) === 'done'
    if (!isDone) number += 1
    return 'done'
  }
  return {
    areas,
    get isOver() {
      return isOver
    },
    act(deed, by) {
      if (isOver) {
        const mayClear = by === 'creator' && deed.kind === 'remove' && deed.place !== 'theirs'
        return mayClear ? attempt(deed, by, false) : 'connection-inactive'
      }
      if (deed.kind === 'decide') return answer(deed, by)
      if (deed.kind === 'end') {
        number += 1
        isOver = true
        asked.clear()
        if (terms.purge) areas.guest.clear()
        return 'done'
      }
      const isAsked =
        terms.rights[by] === 'approval' && (deed.kind === 'move' || (deed.kind !== 'share' && deed.place === 'mutual'))
      const how = attempt(deed, by, isAsked)
      if (!isAsked || how !== 'done') return how
      if (asked.size === 32) return 'rate-limited'
      asked.set((number += 1), { deed, by })
      return 'asked'
    },
    sight(by) {
      const blind = { mine: [], theirs: [], mutual: [], history: [] }
      if (isOver && by === 'guest') return blind
      const list = (area: Map<string, Note>): string[] => [...area].map(([key, note]) => line(key, note)).sort()
      const shared = new Map([...areas[flip(by)]].filter(([, { grant }]) => grant !== 'none'))
      const isMutual = isOver || terms.rights[by] !== 'none'
      return {
        mine: list(areas[by]),
        theirs: list(shared),
        mutual: isMutual ? list(areas.mutual) : [],
        history: isMutual ? [...history] : [],
      }
    },
  }
}

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
  ...steps.map((arbitrary, index) => ({ arbitrary, weight: [16, 4, 10, 6, 8][index] ?? 1 })),
)

/** The deed of a step, given what there is. `proposals` are the numbers of those that wait. */
export function deedOf(step: Step, model: Oracle, proposals: readonly number[]): Deed {
  const flip = (by: Side): Side => (by === 'guest' ? 'creator' : 'guest')
  const at = (where: Place): Note | undefined =>
    'key' in step
      ? model.areas[where === 'mutual' ? 'mutual' : where === 'mine' ? step.by : flip(step.by)].get(step.key)
      : undefined
  const revision = (note: Note | undefined, fresh: boolean): number => (note?.revision ?? 0) + (fresh ? 0 : 1)
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
    default:
      return { kind: 'end' }
  }
}
