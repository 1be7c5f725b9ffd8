import { createHash, randomBytes } from 'node:crypto'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { POST_AGAIN_MS } from '#host/limits.ts'
import { isQuiet, noticesOf, type Peers, readJson, startPeers } from './peers.fixture.ts'
import { HOUR_MS } from './service.fixture.ts'
import { until, type World } from './world.fixture.ts'

let peers: Peers
let alice: World
let bob: World
let atAlice: string
let atBob: string

beforeAll(async () => {
  peers = await startPeers({ handlers: ['messaging', 'location'] })
  ;({ alice, bob } = peers)
  ;({ atAlice, atBob } = await peers.connect())
})
afterAll(() => peers[Symbol.asyncDispose]())

interface Received {
  readonly id: string
  readonly text: string
  readonly attachments: readonly unknown[]
}
const inbox = async (world: World, connection: string): Promise<readonly Received[]> =>
  ((await world.alice.run('messaging.inbox', {}, connection)) as { messages: readonly Received[] }).messages

test('a message to a peer whose host is away arrives once, and its receipt comes back', async () => {
  const answered = noticesOf(alice, 'peer.answered')
  await bob.kill()
  const sha256 = createHash('sha256').update('file').digest('base64url')
  const file = { name: 'plan.pdf', mediaType: 'application/pdf', size: 4, sha256, locator: 'https://files.example/1' }
  const sent = await alice.alice.run('messaging.send', { to: 'Bob', text: 'See you at nine', attachments: [file] })
  const from = peers.wire.crossed.length
  peers.pass(3 * HOUR_MS)
  await until('a repeat', () => peers.wire.crossed.length > from)
  await bob.start()
  const notice = (await answered.take()) as { status: string; body: Uint8Array }
  const { id } = sent as { id: string }
  expect(notice.status).toBe('replied')
  expect(readJson(notice.body)).toEqual({ id, receivedAt: bob.clock.now })
  expect(await inbox(bob, atBob)).toMatchObject([{ id, text: 'See you at nine', attachments: [file] }])
  await until('nothing waits', () => isQuiet(alice))
  const rows = (await bob.rows()).filter(
    ({ eventType, result }) => eventType?.startsWith('messaging') && result === 'replied',
  )
  expect(rows.filter(({ eventType }) => eventType === 'messaging.receive')).toHaveLength(1)
})

test('the owner is told, and an app that sends the same message twice is heard once', async () => {
  const told = noticesOf(bob, 'messaging.received', readJson)
  const before = (await inbox(bob, atBob)).length
  for (let count = 0; count < 2; count++) await alice.alice.run('messaging.send', { to: 'Bob', text: 'hi', id: 'once' })
  expect(await told.take()).toMatchObject({ from: 'Alice', connection: atBob, id: 'once', preview: 'hi' })
  await until('nothing waits', () => isQuiet(alice))
  expect(await inbox(bob, atBob)).toHaveLength(before + 1)
})

test.each([
  ['of letters', 'x'.repeat(262_144)],
  ['that JSON doubles', '\n'.repeat(262_144)],
  ['in another script', '→é語'.repeat(32_768)],
])('256 KiB of text %s go through whole', async (_name, text) => {
  const id = randomBytes(8).toString('hex')
  await bob.alice.run('messaging.send', { to: 'Alice', text, id })
  await until('nothing waits', () => isQuiet(bob))
  let after: string | null = null
  let found: Received | undefined
  do {
    const request = after === null ? {} : { after }
    const page = (await alice.alice.run('messaging.inbox', request, atAlice)) as {
      messages: readonly Received[]
      next: string | null
    }
    found ??= page.messages.find((message) => message.id === id)
    after = page.next
  } while (after !== null)
  expect(found?.text === text).toBe(true)
  expect(await alice.alice.run('messaging.remove', { id }, atAlice)).toEqual({ id, removed: true })
})

test('a text over 256 KiB is not sent', async () => {
  const long = 'é'.repeat(131_073)
  await expect(alice.alice.run('messaging.send', { to: 'Bob', text: long })).rejects.toThrow('text-too-long')
  expect(await isQuiet(alice)).toBe(true)
})

const where = () => bob.alice.run('location.where', {}, atBob)

test('a peer sees where the owner is as precisely and for as long as the owner says', async () => {
  const position = { latitude: 47.376_887, longitude: 8.541_694, at: alice.clock.now }
  const over = alice.clock.now + HOUR_MS
  const share = (request: object) => alice.alice.run('location.share', { to: 'Bob', ...request })
  await expect(share({ action: 'update', position })).rejects.toThrow('not-sharing')
  await share({ action: 'start', precision: 2, until: over, position })
  const seen = await until('a position', async () => {
    const found = (await where()) as { state: string }
    return found.state === 'on' && found
  })
  expect(seen).toEqual({ state: 'on', latitude: 47.38, longitude: 8.54, accuracy: 788, at: position.at, until: over })
  peers.wire.up = false
  await share({ action: 'update', position: { ...position, at: position.at + 1, latitude: 48 } })
  peers.wire.up = true
  peers.pass(POST_AGAIN_MS)
  expect(await isQuiet(alice)).toBe(true)
  expect(await where()).toEqual(seen)
  peers.pass(HOUR_MS)
  expect(await where()).toEqual({ state: 'off' })
  await expect(share({ action: 'update', position })).rejects.toThrow('not-sharing')
})
