/** What two vaults tell each other about their relationship: answers, the second owner's yes, and the end of it. */
import { Refusal, unreachable } from '#host/errors.ts'
import { bytesOf, check, z } from '#host/schema.ts'
import { decodeCbor } from '#host/wire/cbor.ts'
import { parseEventType } from '#host/wire/id.ts'
import { decodeReply, type Reply } from '#host/wire/reply.ts'
import { forgotten } from './account/directory.ts'
import { commit, type Leaving, type Outgoing } from './commit.ts'
import { notices } from './notice.ts'
import type { Opened } from './open.ts'
import type { Letter } from './outbox.ts'
import { ANSWER, type Connection, placeOf } from './party.ts'
import { connectionChange } from './records.ts'
import { denyAll } from './resume.ts'
import { eventRow } from './rows.ts'
import { endSandboxes } from './sandbox/end.ts'
import type { Vault } from './vault.ts'

/** Says that the second owner accepted too. */
export const CONFIRM = parseEventType('connection.confirm')
/** Says that the connection has ended. */
const END = parseEventType('connection.end')

type Moment = Pick<Leaving, 'now' | 'random'>

const confirmation = z.strictObject({
  version: z.int().min(1),
  declined: z.array(z.string()),
  authentication: bytesOf(32),
})

/** An event that the vaults themselves exchange. Of a service, or of a peer without a vault, it is none. */
export function isPeerEvent({ event, party }: Opened): boolean {
  const { type } = event
  return placeOf(party) !== undefined && (type === ANSWER || type === CONFIRM || type === END)
}

/** @throws Refusal `malformed`; `connection-inactive` when there is nothing to confirm */
export function hearPeer(opened: Opened, connection: Connection, moment: Moment): Promise<readonly Letter[]> {
  const { type } = opened.event
  if (type === ANSWER) return settle(opened, connection, moment)
  return type === CONFIRM ? confirmed(opened, connection, moment) : ended(opened, connection, moment)
}

/** The final answer to an event of ours: it is sent no more, and the owner hears how it ended. */
async function settle(opened: Opened, connection: Connection, moment: Moment): Promise<readonly Letter[]> {
  const { vault, event } = opened
  const asked = event.causation === null ? undefined : vault.posts.find(connection.id, event.causation)
  if (!asked) {
    // Answered before, or never asked: only its place in the window is taken, and nothing is written.
    opened.mark()
    return []
  }
  const reply = decodeReply(event.body)
  if (reply.status === 'pending') return commit({ vault, ...moment, opened, rows: [] })
  const isOwn = asked.type === CONFIRM || asked.type === END
  return commit({
    vault,
    ...moment,
    opened,
    changes: [vault.posts.end(connection.id, asked.id)],
    outgoing: isOwn ? [] : notices(vault, 'peer.answered', answeredNotice(connection, asked, reply)),
    rows: [
      eventRow(connection, asked, {
        at: moment.now,
        ...outcomeOf(reply),
        contractVersion: asked.contractVersion,
        purpose: SENT,
      }),
    ],
  })
}

/** In the trail: an event of ours, and not one of theirs. */
const SENT = 'sent by this vault'

function answeredNotice(
  { id, record }: Connection,
  asked: { readonly id: string; readonly type: string },
  reply: Reply,
): { [name: string]: string | Uint8Array | null } {
  return {
    connection: id,
    alias: record.alias,
    event: asked.id,
    type: asked.type,
    status: reply.status,
    body: reply.status === 'replied' ? reply.body : null,
    code: reply.status === 'refused' ? reply.code : null,
  }
}

function outcomeOf(reply: Exclude<Reply, { status: 'pending' }>) {
  switch (reply.status) {
    case 'replied':
    case 'accepted':
      return { result: reply.status }
    case 'refused':
      return { result: reply.status, reason: reply.code }
    default:
      return unreachable(reply)
  }
}

/** Events that nobody answered in their time: the owner is told, and they are forgotten. */
export async function expirePosts(vault: Vault, moment: Moment): Promise<readonly Letter[]> {
  const letters: Letter[] = []
  for (const { connection: id, event } of vault.posts.expired(moment.now)) {
    const connection = vault.connections.get(id)
    if (!connection) throw new Error('an event to no connection')
    const about = { connection: id, alias: connection.record.alias, event: event.id, type: event.type }
    const row = eventRow(connection, event, { at: moment.now, result: 'refused', reason: 'expired', purpose: SENT })
    const changes = [vault.posts.end(id, event.id)]
    const outgoing = notices(vault, 'peer.unanswered', about)
    letters.push(...(await commit({ vault, ...moment, changes, outgoing, rows: [row] })))
  }
  return letters
}

/** The other owner accepted our light contract: from now on we may send. */
async function confirmed(opened: Opened, connection: Connection, moment: Moment): Promise<readonly Letter[]> {
  const { vault, event } = opened
  const { peer, status } = connection.record
  const { version } = check(confirmation, decodeCbor(event.body), 'malformed', CONFIRM)
  if (status !== 'active' || !peer?.asks || peer.asks.accepted) {
    throw new Refusal('connection-inactive', 'there is nothing to confirm on this connection')
  }
  const record = { ...connection.record, peer: { ...peer, asks: { ...peer.asks, version, accepted: true } } }
  return commit({
    vault,
    ...moment,
    opened,
    apply: () => void (connection.record = record),
    changes: [connectionChange(connection.id, record)],
    answers: [{ to: connection, event, reply: { status: 'accepted' } }],
    outgoing: notices(vault, 'connection.ready', { connection: connection.id, alias: record.alias }),
    rows: [eventRow(connection, event, { at: moment.now, result: 'accepted' })],
  })
}

/** The other side ended it. */
async function ended(opened: Opened, connection: Connection, moment: Moment): Promise<readonly Letter[]> {
  const { vault, event } = opened
  const answers = [{ to: connection, event, reply: { status: 'accepted' } as const }]
  const { record } = connection
  if (record.status === 'severed') return commit({ vault, ...moment, opened, answers, rows: [] })
  const over = { ...record, status: 'severed', offer: null } as const
  const denied = denyAll({ vault, connection, now: moment.now })
  const shared = endSandboxes(vault, connection, moment.now)
  return commit({
    vault,
    ...moment,
    opened,
    apply: () => Object.assign(connection, { record: over, offered: undefined }),
    changes: [
      connectionChange(connection.id, over),
      ...shared.changes,
      ...denied.flatMap(({ changes }) => changes),
      ...vault.posts.endAll(connection.id),
      ...forgotten(vault, connection.id),
    ],
    expected: shared.expected,
    answers: [...answers, ...denied.flatMap((one) => one.answers)],
    outgoing: notices(vault, 'connection.ended', {
      connection: connection.id,
      alias: record.alias,
      reason: 'the other side ended it',
    }),
    rows: [
      eventRow(connection, event, { at: moment.now, result: 'accepted', reason: 'severed' }),
      ...denied.map(({ row }) => row),
    ],
  })
}

/** What leaves when this side ends a connection to another vault: what waits is dropped, and the other side is told. */
export function farewell(vault: Vault, connection: Connection): Pick<Leaving, 'changes' | 'outgoing'> {
  if (!placeOf(connection)) return {}
  return {
    changes: vault.posts.endAll(connection.id),
    outgoing: connection.session ? [goodbye(connection)] : [],
  }
}

function goodbye(to: Connection): Outgoing {
  return { to, type: END, body: new Uint8Array(0), causation: null }
}
