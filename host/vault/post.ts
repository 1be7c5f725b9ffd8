/**
 * Events to peers with a vault of their own: kept until the peer's sealed answer is there, or until they expire. No
 * broker's word ends that; the peer's host may be away for days.
 */
import { POST_AGAIN_MS, POST_AGAIN_MS_MAX, POST_BYTES_MAX, POSTS_MAX } from '#host/limits.ts'
import type { Change } from '#host/storage/port.ts'
import { decodeEvent, encodeEvent, type VineEvent } from '#host/wire/event.ts'
import { type ConnectionId, type EventId, parseConnectionId } from '#host/wire/id.ts'

/** One event and whom it is for. */
export interface Post {
  readonly connection: ConnectionId
  readonly event: VineEvent
}

export interface Posts {
  /** Events that wait for an answer. */
  readonly size: number
  /** The change that keeps an event that leaves now. */
  keep(post: Post, now: number): Change
  find(connection: ConnectionId, id: EventId): VineEvent | undefined
  /** Forgets an event that was answered, and gives the change that says so. */
  end(connection: ConnectionId, id: EventId): Change
  /** Forgets all events to a connection. */
  endAll(connection: ConnectionId): Change[]
  /** What is to be sent again, marked as sent: half a minute after the first time, then ever more rarely. */
  due(now: number): readonly Post[]
  expired(now: number): readonly Post[]
  /** Whether one more event may wait for this connection. */
  hasRoom(connection: ConnectionId): boolean
}

interface Waiting extends Post {
  readonly bytes: number
  dueAt: number
  waitMs: number
}

/** What an earlier run left is due at once. */
export function openPosts(entries: Iterable<readonly [name: string, value: Uint8Array]>): Posts {
  const waiting = new Map<string, Waiting>()
  for (const [name, value] of entries) {
    const event = decodeEvent(value)
    const connection = parseConnectionId(name.slice(0, name.indexOf('/')))
    waiting.set(name, { connection, event, bytes: value.length, dueAt: 0, waitMs: POST_AGAIN_MS })
  }
  const to = (connection: ConnectionId): Waiting[] =>
    [...waiting.values()].filter((post) => post.connection === connection)

  function end(connection: ConnectionId, id: EventId): Change {
    const name = nameOf(connection, id)
    waiting.delete(name)
    return { ...keyOf(name), value: null }
  }
  return {
    get size() {
      return waiting.size
    },
    keep({ connection, event }, now) {
      const name = nameOf(connection, event.id)
      const value = encodeEvent(event)
      const times = { dueAt: now + POST_AGAIN_MS, waitMs: POST_AGAIN_MS }
      waiting.set(name, { connection, event, bytes: value.length, ...times })
      return { ...keyOf(name), value }
    },
    find: (connection, id) => waiting.get(nameOf(connection, id))?.event,
    end,
    endAll: (connection) => to(connection).map(({ event }) => end(connection, event.id)),
    due(now) {
      const due = [...waiting.values()].filter(({ dueAt, event }) => dueAt <= now && event.exp > now)
      for (const post of due) {
        post.waitMs = Math.min(2 * post.waitMs, POST_AGAIN_MS_MAX)
        post.dueAt = now + post.waitMs
      }
      return due
    },
    expired: (now) => [...waiting.values()].filter(({ event }) => event.exp <= now),
    hasRoom(connection) {
      const posts = to(connection)
      return posts.length < POSTS_MAX && posts.reduce((sum, { bytes }) => sum + bytes, 0) < POST_BYTES_MAX
    },
  }
}

function nameOf(connection: ConnectionId, id: EventId): string {
  return `${connection}/${id}`
}

function keyOf(name: string): Pick<Change, 'namespace' | 'key'> {
  return { namespace: 'system', key: `post/${name}` }
}
