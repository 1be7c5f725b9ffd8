/**
 * Everything one event leaves, in one journal record: state, audit rows, inbox mark, outbox, window, tokens.
 *
 * Up to the write it is one synchronous step, so that no other event can come between a check and what it allows. What
 * it returns may leave: it is durable.
 */
import { Refusal } from '#host/errors.ts'
import { BEST_EFFORT_AGE_MS_MAX, COMMIT_BYTES_MAX, EVENT_LIFE_MS_MAX, OUTGOING_LIFE_MS } from '#host/limits.ts'
import type { AuditEntry } from '#host/storage/audit-row.ts'
import { type Change, type Expectation, isDeviceNamespace } from '#host/storage/port.ts'
import type { Lane } from '#host/wire/envelope.ts'
import { encodeEvent, type VineEvent } from '#host/wire/event.ts'
import { newEventId, type EventId, type EventType } from '#host/wire/id.ts'
import { encodeReply, type Reply } from '#host/wire/reply.ts'
import { distrusted } from './account/own-distrust.ts'
import { checkCaps } from './caps.ts'
import { type Facts, factRows } from './rows.ts'
import type { Opened } from './open.ts'
import type { Letter } from './outbox.ts'
import { checkQuota } from './quota.ts'
import { ANSWER, answerLane, answerType, type Party, placeOf } from './party.ts'
import { encodeRecord } from './records.ts'
import { upkeep, type Upkeep } from './rekey.ts'
import { guarded } from './sensitivity.ts'
import type { Vault } from './vault.ts'

/** A message that is to leave with the commit. */
export interface Outgoing {
  readonly to: Party
  readonly type: EventType
  readonly body: Uint8Array
  readonly causation: EventId | null
  /** For peers with a vault of their own: `best-effort` is sent once and not kept. Else it is `critical`. */
  readonly delivery?: 'critical' | 'best-effort'
}

/** An answer to one event, kept under its id. */
export interface Answer {
  readonly to: Party
  readonly event: Pick<VineEvent, 'id' | 'type' | 'exp'>
  readonly reply: Reply
}

/** Sealed bytes and where they go. */
interface Message {
  readonly subject: string
  readonly envelope: Uint8Array
}

export interface Leaving {
  readonly vault: Vault
  readonly now: number
  readonly random: (length: number) => Uint8Array
  /** The event that causes it, when one does: its window bit is set. */
  readonly opened?: Opened
  readonly answers?: readonly Answer[]
  readonly outgoing?: readonly Outgoing[]
  readonly changes?: readonly Change[]
  readonly expected?: readonly Expectation[]
  readonly rows: readonly AuditEntry[]
  /** What a handler adds to the first row: rows of their own that link to it. */
  readonly facts?: Facts
  /** A change that names this commit's first row, made when its number is known. */
  readonly numbered?: (row: number) => Change
  /** Handshake messages: sealed by their own keys already. */
  readonly plain?: readonly Message[]
  /** Moves the live state in the same step as the record. */
  readonly apply?: () => void
}

/**
 * @throws Refusal `conflict` when an expectation no longer holds, `handler-output` when it is too much for one record,
 *   `not-permitted`, `category-undeclared`, `storage-full` or `vault-full` when a namespace may not hold it: nothing
 *   has happened then; `audit-unavailable` when it is not durable in time: it is known later whether it happened;
 *   `storage-failed` is final for the log
 */
export async function commit(leaving: Leaving): Promise<readonly Letter[]> {
  const { vault, now, opened, changes = [], expected = [], rows } = leaving
  for (const { namespace, key, revision } of expected) {
    const current = vault.store.namespace(namespace).get(key)?.revision ?? 0
    if (current !== revision) throw new Refusal('conflict', `${key} changed meanwhile`)
  }
  checkCaps(vault, changes)
  checkQuota(vault, changes)
  if (sizeOf(changes) > COMMIT_BYTES_MAX) throw new Refusal('handler-output', 'the writes of this event are too large')
  const answers = (leaving.answers ?? []).filter(({ to }) => to.session).map((answer) => sealedAnswer(leaving, answer))
  const found = distrusted(vault, now)
  const outgoing = [...(leaving.outgoing ?? []), ...found.outgoing]
    .filter(({ to }) => to.session)
    .map((item) => sealed(leaving, item))

  // Nothing below refuses: what is marked, applied and numbered here is in the record.
  opened?.mark()
  found.taken()
  leaving.apply?.()
  const record: Change[] = changes.map((change) => authored(guarded(vault, change), opened))
  const letters: Letter[] = []
  const keep = (message: Message): void => {
    const { change, letter } = vault.outbox.keep(message)
    record.push(change)
    letters.push(letter)
  }
  for (const { to, event, reply, message } of answers) {
    record.push(vault.inbox.mark(to, event.id, { exp: event.exp, reply: encodeReply(reply) }))
    keep(message)
  }
  for (const { to, event, isKept, message } of outgoing) {
    if (isKept && to.party === 'connection') record.push(vault.posts.keep({ connection: to.id, event }, now))
    keep(message)
  }
  for (const message of leaving.plain ?? []) keep(message)
  const parties = new Set([...(opened ? [opened.party] : []), ...[...answers, ...outgoing].map(({ to }) => to)])
  for (const party of parties) {
    for (const message of keepUp(leaving, party, record)) keep(message)
    record.push(...standing(party))
  }
  record.push(...vault.outbox.settle(), ...vault.inbox.prune(now))
  if (leaving.numbered) record.push(leaving.numbered(vault.audit.head.sequence + 1))
  const [first] = [...rows, ...found.rows].map((entry) => {
    const { row, changes } = vault.audit.append(entry)
    record.push(...changes)
    return row
  })
  for (const fact of first ? factRows(first, leaving.facts) : []) record.push(...vault.audit.append(fact).changes)
  await vault.writer.commit(record, { now, durable: () => vault.outbox.durable(letters, now) })
  return letters
}

/** By whoever sent the event, if it names nobody and is somebody's: the vault's own books are not. */
function authored(change: Change, opened: Opened | undefined): Change {
  const { namespace } = change
  // What devices sign says itself who wrote it.
  const isBook = namespace === 'system' || namespace === 'audit' || isDeviceNamespace(namespace)
  return isBook || !opened || change.author !== undefined ? change : { ...change, author: opened.party.key }
}

/** Where the conversation with a party stands: windows and counters, and the tokens left. */
export function standing(party: Party): Change[] {
  const changes: Change[] = []
  party.unstored = false
  party.isBegun = true
  if (party.session) {
    changes.push({ namespace: 'system', key: `progress/${party.key}`, value: party.session.exportProgress() })
  }
  if (party.party === 'connection') {
    changes.push({ namespace: 'system', key: `bucket/${party.id}`, value: encodeRecord('bucket', party.bucket) })
  }
  return changes
}

/** An answer that leaves without being kept, once it is `settled`. */
export function unkeptAnswer(answer: Answer, moment: Pick<Leaving, 'now' | 'random'>): Letter {
  const { to } = answer
  to.unstored = true
  return { key: '', to, ...sealedAnswer(moment, answer).message }
}

function sealedAnswer(moment: Pick<Leaving, 'now' | 'random'>, answer: Answer): Answer & { message: Message } {
  const { to, event, reply } = answer
  const item = { to, type: answerType(to, event.type), body: encodeReply(reply), causation: event.id }
  return { ...answer, message: sealed(moment, item).message }
}

function keepUp(moment: Pick<Leaving, 'now' | 'random'>, party: Party, record: Change[]): Upkeep['messages'] {
  const { session } = party
  if (!session) return []
  const { changes, messages } = upkeep({ ...party, session }, moment)
  record.push(...changes)
  return messages
}

interface SealedEvent {
  readonly to: Party
  readonly event: VineEvent
  readonly message: Message
  /** Whether it is sent again until it is answered. */
  readonly isKept: boolean
}

function sealed(moment: Pick<Leaving, 'now' | 'random'>, item: Outgoing): SealedEvent {
  const { to, type, body, causation, delivery = 'critical' } = item
  const isCritical = delivery === 'critical'
  const ts = moment.now
  const event: VineEvent = {
    id: newEventId(moment.random),
    type,
    ts,
    exp: ts + lifeMs(to, isCritical),
    contractVersion: versionFor(to),
    causation,
    body,
  }
  const message = sealedEvent(event, { to, lane: isCritical ? 0 : 1, random: moment.random })
  return { to, event, message, isKept: isCritical && placeOf(to) !== undefined && type !== ANSWER }
}

function sealedEvent(
  event: VineEvent,
  { to, lane, random }: { to: Party; lane: Lane; random: Leaving['random'] },
): Message {
  if (!to.session) throw new Error(`${to.key} has no session`)
  const { subject, bind } = answerLane(to, event.type)
  return { subject, envelope: to.session.seal(encodeEvent(event), { bind, lane, mid: random(16) }) }
}

/** An event sealed anew, which leaves without being kept: it is kept as a post. */
export function unkeptEvent(event: VineEvent, options: { to: Party; random: Leaving['random'] }): Letter {
  const { to } = options
  to.unstored = true
  return { key: '', to, ...sealedEvent(event, { ...options, lane: 0 }) }
}

/**
 * Resolves when letters that are not kept may leave: what was read for them is durable, and so is where the numbers of
 * this run begin. A run skips ahead from what is stored: after one that stored nothing it would begin where that one
 * did, and what it sends would be taken for repeats.
 *
 * @throws Refusal as `commit`
 */
export async function settled(
  letters: readonly Letter[],
  leaving: Pick<Leaving, 'vault' | 'now' | 'random'>,
): Promise<void> {
  const unkept = letters.filter(({ key }) => key === '')
  if (unkept.length === 0) return
  const begun = new Set(unkept.flatMap(({ to }) => (to === undefined || to.isBegun === true ? [] : [to])))
  if (begun.size > 0) await commit({ ...leaving, changes: [...begun].flatMap(standing), rows: [] })
  await leaving.vault.writer.settled()
}

function lifeMs(to: Party, isCritical: boolean): number {
  if (!isCritical) return BEST_EFFORT_AGE_MS_MAX
  return placeOf(to) ? EVENT_LIFE_MS_MAX : OUTGOING_LIFE_MS
}

/** The version of the contract that the receiver knows us by, or that we know them by. */
function versionFor(to: Party): number {
  if (to.party === 'device') return 0
  return placeOf(to) ? (to.record.peer?.asks?.version ?? 0) : (to.contract?.contract.version ?? 0)
}

function sizeOf(changes: readonly Change[]): number {
  let bytes = 0
  for (const { key, value } of changes) bytes += key.length + (value?.length ?? 0)
  return bytes
}
