import { beforeEach, expect, test } from 'vitest'

import { type Grant, grant, type MemoryItem } from '../sdk/memory/world.ts'
import { encodeUtf8 } from '../sdk/utf8.ts'
import { handle } from './handler.ts'
import { TEXT_BYTES_MAX } from './message.ts'

const NOW = 1_800_000_000_000
const file = { name: 'plan.pdf', mediaType: 'application/pdf', size: 12, sha256: 'A'.repeat(43), locator: 'blob:1' }
let items: Map<string, MemoryItem>
let sent: { to: string; type: string; body: unknown }[]

beforeEach(() => {
  items = new Map()
  sent = []
})

function run(eventType: string, request: unknown, granted: Grant & { bytesMax?: number } = {}): unknown {
  const { bytesMax = Infinity, ...rest } = granted
  grant({
    session: { eventType, connection: 'Bob', connectionId: 'c-bob' },
    namespaces: { connection: { items, writable: true, categories: ['messages'], bytesMax } },
    reaches: { Bob: ['messaging.receive'] },
    sent,
    now: NOW,
    ...rest,
  })
  const outcome = handle(encodeUtf8(JSON.stringify(request)))
  if (outcome.tag !== 'reply') throw new Error('no reply')
  return JSON.parse(new TextDecoder().decode(outcome.val)) as unknown
}
const code = (code: string): unknown => expect.objectContaining({ code })
const message = (id: string, text = 'hello') => ({ id, text, attachments: [], sentAt: NOW - 5 })

test('a message leaves to the peer as the owner wrote it, under the event’s id or the app’s own', () => {
  expect(run('messaging.send', { to: 'Bob', text: 'hi', attachments: [file] })).toEqual({ id: 'event-1', sentAt: NOW })
  expect(run('messaging.send', { to: 'Bob', text: 'hi', id: 'mine' })).toEqual({ id: 'mine', sentAt: NOW })
  expect(sent).toEqual([
    {
      to: 'Bob',
      type: 'messaging.receive',
      body: { id: 'event-1', text: 'hi', attachments: [file], sentAt: NOW },
    },
    { to: 'Bob', type: 'messaging.receive', body: { id: 'mine', text: 'hi', attachments: [], sentAt: NOW } },
  ])
  expect(() => run('messaging.send', { to: 'Eve', text: 'hi' })).toThrow(code('peer-unavailable'))
})

test.each([
  ['without a word or a file', { text: '' }, 'message-empty'],
  ['with a control', { text: 'a\u0007' }, 'text-invalid'],
  ['one byte too long', { text: 'é'.repeat(TEXT_BYTES_MAX / 2) + 'x' }, 'text-too-long'],
  ['with an id that is none', { text: 'x', id: 'a/b' }, 'id-invalid'],
])('a message %s is neither sent nor received', (_name, change, reason) => {
  expect(() => run('messaging.send', { to: 'Bob', ...change })).toThrow(code(reason))
  expect(() => run('messaging.receive', { ...message('m'), ...change })).toThrow(code(reason))
  expect([sent, items.size]).toEqual([[], 0])
})

test('a message is kept, the owner told, the sender given a receipt; a repeat gets the same one', () => {
  expect(run('messaging.receive', message('m'))).toEqual({ id: 'm', receivedAt: NOW })
  const told = { from: 'Bob', connection: 'c-bob', id: 'm', receivedAt: NOW, attachments: 0, preview: 'hello' }
  expect(sent).toEqual([{ to: 'owner', type: 'messaging.received', body: told }])
  expect(run('messaging.receive', message('m', 'other'), { now: NOW + 9 })).toEqual({ id: 'm', receivedAt: NOW })
  expect(sent).toHaveLength(1)
  expect(run('messaging.inbox', {})).toEqual({ messages: [{ ...message('m'), receivedAt: NOW }], next: null })
})

test('an inbox is read in pages, in the order of arrival', () => {
  for (let n = 1; n <= 5; n++) run('messaging.receive', message(`m${n}`), { now: NOW + (n % 2) })
  const first = run('messaging.inbox', { limit: 3 }) as { messages: { id: string }[]; next: string }
  const second = run('messaging.inbox', { limit: 3, after: first.next }) as typeof first
  const ids = [...first.messages, ...second.messages].map(({ id }) => id)
  expect(ids).toEqual(['m2', 'm4', 'm1', 'm3', 'm5'])
  expect(second.next).toBeNull()
})

test('long messages come one a page, and none is left out', () => {
  for (const id of ['a', 'b', 'c']) run('messaging.receive', message(id, 'x'.repeat(TEXT_BYTES_MAX)))
  run('messaging.receive', message('d'))
  const found: string[] = []
  let after: string | null | undefined
  do {
    const page = run('messaging.inbox', after === undefined ? {} : { after }) as {
      messages: { id: string }[]
      next: string | null
    }
    found.push(page.messages.map(({ id }) => id).join())
    after = page.next
  } while (after !== null)
  expect(found).toEqual(['a', 'b', 'c', 'd'])
})

test('what is removed is gone, and does not come back with a repeat', () => {
  run('messaging.receive', message('m'))
  expect(run('messaging.remove', { id: 'm' })).toEqual({ id: 'm', removed: true })
  expect(run('messaging.remove', { id: 'm' })).toEqual({ id: 'm', removed: false })
  expect(run('messaging.remove', { id: 'other' })).toEqual({ id: 'other', removed: false })
  run('messaging.receive', message('m'))
  expect(run('messaging.inbox', {})).toEqual({ messages: [], next: null })
})

test('a message that does not fit is refused, and its sender may come again', () => {
  expect(() => run('messaging.receive', message('m'), { bytesMax: 50 })).toThrow(
    expect.objectContaining({ code: 'inbox-full', retry: true }),
  )
  expect(() => run('messaging.receive', message('m'), { namespaces: {} })).toThrow(code('inbox-closed'))
})
