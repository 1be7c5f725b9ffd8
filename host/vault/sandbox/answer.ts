/** The vault that hosts answers either side: its own owner's devices, and the guest over its connection. */
import type {
  Deed,
  Doer,
  Outcome,
  Place,
  SandboxRefusal,
  SandboxState,
  SandboxVerdict,
} from '#host/contracts/sandbox-deed.ts'
import { decide, itemSize, maySee, seen, areaOf } from '#host/contracts/sandbox-rules.ts'
import { SANDBOX_PAGE_BYTES, SANDBOX_PAGE_ITEMS_MAX, SANDBOX_WATCH_MS } from '#host/contracts/limits.ts'
import { other } from '#host/contracts/sandbox-rules.ts'
import { Refusal } from '#host/errors.ts'
import { type Cbor, encodeCbor } from '#host/wire/cbor.ts'
import { parseEventType } from '#host/wire/id.ts'
import type { Outgoing } from '../commit.ts'
import { notices } from '../notice.ts'
import { entries } from '../read.ts'
import { decodeRecord } from '../records.ts'
import type { Vault } from '../vault.ts'
import { copyParts, mayCopy } from './copy.ts'
import { farewells } from './end.ts'
import { type Applied, applied, numberKey, partOf, type Sandbox, stateOf } from './held.ts'
import type { SandboxRequest } from './request.ts'

/** What an answer leaves, besides its audit row. */
export interface Answered extends Partial<Applied> {
  readonly body: Readonly<Record<string, Cbor>>
  readonly outgoing?: readonly Outgoing[]
  /** For the audit row: what was done, and to which item. */
  readonly what: string
  readonly key?: string
  /** Whether anything was written; a look is none. */
  readonly isChange: boolean
}

/** @throws Refusal with the rules' reason; `connection-inactive` before the guest said yes, and for it after the end */
export function answerSandbox(vault: Vault, sandbox: Sandbox, request: SandboxRequest, doer: Doer): Answered {
  const { status } = sandbox.record
  const state = stateOf(vault, sandbox)
  const isEnd = request.kind === 'deed' && request.deed.kind === 'end'
  if (status === 'offered' && !isEnd) throw new Refusal('connection-inactive', 'the guest has not accepted it yet')
  if (status === 'ended' && doer.by === 'guest') throw new Refusal('connection-inactive', 'the sandbox has ended')
  switch (request.kind) {
    case 'deed':
      return act(vault, sandbox, { state, deed: request.deed, doer })
    case 'read': {
      const item = seen(visible(state, doer, request.place), doer.by, request)
      return { body: { item: item ? { ...item } : null }, what: 'read', key: request.key, isChange: false }
    }
    case 'list':
      return { body: listed(vault, sandbox, { request, state, doer }), what: 'list', isChange: false }
    case 'history': {
      visible(state, doer, 'mutual')
      if (request.isWatch) vault.sandboxes.watches.set(sandbox.id, doer.now + SANDBOX_WATCH_MS)
      const what = request.isWatch ? 'watch' : 'history'
      return { body: historyPage(vault, sandbox, request.after), what, isChange: false }
    }
    case 'proposals':
      visible(state, doer, 'mutual')
      return { body: { proposals: proposalsOf(vault, sandbox) }, what: 'proposals', isChange: false }
    case 'export': {
      if (!mayCopy(sandbox.record.terms)) throw new Refusal('not-permitted', 'the terms let nobody take a copy')
      const [copy] = copyParts(vault, sandbox, { now: doer.now, only: request.part })
      if (!copy) throw new Refusal('malformed-request', `no part ${request.part}: count from 0`)
      return { body: { copy }, what: `copy taken, part ${request.part}`, isChange: false }
    }
    default:
      throw new Error('a request of no kind')
  }
}

function visible(state: SandboxState, { by }: Doer, place: Place): SandboxState {
  if (maySee(state, by, place)) return state
  throw new Refusal('not-permitted', 'the terms do not let you see the mutual area')
}

interface Act {
  readonly state: SandboxState
  readonly deed: Deed
  readonly doer: Doer
}

function act(vault: Vault, sandbox: Sandbox, { state, deed, doer }: Act): Answered {
  const verdict = decide(state, deed, doer)
  const left = applied(vault, sandbox, verdict)
  if (verdict.kind === 'refused') throw new Error('a refusal that was not thrown')
  const about = { ...left, what: summary(deed, doer), isChange: true, ...('key' in deed && { key: saidName(deed) }) }
  const outgoing = tidings(vault, sandbox, { state, verdict, doer })
  if (verdict.kind === 'asks') {
    return { ...about, body: { change: verdict.change, proposal: verdict.change }, outgoing }
  }
  const refused = verdict.settled?.refused ?? null
  return { ...about, body: { change: verdict.change, proposal: null, refused }, outgoing }
}

/** Whom a verdict concerns, besides whoever caused it: `byHandler`, its owner's devices too. */
export function tidings(
  vault: Vault,
  sandbox: Sandbox,
  { state, verdict, doer, byHandler }: Pick<Act, 'state' | 'doer'> & { verdict: Allowed; byHandler?: boolean },
): Outgoing[] {
  if (verdict.kind === 'asks') {
    return tell(vault, sandbox, other(doer.by), {
      type: 'sandbox.asked',
      body: { sandbox: sandbox.id, proposal: verdict.change },
    })
  }
  return [
    ...news(vault, sandbox, { state, verdict, doer, isUnseen: doer.by === 'guest' || byHandler === true }),
    ...(verdict.ended ? farewells(vault, sandbox, doer.now) : []),
    ...outcomeNews(vault, sandbox, { state, verdict }),
  ]
}

type Allowed = Exclude<SandboxVerdict, SandboxRefusal>

/** Who asked is told how it ended. */
function outcomeNews(
  vault: Vault,
  sandbox: Sandbox,
  { state, verdict }: { state: SandboxState; verdict: Outcome },
): Outgoing[] {
  if (!verdict.settled) return []
  const { proposal, refused } = verdict.settled
  const by = state.proposal(proposal)?.by
  return by
    ? tell(vault, sandbox, by, { type: 'sandbox.settled', body: { sandbox: sandbox.id, proposal, refused } })
    : []
}

/** That something changed, and no word of what: to the side that may see it. */
function news(
  vault: Vault,
  sandbox: Sandbox,
  { state, verdict, doer, isUnseen }: { state: SandboxState; verdict: Outcome; doer: Doer; isUnseen: boolean },
): Outgoing[] {
  const sees = (side: 'creator' | 'guest'): boolean =>
    verdict.writes.some(({ area, key, item }) => {
      if (area === 'mutual') return state.terms.rights[side] !== 'none'
      if (area === side) return doer.by !== side
      return (item?.grant ?? 'none') !== 'none' || (state.item(area, key)?.grant ?? 'none') !== 'none'
    })
  const body = { sandbox: sandbox.id, change: verdict.change }
  const told: Outgoing[] = []
  if ((vault.sandboxes.watches.get(sandbox.id) ?? 0) > doer.now && sees('guest')) {
    told.push(...tell(vault, sandbox, 'guest', { type: CHANGED, body, delivery: 'best-effort' }))
  }
  if (isUnseen && sees('creator')) {
    told.push(...tell(vault, sandbox, 'creator', { type: CHANGED, body, delivery: 'best-effort' }))
  }
  return told
}

const CHANGED = 'sandbox.changed'

/** To a side: the owner's devices here, or the guest over its connection. */
function tell(
  vault: Vault,
  { record }: Sandbox,
  side: 'creator' | 'guest',
  { type, body, delivery = 'critical' }: { type: string; body: Cbor; delivery?: 'critical' | 'best-effort' },
): Outgoing[] {
  if (side === 'creator') return notices(vault, type, body).map((notice) => Object.assign(notice, { delivery }))
  const to = vault.connections.get(record.connection)
  if (!to?.session) return []
  return [{ to, type: parseEventType(type), body: encodeCbor(body), causation: null, delivery }]
}

function listed(
  vault: Vault,
  sandbox: Sandbox,
  { request, state, doer }: { request: Extract<SandboxRequest, { kind: 'list' }>; state: SandboxState; doer: Doer },
): Readonly<Record<string, Cbor>> {
  const { place, prefix, after, limit } = request
  visible(state, doer, place)
  // The guest's own keys are sealed: the creator goes by the names of those that are shared.
  const isShown = place === 'theirs' && doer.by === 'creator'
  const space = partOf(vault, sandbox, isShown ? 'shown' : areaOf(place, doer.by))
  const page = space.scan({ prefix, limit, ...(after !== undefined && { after }) })
  const items = page.items.flatMap(([key]): Cbor[] => {
    const item = seen(state, doer.by, { place, key })
    if (!item) return []
    const { value, name: _name, ...about } = item
    return [{ key, ...about, size: value.length }]
  })
  return { items, next: page.next ?? null, change: state.change }
}

/** What came after a change, oldest first, with how far it goes: a reader that was away reads on from there. */
function historyPage(vault: Vault, sandbox: Sandbox, after: number): Readonly<Record<string, Cbor>> {
  const page = partOf(vault, sandbox, 'history').scan({
    prefix: '',
    limit: SANDBOX_PAGE_ITEMS_MAX,
    after: numberKey(after),
  })
  const history: Cbor[] = []
  let room = SANDBOX_PAGE_BYTES
  let next: number | null = null
  for (const [, { value }] of page.items) {
    const entry = decodeRecord('sandbox-history', value)
    room -= itemSize(entry.key, entry.value ?? new Uint8Array(0))
    if (room < 0) return { history, next, change: sandbox.record.change }
    history.push({ ...entry })
    next = entry.change
  }
  return { history, next: page.next === undefined ? null : next, change: sandbox.record.change }
}

/** Whole, as far as a message goes: the deed that each asks for, and by whom. */
function proposalsOf(vault: Vault, sandbox: Sandbox): Cbor[] {
  let room = SANDBOX_PAGE_BYTES
  return entries(partOf(vault, sandbox, 'proposals'), '').map(([number, bytes]): Cbor => {
    const { deed, by, at } = decodeRecord('sandbox-proposal', bytes)
    const { kind } = deed
    const asked = 'value' in deed ? deed.value : null
    room -= asked?.length ?? 0
    const isShown = asked !== null && room >= 0
    const key = saidName(deed)
    return { proposal: Number(number), by, at, kind, key, value: isShown ? asked : null, size: asked?.length ?? 0 }
  })
}

/** Of the two names of an item that leaves the guest's sealed side, or goes there, the one that both sides know. */
function saidName(deed: Extract<Deed, { key: string }>): string {
  const isOutward = deed.kind === 'share' || (deed.kind === 'move' && deed.to === 'mutual')
  return isOutward ? (deed.name ?? deed.key) : deed.key
}

/** For the audit trail: a deed in a few words, without what was written. */
function summary(deed: Deed, { by }: Doer): string {
  const about = 'place' in deed ? ` ${deed.place}` : 'to' in deed ? ` to ${deed.to}` : ''
  const more = deed.kind === 'share' ? ` ${deed.grant}` : ''
  const decision = deed.kind === 'decide' ? ` ${deed.proposal} ${deed.approve ? 'yes' : 'no'}` : ''
  return `${by}: ${deed.kind}${about}${more}${decision}`
}
