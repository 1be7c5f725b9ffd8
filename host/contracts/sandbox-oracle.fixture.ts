/** A shared sandbox as one would explain it: what each side may do and sees. It knows nothing of the rules' code. */
import type { Area, Deed, Grant, Place } from './sandbox-deed.ts'
import type { SandboxClauses, Side } from './sandbox.ts'

/** `author` left it so, with the deed that `revision` numbers. */
export type Note = Readonly<{ area: Area; key: string; text: string; grant: Grant; author: Side; revision: number }>
type Change = Exclude<Deed, { kind: 'decide' | 'end' }>

/** All there is. Each deed leaves another table, which `says` done or asked, or, with all as it was, why not. */
export interface Table {
  readonly terms: SandboxClauses
  readonly notes: readonly Note[]
  readonly history: readonly string[]
  readonly asked: readonly { readonly number: number; readonly deed: Change; readonly by: Side }[]
  readonly number: number
  readonly isOver: boolean
  readonly says: string
}

const nothing = { notes: [], history: [], asked: [], number: 0, isOver: false, says: '' }
export const laid = (terms: SandboxClauses): Table => ({ terms, ...nothing })
const otherThan = (side: Side): Side => (side === 'guest' ? 'creator' : 'guest')
const areaOf = (place: Place, by: Side): Area => ({ mine: by, theirs: otherThan(by), mutual: 'mutual' as const })[place]
const weight = ({ notes }: Table): number => notes.reduce((sum, { key, text }) => sum + (key + text).length + 128, 0)

export function noteAt({ notes }: Table, by: Side, at: { place: Place; key: string }): Note | undefined {
  return notes.find(({ area, key }) => area === areaOf(at.place, by) && key === at.key)
}

/** Where a change finds its note, where it leaves one, and its name in the history. */
function wayOf(deed: Change): readonly [from: Place, to: Place | null, name: string] {
  if (deed.kind === 'share') return ['mine', 'mine', 'share']
  if (deed.kind === 'move') return deed.to === 'mine' ? ['mutual', 'mine', 'move-out'] : ['mine', 'mutual', 'move-in']
  return [deed.place, deed.kind === 'write' ? deed.place : null, deed.kind]
}

function whyNot(table: Table, deed: Change, by: Side): string | undefined {
  const [from, to, name] = wayOf(deed)
  const note = noteAt(table, by, { place: from, key: deed.key })
  const { revision, grant } = note ?? { revision: 0, grant: 'none' }
  const mayChange = table.isOver || ['write', 'approval'].includes(table.terms.rights[by])
  if (from === 'theirs' && (name === 'remove' || grant !== 'writable')) return 'not-permitted'
  if ((from === 'mutual' || to === 'mutual') && !mayChange) return 'not-permitted'
  if (name === 'move-out' && !table.terms.takeBack) return 'not-permitted'
  if (revision !== deed.expected || (!note && name !== 'write')) return 'conflict'
  if (name === 'move-out' && note?.author !== by) return 'not-permitted'
  if (to && to !== from && noteAt(table, by, { place: to, key: deed.key })) return 'conflict'
  // The guest's side is sealed, but for what it shares: the guest alone opens and seals what it moves or shares.
  const isOwn = by === 'guest' && from === 'mine'
  if (deed.kind === 'write') return isOwn && deed.open !== (grant !== 'none') ? 'malformed-request' : undefined
  return deed.kind !== 'remove' && (deed.value !== null) !== (by === 'guest') ? 'malformed-request' : undefined
}

function change(table: Table, deed: Change, by: Side): Table {
  const why = whyNot(table, deed, by)
  if (why) return { ...table, says: why }
  const [from, to, name] = wayOf(deed)
  const [key, number] = [deed.key, table.number + 1]
  const old = noteAt(table, by, { place: from, key })
  const text = deed.kind !== 'remove' && deed.value ? new TextDecoder().decode(deed.value) : (old?.text ?? '')
  const grant = deed.kind === 'share' ? deed.grant : deed.kind === 'write' && old ? old.grant : 'none'
  const rest = table.notes.filter((note) => note !== old)
  const notes = to ? [...rest, { area: areaOf(to, by), key, text, grant, revision: number, author: by }] : rest
  const history = from === 'mutual' || to === 'mutual' ? [...table.history, `${by} ${name} ${key}`] : table.history
  const changed = { ...table, notes, history, number, says: 'done' }
  return weight(changed) > table.terms.bytesMax ? { ...table, says: 'storage-full' } : changed
}

function answer(table: Table, { proposal, approve }: Extract<Deed, { kind: 'decide' }>, by: Side): Table {
  const question = table.asked.find(({ number }) => number === proposal)
  if (!question) return { ...table, says: 'conflict' }
  if (approve && question.by === by) return { ...table, says: 'not-permitted' }
  const rest = { ...table, asked: table.asked.filter((one) => one !== question) }
  const done = approve ? change(rest, question.deed, question.by) : rest
  return done.number > table.number ? done : { ...rest, number: table.number + 1, says: 'done' }
}

export function act(table: Table, deed: Deed, by: Side): Table {
  const clears = by === 'creator' && deed.kind === 'remove' && deed.place !== 'theirs'
  if (table.isOver) return clears ? change(table, deed, by) : { ...table, says: 'connection-inactive' }
  const number = table.number + 1
  if (deed.kind === 'decide') return answer(table, deed, by)
  if (deed.kind === 'end') {
    const notes = table.notes.filter(({ area }) => area !== 'guest' || !table.terms.purge)
    return { ...table, notes, asked: [], number, isOver: true, says: 'done' }
  }
  const changed = change(table, deed, by)
  if (table.terms.rights[by] !== 'approval' || changed.history === table.history) return changed
  if (table.asked.length === 32) return { ...table, says: 'rate-limited' }
  return { ...table, asked: [...table.asked, { number, deed, by }], number, says: 'asked' }
}

/** What a side can read. */
export function sight({ terms, notes, history, isOver }: Table, by: Side): Pick<Table, 'notes' | 'history'> {
  if (isOver && by === 'guest') return { notes: [], history: [] }
  const seesMutual = isOver || terms.rights[by] !== 'none'
  const isSeen = ({ area, grant }: Note): boolean => (area === 'mutual' ? seesMutual : area === by || grant !== 'none')
  return { notes: notes.filter(isSeen), history: seesMutual ? history : [] }
}
