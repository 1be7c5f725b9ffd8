/**
 * What may happen in a shared sandbox: (state, deed, who, now) -> verdict. Pure: whoever holds the state applies it.
 *
 * Three areas, each private to its side but for single items that were shared, and the mutual one under the terms'
 * rights. Revisions are the sandbox's own change numbers: one is never given twice, not even after a removal.
 */
import { type RefusalCode, unreachable } from '#host/errors.ts'
import { KEY_BYTES_MAX } from '#host/limits.ts'

import { SANDBOX_HISTORY_TIMES, SANDBOX_ITEM_BYTES, SANDBOX_PROPOSALS_MAX, SANDBOX_VALUE_BYTES_MAX } from './limits.ts'
import type {
  Area,
  AreaWrite,
  Deed,
  Doer,
  HistoryEntry,
  Outcome,
  Place,
  Proposable,
  SandboxItem,
  SandboxRefusal,
  SandboxState,
  SandboxVerdict,
} from './sandbox-deed.ts'
import type { Side } from './sandbox.ts'

const encoder = new TextEncoder()
const utf8Bytes = (text: string): number => encoder.encode(text).length

/** What an item counts for against the terms' size. */
export function itemSize(key: string, value: Uint8Array): number {
  return utf8Bytes(key) + value.length + SANDBOX_ITEM_BYTES
}

export function other(side: Side): Side {
  return side === 'creator' ? 'guest' : 'creator'
}

export function areaOf(place: Place, by: Side): Area {
  if (place === 'mutual') return 'mutual'
  return place === 'mine' ? by : other(by)
}

/** The key of an item at a place: the guest's are sealed, and the creator goes by the names they are shared under. */
function keyAt(state: SandboxState, by: Side, { place, key }: { readonly place: Place; readonly key: string }): string {
  return place === 'theirs' && by === 'creator' ? (state.shown(key) ?? key) : key
}

/** What the creator calls an item of the guest's; `undefined` while it is not shared. */
export function shownName(key: string, item: SandboxItem | null | undefined): string | undefined {
  return item && item.grant !== 'none' ? (item.name ?? key) : undefined
}

/** Whether a side may see the items of a place at all; of the other's side only those that are shared. */
export function maySee({ terms, ended }: SandboxState, by: Side, place: Place): boolean {
  if (ended) return by === 'creator'
  return place !== 'mutual' || terms.rights[by] !== 'none'
}

/** The item as a side may see it: hidden and absent look alike. */
export function seen(state: SandboxState, by: Side, at: { place: Place; key: string }): SandboxItem | undefined {
  if (!maySee(state, by, at.place)) return undefined
  const item = state.item(areaOf(at.place, by), keyAt(state, by, at))
  return at.place === 'theirs' && item?.grant === 'none' ? undefined : item
}

/** The one judge of every change. */
export function decide(state: SandboxState, deed: Deed, doer: Doer): SandboxVerdict {
  if (state.ended) return afterEnd(state, deed, doer)
  switch (deed.kind) {
    case 'share':
      return share(state, deed, doer)
    case 'decide':
      return settle(state, deed, doer)
    case 'end':
      return { ...outcome(state, []), ended: true }
    case 'write':
    case 'remove':
    case 'move':
      return propose(state, deed, doer)
    default:
      return unreachable(deed)
  }
}

/** The creator keeps it, and may clear it up; the guest's reach is over. */
function afterEnd(state: SandboxState, deed: Deed, doer: Doer): SandboxVerdict {
  if (doer.by === 'creator' && deed.kind === 'remove' && deed.place !== 'theirs') {
    return perform(state, deed, { ...doer, approved: false })
  }
  return no('connection-inactive', 'the sandbox has ended')
}

/** Does it, or asks the other side first: a change of the mutual area under `approval`. */
function propose(state: SandboxState, deed: Proposable, doer: Doer): SandboxVerdict {
  const verdict = perform(state, deed, { ...doer, approved: false })
  const isMutual = deed.kind === 'move' || deed.place === 'mutual'
  if (verdict.kind !== 'done' || !isMutual || state.terms.rights[doer.by] !== 'approval') return verdict
  if (state.proposals >= SANDBOX_PROPOSALS_MAX) {
    return no('rate-limited', 'the other side has not answered your earlier proposals')
  }
  return { kind: 'asks', change: state.change + 1, proposal: { deed, by: doer.by, at: doer.now } }
}

interface Performer extends Doer {
  readonly approved: boolean
}

function perform(state: SandboxState, deed: Proposable, doer: Performer): SandboxVerdict {
  if (utf8Bytes(deed.key) > KEY_BYTES_MAX || deed.key === '') {
    return no('malformed-request', `a key has 1 to ${KEY_BYTES_MAX} bytes`)
  }
  const wrong = nameMistake(deed, doer)
  if (wrong) return wrong
  if ('value' in deed && deed.value && deed.value.length > SANDBOX_VALUE_BYTES_MAX) {
    return no('too-large', `a value has at most ${SANDBOX_VALUE_BYTES_MAX} bytes`)
  }
  switch (deed.kind) {
    case 'write':
      return write(state, deed, doer)
    case 'remove':
      return remove(state, deed, doer)
    case 'move':
      return deed.to === 'mutual' ? moveIn(state, deed, doer) : moveOut(state, deed, doer)
    default:
      return unreachable(deed)
  }
}

function write(state: SandboxState, deed: Extract<Deed, { kind: 'write' }>, doer: Performer): SandboxVerdict {
  const { place, value, expected } = deed
  const area = areaOf(place, doer.by)
  const key = keyAt(state, doer.by, deed)
  const item = state.item(area, key)
  if (place === 'theirs' && item?.grant !== 'writable') return no('not-permitted', 'the other side did not share it so')
  if (place === 'mutual' && !mayWrite(state, doer.by)) return mutualNo
  if ((item?.revision ?? 0) !== expected) return stale(deed.key, item?.revision ?? 0)
  const grant = item?.grant ?? 'none'
  if (area === 'guest' && doer.by === 'guest' && deed.open !== (grant !== 'none')) {
    return no('malformed-request', 'what is shared is written open, and nothing else is')
  }
  const written = made(state, { value, base: expected, grant, ...named(item?.name) }, doer)
  return recorded(state, { writes: [{ area, key, item: written }], mutual: area === 'mutual' ? 'write' : null }, doer)
}

function remove(state: SandboxState, deed: Extract<Deed, { kind: 'remove' }>, doer: Performer): SandboxVerdict {
  const { place, key, expected } = deed
  if (place === 'theirs') return no('not-permitted', 'only its own side may remove it')
  if (place === 'mutual' && !state.ended && !mayWrite(state, doer.by)) return mutualNo
  const area = areaOf(place, doer.by)
  const item = state.item(area, key)
  if (!item || item.revision !== expected) return stale(key, item?.revision ?? 0)
  return recorded(state, { writes: [{ area, key, item: null }], mutual: area === 'mutual' ? 'remove' : null }, doer)
}

function moveIn(state: SandboxState, deed: Extract<Deed, { kind: 'move' }>, doer: Performer): SandboxVerdict {
  const { key, expected } = deed
  if (!mayWrite(state, doer.by)) return mutualNo
  const item = state.item(doer.by, key)
  if (!item || item.revision !== expected) return stale(key, item?.revision ?? 0)
  const name = deed.name ?? key
  const there = state.item('mutual', name)
  if (there)
    return no('conflict', `the mutual area has a ${name} at revision ${there.revision}: write that one instead`)
  const value = carried(deed.value, item, doer.by)
  if (!value) return carriedNo
  const moved = made(state, { value, base: 0, grant: 'none' }, doer)
  const writes = [
    { area: doer.by, key, item: null },
    { area: 'mutual', key: name, item: moved },
  ] as const
  return recorded(state, { writes, mutual: 'move-in' }, doer)
}

function moveOut(state: SandboxState, deed: Extract<Deed, { kind: 'move' }>, doer: Performer): SandboxVerdict {
  const { key, expected } = deed
  if (!state.terms.takeBack || !mayWrite(state, doer.by))
    return no('not-permitted', 'the terms let nobody take it back')
  const item = state.item('mutual', key)
  if (!item || item.revision !== expected) return stale(key, item?.revision ?? 0)
  if (item.author !== doer.by) return no('not-permitted', 'the other side wrote it last')
  const name = deed.name ?? key
  const mine = state.item(doer.by, name)
  if (mine) return no('conflict', `your side has a ${key} at revision ${mine.revision}: remove that one first`)
  const value = carried(deed.value, item, doer.by)
  if (!value) return carriedNo
  const moved = made(state, { value, base: 0, grant: 'none' }, doer)
  const writes = [
    { area: 'mutual', key, item: null },
    { area: doer.by, key: name, item: moved },
  ] as const
  return recorded(state, { writes, mutual: 'move-out' }, doer)
}

function share(state: SandboxState, deed: Extract<Deed, { kind: 'share' }>, doer: Doer): SandboxVerdict {
  const { key, grant, expected } = deed
  const item = state.item(doer.by, key)
  if (!item || item.revision !== expected) return stale(key, item?.revision ?? 0)
  const value = carried(deed.value, item, doer.by)
  if (!value) return carriedNo
  const wrong = nameMistake(deed, doer)
  if (wrong) return wrong
  if (value.length > SANDBOX_VALUE_BYTES_MAX) return no('too-large', `at most ${SANDBOX_VALUE_BYTES_MAX} bytes`)
  const name = deed.name ?? item.name
  const taken = doer.by === 'guest' && grant !== 'none' ? state.shown(name ?? key) : undefined
  if (taken !== undefined && taken !== key) return no('conflict', `another item is shared as ${name ?? key}`)
  const shared = made(state, { value, base: expected, grant, ...named(grant === 'none' ? undefined : name) }, doer)
  return recorded(state, { writes: [{ area: doer.by, key, item: shared }], mutual: null }, { ...doer, approved: false })
}

/** A no, or a yes that came too late, ends the proposal as well: with the reason. */
function settle(state: SandboxState, deed: Extract<Deed, { kind: 'decide' }>, { by, now }: Doer): SandboxVerdict {
  const { proposal: number, approve } = deed
  const proposal = state.proposal(number)
  if (!proposal) return no('conflict', `no open proposal ${number}: it was answered or taken back`)
  if (approve && proposal.by === by) return no('not-permitted', 'the other side is asked, not you')
  if (!approve) return { ...outcome(state, []), settled: { proposal: number, refused: 'consent-denied' } }
  const verdict = perform(state, proposal.deed, { by: proposal.by, now, approved: true })
  if (verdict.kind === 'done') return { ...verdict, settled: { proposal: number, refused: null } }
  const refused = verdict.kind === 'refused' ? verdict.code : null
  return { ...outcome(state, []), settled: { proposal: number, refused } }
}

function mayWrite({ terms }: SandboxState, by: Side): boolean {
  return terms.rights[by] === 'write' || terms.rights[by] === 'approval'
}

/** Only the guest's own vault can open and seal the guest's side: it says what the value is at its new place. */
function carried(value: Uint8Array | null, item: SandboxItem, by: Side): Uint8Array | null {
  if (by === 'guest') return value
  return value === null ? item.value : null
}

function made(
  { change }: SandboxState,
  about: Pick<SandboxItem, 'value' | 'base' | 'grant' | 'name'>,
  { by, now }: Doer,
): SandboxItem {
  return { ...about, revision: change + 1, author: by, at: now }
}

function named(name: string | undefined): Pick<SandboxItem, 'name'> {
  return name === undefined ? {} : { name }
}

/** Only the guest's side has names that are sealed, and only the guest knows what they stand for. */
function nameMistake(deed: Deed, { by }: Doer): SandboxRefusal | undefined {
  if (!('name' in deed) || deed.name === undefined || deed.name === null) return undefined
  if (by === 'creator') return no('malformed-request', 'only the guest, whose names are sealed, names an item anew')
  const isName = deed.name !== '' && utf8Bytes(deed.name) <= KEY_BYTES_MAX
  return isName ? undefined : no('malformed-request', `a name has 1 to ${KEY_BYTES_MAX} bytes`)
}

/** The writes with their history and what they weigh: over the terms' size nothing is done. */
function recorded(
  state: SandboxState,
  { writes, mutual }: { writes: readonly AreaWrite[]; mutual: HistoryEntry['kind'] | null },
  { by, now, approved }: Performer,
): SandboxVerdict {
  const done = outcome(state, writes)
  if (done.bytes > state.terms.bytesMax) {
    return no('storage-full', `the sandbox holds at most ${state.terms.bytesMax} bytes: remove some first`)
  }
  const written = writes.find(({ area }) => area === 'mutual')
  if (!mutual || !written) return done
  const value = written.item?.value ?? null
  const historyBytes = state.historyBytes + itemSize(written.key, value ?? new Uint8Array(0))
  if (value && historyBytes > SANDBOX_HISTORY_TIMES * state.terms.bytesMax) {
    return no('storage-full', 'the history is full: end this sandbox and begin another')
  }
  const history = { change: done.change, at: now, by, kind: mutual, key: written.key, value, approved }
  return { ...done, history, historyBytes }
}

function outcome(state: SandboxState, writes: readonly AreaWrite[]): Outcome {
  let { bytes } = state
  for (const { area, key, item } of writes) {
    const before = state.item(area, key)
    bytes += (item ? itemSize(key, item.value) : 0) - (before ? itemSize(key, before.value) : 0)
  }
  const change = state.change + 1
  return {
    kind: 'done',
    change,
    bytes,
    historyBytes: state.historyBytes,
    writes,
    history: null,
    settled: null,
    ended: false,
  }
}

function stale(key: string, revision: number): SandboxRefusal {
  const now = revision === 0 ? 'is not there' : `is at revision ${revision}`
  return no('conflict', `${key} ${now}: read it again and decide anew`)
}

function no(code: RefusalCode, why: string): SandboxRefusal {
  return { kind: 'refused', code, why }
}

const mutualNo = no('not-permitted', 'the terms do not let you change the mutual area')
const carriedNo = no(
  'malformed-request',
  'the guest carries the value of what it moves or shares, the creator does not',
)
