/**
 * What this vault keeps of transfers, in the handler's own namespace:
 *
 * - `policy`: who votes on what is proposed from now on.
 * - `transfer/<id>`: a transfer this vault holds, with its votes, in one item: two votes at the same moment are a
 *   conflict, and the second is counted anew on what the first left.
 * - `made/<time>-<id>`: the same by their age; `open/<proposer>`: who has how many open.
 * - `ask/<connection>/<id>`: a transfer another vault asks this one's owner about; `asks/<connection>`: how many.
 */
import { parseJson } from '../sdk/json.ts'
import { refuse } from '../sdk/refuse.ts'
import { openShelf } from '../sdk/shelf.ts'
import type { Transfer } from './quorum.ts'
import type { Choice, Proposal, Release } from './statement.ts'

const { read, write, attempt } = openShelf({ code: 'book-full', message: 'there is no room for another transfer' })

export interface Policy {
  readonly version: number
  readonly threshold: number
  /** Without a connection: this vault itself. */
  readonly members: readonly { readonly name: string; readonly key: string; readonly connection: string }[]
}

/** What another vault asked this one's owner. */
export interface Ask {
  readonly proposal: Proposal
  readonly hash: string
  /** The owner's alias for the vault that asked, when it asked. */
  readonly alias: string
  readonly cast?: { readonly choice: Choice; readonly at: number }
  readonly release?: Release
}

interface Running {
  readonly id: string
  readonly expires: number
}

/** Of one proposer, or of one vault that asks: more are too many to read. */
const OPEN_MAX = 32
/** Of one proposer, what expired undecided: the rest is forgotten, so that nobody fills the book. */
const LAPSED_MAX = 32
/** Of one vault that asks: a proposal of sixteen members is 3 KB. */
const ASKS_MAX = 128
/** What expired so long ago is forgotten, decided or not. */
const KEPT_MS = 365 * 24 * 3_600_000
/** Forgotten with one proposal: more than come with it. */
const FORGOTTEN_MAX = 2
const ASKS_PAGE = 16

export function readPolicy(): Policy | undefined {
  return read('policy') as Policy | undefined
}

export function writePolicy(policy: Policy): void {
  write('policy', policy)
}

export function readTransfer(id: string): Transfer | undefined {
  return read(`transfer/${id}`) as Transfer | undefined
}

export function writeTransfer(transfer: Transfer): void {
  write(`transfer/${transfer.proposal.id}`, transfer)
}

/** Writes a new transfer, and forgets the oldest. @throws refusal `too-many-open` */
export function addTransfer(transfer: Transfer, now: number): void {
  const { proposal, proposer } = transfer
  const key = `open/${proposer.connection}`
  const undecided = listed(key).filter(({ id }) => readTransfer(id)?.closed === undefined)
  const lapsed = undecided.filter(({ expires }) => expires <= now)
  if (undecided.length - lapsed.length >= OPEN_MAX) tooMany()
  const forgotten = lapsed.slice(0, -LAPSED_MAX)
  for (const { id } of forgotten) forget(id)
  write(key, [...undecided.filter((each) => !forgotten.includes(each)), running(proposal)])
  writeTransfer(transfer)
  write(madeKey(proposal), running(proposal))
  const oldest = attempt((space) => space.scan('made/', undefined, FORGOTTEN_MAX)).items
  for (const { id, expires } of oldest.map(({ value }) => parseJson(value) as Running)) {
    if (expires + KEPT_MS <= now) forget(id)
  }
}

export function readAsk(connection: string, id: string): Ask | undefined {
  return read(`ask/${connection}/${id}`) as Ask | undefined
}

export function writeAsk(connection: string, ask: Ask): void {
  write(`ask/${connection}/${ask.proposal.id}`, ask)
}

/** Writes a question of another vault; only its last ones are kept. @throws refusal `too-many-open` */
export function addAsk(connection: string, ask: Ask, now: number): void {
  const key = `asks/${connection}`
  const all = listed(key)
  const isOpen = ({ id, expires }: Running): boolean => expires > now && readAsk(connection, id)?.release === undefined
  if (all.filter(isOpen).length >= OPEN_MAX) tooMany()
  const [oldest] = all.length < ASKS_MAX ? [] : all.filter((each) => !isOpen(each))
  if (oldest !== undefined) attempt((space) => space.delete(`ask/${connection}/${oldest.id}`))
  write(key, [...all.filter((each) => each !== oldest), running(ask.proposal)])
  writeAsk(connection, ask)
}

/** The questions of one vault, a page at a time. */
export function asksOf(connection: string, after: string | undefined): { asks: Ask[]; next: string | null } {
  const prefix = `ask/${connection}/`
  const page = attempt((space) => space.scan(prefix, after === undefined ? undefined : prefix + after, ASKS_PAGE))
  const asks = page.items.map(({ value }) => parseJson(value) as Ask)
  return { asks, next: page.next === null ? null : page.next.slice(prefix.length) }
}

function tooMany(): never {
  return refuse('too-many-open', `at most ${OPEN_MAX} transfers of one proposer are open`, { retry: true })
}

function forget(id: string): void {
  const transfer = readTransfer(id)
  if (transfer === undefined) return
  attempt((space) => space.delete(madeKey(transfer.proposal)))
  attempt((space) => space.delete(`transfer/${id}`))
}

function listed(key: string): readonly Running[] {
  return (read(key) as readonly Running[] | undefined) ?? []
}

function running({ id, expires }: Proposal): Running {
  return { id, expires }
}

/** Keys sort as times do. */
function madeKey({ proposedAt, id }: Proposal): string {
  return `made/${String(proposedAt).padStart(15, '0')}-${id}`
}
