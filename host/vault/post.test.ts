import { expect, test } from 'vitest'

import { POST_AGAIN_MS, POST_AGAIN_MS_MAX, POST_BYTES_MAX, POSTS_MAX } from '#host/limits.ts'
import { eventIdOf, parseConnectionId, parseEventType } from '#host/wire/id.ts'
import type { VineEvent } from '#host/wire/event.ts'
import { openPosts } from './post.ts'

const NOW = 1_800_000_000_000
const bob = parseConnectionId('c-bob')
const carol = parseConnectionId('c-carol')
let count = 0

function event(bytes = 1, exp = NOW + 10 * POST_AGAIN_MS_MAX): VineEvent {
  const id = new Uint8Array(16)
  new DataView(id.buffer).setUint32(0, (count += 1))
  const rest = { ts: NOW, exp, contractVersion: 1, causation: null }
  return { id: eventIdOf(id), type: parseEventType('a.b'), ...rest, body: new Uint8Array(bytes) }
}

test('an event is due after half a minute, then ever more rarely, and no more once it is answered', () => {
  const posts = openPosts([])
  const kept = event()
  posts.keep({ connection: bob, event: kept }, NOW)
  expect(posts.due(NOW + POST_AGAIN_MS - 1)).toEqual([])
  const times: number[] = []
  for (let now = NOW; now < NOW + 8 * POST_AGAIN_MS_MAX; now += 1_000) {
    if (posts.due(now).length > 0) times.push(now)
  }
  const pauses = times.slice(1).map((at, index) => at - (times[index] ?? 0))
  expect(pauses.slice(0, 3)).toEqual([2 * POST_AGAIN_MS, 4 * POST_AGAIN_MS, 8 * POST_AGAIN_MS])
  expect(pauses.at(-1)).toBe(POST_AGAIN_MS_MAX)
  expect(posts.find(carol, kept.id)).toBeUndefined()
  expect(posts.end(bob, kept.id)).toEqual({ namespace: 'system', key: `post/c-bob/${kept.id}`, value: null })
  expect(posts.due(NOW + 20 * POST_AGAIN_MS_MAX)).toEqual([])
})

test('what an earlier run kept is due at once, and expires as it would have', () => {
  const kept = event(1, NOW + 1)
  const { key, value } = openPosts([]).keep({ connection: bob, event: kept }, NOW)
  const posts = openPosts([[key.slice('post/'.length), value ?? new Uint8Array()]])
  expect(posts.due(NOW)).toMatchObject([{ connection: bob, event: kept }])
  expect(posts.expired(NOW)).toEqual([])
  expect(posts.expired(NOW + 1)).toMatchObject([{ event: kept }])
  expect(posts.due(NOW + 1)).toEqual([])
})

test('so many events, and so many bytes, wait for one peer; another’s are its own', () => {
  const posts = openPosts([])
  for (let n = 0; n < POSTS_MAX; n++) {
    expect(posts.hasRoom(bob)).toBe(true)
    posts.keep({ connection: bob, event: event() }, NOW)
  }
  expect(posts.hasRoom(bob)).toBe(false)
  expect(posts.hasRoom(carol)).toBe(true)
  posts.keep({ connection: carol, event: event(POST_BYTES_MAX) }, NOW)
  expect(posts.hasRoom(carol)).toBe(false)
  expect(posts.endAll(bob)).toHaveLength(POSTS_MAX)
  expect(posts.hasRoom(bob)).toBe(true)
})
