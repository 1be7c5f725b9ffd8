/** A shared sandbox as one would explain it: what each side may do and sees. It knows nothing of the rules' code. */
import type { Area, Deed, Grant, Place } from './sandbox-deed.ts'
import type { SandboxClauses, Side } from './sandbox.ts'

export interface Note {
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

type Plain = Exclude<Deed, { kind: 'decide' | 'end' }>

const text = (value: Uint8Array | null): string => new TextDecoder().decode(value ?? undefined)
export const flip = (side: Side): Side => (side === 'guest' ? 'creator' : 'guest')
const room = (place: Place, by: Side): Area => (place === 'mutual' ? place : place === 'mine' ? by : flip(by))
const list = (area: Map<string, Note>): string[] => [...area].map(([key, note]) => line(key, note)).sort()

interface Table {
  readonly areas: Oracle['areas']
  readonly history: string[]
  /** The number of the last change. */
  number: number
  isOver: boolean
  /** Applies within the size, or leaves all as it was; a trial always does. */
  attempt(deed: Plain, by: Side, isTrial: boolean): string
}

function tableOf(terms: SandboxClauses): Table {
  const areas = { creator: new Map<string, Note>(), guest: new Map<string, Note>(), mutual: new Map<string, Note>() }
  const history: string[] = []
  const mayChange = (by: Side): boolean => ['write', 'approval'].includes(terms.rights[by])
  const weight = (): number =>
    [...areas.creator, ...areas.guest, ...areas.mutual].reduce(
      (sum, [k, note]) => sum + k.length + note.text.length + 128,
      0,
    )

  /** Why not; or puts it there and says nothing. */
  function apply(deed: Plain, by: Side): string | undefined {
    if (deed.kind === 'move' || deed.kind === 'share') return carry(deed, by)
    const place = room(deed.place, by)
    const note = areas[place].get(deed.key)
    if (deed.place === 'theirs' && (deed.kind === 'remove' || note?.grant !== 'writable')) return 'not-permitted'
    if (deed.place === 'mutual' && !table.isOver && !mayChange(by)) return 'not-permitted'
    if ((note?.revision ?? 0) !== deed.expected || (deed.kind === 'remove' && !note)) return 'conflict'
    if (deed.kind === 'remove') areas[place].delete(deed.key)
    else {
      const grant = note?.grant ?? 'none'
      if (place === 'guest' && by === 'guest' && deed.open !== (grant !== 'none')) return 'malformed-request'
      areas[place].set(deed.key, { text: text(deed.value), revision: table.number + 1, author: by, grant })
    }
    if (place === 'mutual') history.push(`${by} ${deed.kind} ${deed.key}`)
    return undefined
  }
  function carry(deed: Extract<Plain, { kind: 'move' | 'share' }>, by: Side): string | undefined {
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
    areas[to].set(deed.key, { text: carried, revision: table.number + 1, author: by, grant })
    if (deed.kind === 'move') history.push(`${by} ${back ? 'move-out' : 'move-in'} ${deed.key}`)
    return undefined
  }
  const table: Table = {
    areas,
    history,
    number: 0,
    isOver: false,
    attempt(deed, by, isTrial) {
      const before = [new Map(areas.creator), new Map(areas.guest), new Map(areas.mutual)]
      const [weighed, lines] = [weight(), history.length]
      const why = apply(deed, by) ?? (weight() > terms.bytesMax && weight() > weighed ? 'storage-full' : undefined)
      if (why === undefined && !isTrial) table.number += 1
      else {
        history.length = lines
        for (const [index, area] of [areas.creator, areas.guest, areas.mutual].entries()) {
          area.clear()
          for (const [key, note] of before[index] ?? []) area.set(key, note)
        }
      }
      return why ?? 'done'
    },
  }
  return table
}

export function oracle(terms: SandboxClauses): Oracle {
  const table = tableOf(terms)
  const asked = new Map<number, { deed: Plain; by: Side }>()

  function answer({ proposal, approve }: Extract<Deed, { kind: 'decide' }>, by: Side): string {
    const waiting = asked.get(proposal)
    if (!waiting) return 'conflict'
    if (approve && waiting.by === by) return 'not-permitted'
    asked.delete(proposal)
    if (!approve || table.attempt(waiting.deed, waiting.by, false) !== 'done') table.number += 1
    return 'done'
  }
  function end(): string {
    table.number += 1
    table.isOver = true
    asked.clear()
    if (terms.purge) table.areas.guest.clear()
    return 'done'
  }
  return {
    areas: table.areas,
    get isOver() {
      return table.isOver
    },
    act(deed, by) {
      if (table.isOver) {
        const mayClear = by === 'creator' && deed.kind === 'remove' && deed.place !== 'theirs'
        return mayClear ? table.attempt(deed, by, false) : 'connection-inactive'
      }
      if (deed.kind === 'decide') return answer(deed, by)
      if (deed.kind === 'end') return end()
      const isMutual = deed.kind === 'move' || (deed.kind !== 'share' && deed.place === 'mutual')
      const isAsked = terms.rights[by] === 'approval' && isMutual
      const how = table.attempt(deed, by, isAsked)
      if (!isAsked || how !== 'done') return how
      if (asked.size === 32) return 'rate-limited'
      asked.set((table.number += 1), { deed, by })
      return 'asked'
    },
    sight(by) {
      if (table.isOver && by === 'guest') return { mine: [], theirs: [], mutual: [], history: [] }
      const { areas, history } = table
      const shared = new Map([...areas[flip(by)]].filter(([, { grant }]) => grant !== 'none'))
      const isMutual = table.isOver || terms.rights[by] !== 'none'
      return {
        mine: list(areas[by]),
        theirs: list(shared),
        mutual: isMutual ? list(areas.mutual) : [],
        history: isMutual ? [...history] : [],
      }
    },
  }
}
