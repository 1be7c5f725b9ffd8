import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { type NatsServer, startNatsServer } from '../../scripts/nats-server.ts'
import { busCases } from './bus.case.ts'
import { checkVersion } from './nats-connect.ts'
import { ignoredSettings, publishedSubject, spaceOf } from './nats-lanes.ts'
import { natsBus } from './nats.ts'
import type { Bus, Delivery, Lanes } from './port.ts'

const LANES: Lanes = { critical: ['MessageSpace.*.fromService.*.data.request'], bestEffort: [] }
const CRITICAL = 'MessageSpace.v1.fromService.c1.data.request'
const ACK_WAIT_MS = 400
const INSTALL_MS_MAX = 20 * 60_000

let server: NatsServer
let spaces = 0

beforeAll(async () => {
  server = await startNatsServer()
}, INSTALL_MS_MAX)
afterAll(() => server.stop())

function open(space: string, more: { url?: string; warn?: (line: string) => void } = {}): Promise<Bus> {
  const options = { url: server.url, name: 'test', inboxPrefix: '_INBOX.test', ackWaitMs: ACK_WAIT_MS }
  return natsBus({ ...options, ...more, space })
}

function freshSpace(): string {
  spaces += 1
  return `test-${spaces}`
}

busCases('nats', async () => {
  const space = freshSpace()
  return {
    ackWaitMs: ACK_WAIT_MS,
    connect: () => open(space),
    async sendWithReply(message, reply) {
      const stranger = await connect({ servers: server.url })
      stranger.publish(`${space}.${message.subject}`, message.data, { reply: `${space}.${reply}` })
      await stranger.drain()
    },
    [Symbol.asyncDispose]: () => deleteStreams(space),
  }
})

/** Each space reserves room on the server. */
async function deleteStreams(space: string): Promise<void> {
  const connection = await connect({ servers: server.url })
  const manager = await jetstreamManager(connection)
  for (const name of Object.values(spaceOf(space).streams)) await manager.streams.delete(name).catch(() => false)
  await connection.close()
}

test('streams and consumers are as the design wants them', async () => {
  const space = freshSpace()
  await using bus = await open(space)
  await bus.provision(LANES)
  const connection = await connect({ servers: server.url })
  const manager = await jetstreamManager(connection)
  const { config: critical } = await manager.streams.info(`${space}_CRIT`)
  expect(critical).toMatchObject({
    subjects: [`${space}.MessageSpace.*.fromService.*.data.request`],
    storage: 'file',
    retention: 'workqueue',
    discard: 'new',
    deny_purge: true,
    max_age: 30 * 24 * 3_600 * 1e9,
    duplicate_window: 120e9,
    allow_rollup_hdrs: false,
  })
  const { config: bestEffort } = await manager.streams.info(`${space}_BEST`)
  expect(bestEffort).toMatchObject({ storage: 'memory', discard: 'old', max_age: 60e9 })
  const consumers = []
  for await (const consumer of manager.consumers.list(`${space}_CRIT`)) consumers.push(consumer.config)
  expect(consumers).toHaveLength(16)
  expect(new Set(consumers.map((config) => config.filter_subject))).toEqual(
    new Set(Array.from({ length: 16 }, (_, index) => `MS.${index}.>`)),
  )
  expect(new Set(consumers.map((config) => config.ack_wait))).toEqual(new Set([ACK_WAIT_MS * 1e6]))
  await connection.close()
  await deleteStreams(space)
})

test('both spaces of one vault share a partition, and an acknowledged message leaves the stream', async () => {
  const space = freshSpace()
  await using bus = await open(space)
  await bus.provision({ ...LANES, critical: [...LANES.critical, 'OwnerSpace.*.forVault.*.*'] })
  const connection = await connect({ servers: server.url })
  const manager = await jetstreamManager(connection)
  await bus.publish(CRITICAL, new Uint8Array(1), { durable: true })
  await bus.publish('OwnerSpace.v1.forVault.vault.unlock', new Uint8Array(1), { durable: true })
  const stored = await Promise.all([1, 2].map((seq) => manager.streams.getMessage(`${space}_CRIT`, { seq })))
  const partitions = new Set(stored.map((message) => message?.subject.split('.')[1]))
  expect(partitions.size).toBe(1)
  expect(stored.map((message) => publishedSubject(message?.subject ?? ''))).toContain(CRITICAL)
  const acked = Promise.withResolvers<void>()
  let count = 0
  await bus.consume((delivery) => void delivery.ack().then(() => (count += 1) === 2 && acked.resolve()), {
    inFlight: 9,
  })
  await acked.promise
  expect((await manager.streams.info(`${space}_CRIT`)).state.messages).toBe(0)
  await connection.close()
  await deleteStreams(space)
})

test('spaces on one server do not meet', async () => {
  const [left, right] = [freshSpace(), freshSpace()]
  await using one = await open(left)
  await using two = await open(right)
  const heard: string[] = []
  await one.provision(LANES)
  await two.provision(LANES)
  await two.subscribe('>', (message) => heard.push(message.subject))
  await two.consume((delivery) => heard.push(delivery.subject), { inFlight: 1 })
  await one.publish(CRITICAL, new Uint8Array(1), { durable: true })
  await two.publish('A.b', new Uint8Array(1))
  await expect.poll(() => heard, { timeout: 10_000 }).toContain('A.b')
  expect(heard).toEqual(['A.b'])
  await deleteStreams(left)
  await deleteStreams(right)
})

test('somebody else who listens does not turn a critical message into an ordinary one', async () => {
  const space = freshSpace()
  await using owner = await open(space)
  await using sender = await open(space)
  await owner.provision(LANES)
  await sender.publish(CRITICAL, new Uint8Array(1), { durable: true })
  await deleteStreams(space)
  // The lanes are known, the stream does not answer: as while a cluster elects a leader.
  await expect(owner.publish(CRITICAL, new Uint8Array(1), { durable: true })).rejects.toMatchObject({
    code: 'bus-unavailable',
  })
  await expect(sender.publish(CRITICAL, new Uint8Array(1), { durable: true })).rejects.toMatchObject({
    code: 'bus-unavailable',
  })
})

test('what was fetched ahead is given back when draining, not left to the ack wait', async () => {
  const space = freshSpace()
  const options = { url: server.url, name: 'test', inboxPrefix: '_INBOX.test', space, ackWaitMs: 60_000 }
  const first = await natsBus(options)
  await first.provision(LANES)
  const held: Delivery[] = []
  await first.consume((delivery) => void held.push(delivery), { inFlight: 1 })
  for (let index = 0; index < 5; index += 1) await first.publish(CRITICAL, new Uint8Array(index), { durable: true })
  await expect.poll(() => held.length, { timeout: 10_000 }).toBe(1)
  await held[0]?.ack()
  await expect.poll(() => held.length, { timeout: 10_000 }).toBe(2)
  const drained = first.drain()
  await held[1]?.ack()
  await drained
  await using second = await natsBus(options)
  const got: Delivery[] = []
  await second.consume((delivery) => void got.push(delivery), { inFlight: 9 })
  await expect.poll(() => got.length, { timeout: 10_000 }).toBe(3)
  await deleteStreams(space)
})

test('a stream that refuses is heard', async () => {
  const space = freshSpace()
  await using bus = await open(space)
  await bus.provision(LANES)
  const connection = await connect({ servers: server.url })
  const manager = await jetstreamManager(connection)
  await manager.streams.update(`${space}_CRIT`, { max_bytes: 1_000 })
  const publish = bus.publish(CRITICAL, new Uint8Array(2_000), { durable: true })
  await expect(publish).rejects.toMatchObject({
    code: 'bus-unavailable',
    message: expect.stringContaining('maximum bytes exceeded'),
  })
  await connection.close()
  await deleteStreams(space)
})

test('a credential without any right to the JetStream API can send, and denials are told', async () => {
  const [user, tenant] = ['{ user: host, password: h }', '{ user: tenant, password: t, permissions: {']
  const rights = 'publish: ["MessageSpace.v1.fromService.>", "Other.>"], subscribe: ["_INBOX.test.>"] } }'
  await using scoped = await startNatsServer({ config: `authorization { users: [${user}, ${tenant} ${rights}] }` })
  const { host } = new URL(scoped.url)
  const options = { name: 'test', inboxPrefix: '_INBOX.test' }
  await using owner = await natsBus({ ...options, url: `nats://host:h@${host}` })
  await owner.provision(LANES)
  const warnings: string[] = []
  const warn = (line: string): number => warnings.push(line)
  await using sender = await natsBus({ ...options, url: `nats://tenant:t@${host}`, warn })
  await sender.publish(CRITICAL, new Uint8Array(7), { durable: true })
  await sender.publish('Other.v1.x', new Uint8Array(1), { durable: true })
  const got: Delivery[] = []
  await owner.consume((delivery) => void delivery.ack().then(() => got.push(delivery)), { inFlight: 9 })
  await expect.poll(() => got.map((delivery) => delivery.data.length), { timeout: 10_000 }).toEqual([7])
  const denied = sender.publish('OwnerSpace.v1.forVault.x.y', new Uint8Array(1), { durable: true })
  await expect(denied).rejects.toMatchObject({ code: 'bus-unavailable' })
  await sender.subscribe('>', () => {})
  await expect.poll(() => warnings.join(), { timeout: 10_000 }).toContain('Permissions Violation')
})

test('a killed server that comes back is found again, with what it stored', async () => {
  await using store = await mkdtempDisposable(join(tmpdir(), 'trellis-nats-store-'))
  const storeDir = store.path
  await using first = await startNatsServer({ storeDir })
  const warnings: string[] = []
  await using bus = await open('crash', { url: first.url, warn: (line) => warnings.push(line) })
  await bus.provision(LANES)
  const got: Delivery[] = []
  await bus.consume((delivery) => void got.push(delivery), { inFlight: 16 })
  await bus.publish(CRITICAL, new TextEncoder().encode('kept'), { durable: true })
  await expect.poll(() => got.length, { timeout: 10_000 }).toBe(1)
  first.kill()
  await expect.poll(() => warnings.join(), { timeout: 10_000 }).toContain('connection lost')
  await using second = await startNatsServer({ storeDir, port: Number(new URL(first.url).port) })
  expect(second.url).toBe(first.url)
  await expect.poll(() => warnings.join(), { timeout: 10_000 }).toContain('connected again')
  await expect.poll(() => got.length, { timeout: 10_000 }).toBeGreaterThan(1)
  await got.at(-1)?.ack()
  await bus.publish(CRITICAL, new TextEncoder().encode('after'), { durable: true })
  await expect.poll(() => new TextDecoder().decode(got.at(-1)?.data), { timeout: 10_000 }).toBe('after')
})

test('nobody at the address is one clear line without the password', async () => {
  const refusal = await open('none', { url: 'nats://user:secret@127.0.0.1:1' }).catch((error: unknown) => error)
  expect(refusal).toMatchObject({ code: 'bus-unavailable' })
  expect(String(refusal)).toContain('127.0.0.1:1')
  expect(String(refusal)).not.toContain('secret')
  await expect(open('none', { url: 'http://x' })).rejects.toThrow('not a nats address')
})

test('an old server is refused, an unsafe one is warned of', () => {
  const warnings: string[] = []
  const warn = (line: string): number => warnings.push(line)
  for (const version of ['2.9.10', '1.99.0', '', 'x']) {
    expect(() => checkVersion(version, warn), version).toThrow('too old')
  }
  expect(warnings).toEqual([])
  for (const version of ['2.10.0', '2.14.2', '2.10.27-beta.1']) checkVersion(version, warn)
  expect(warnings).toHaveLength(3)
  for (const version of ['2.14.3', '2.15.1', '3.0.0']) checkVersion(version, warn)
  expect(warnings).toHaveLength(3)
})

test('a setting that reads back otherwise is named', () => {
  const asked = { subjects: ['b', 'a'], deny_purge: true, subject_transform: { src: 'x', dest: 'y' } }
  expect(ignoredSettings(asked, { ...asked, subjects: ['a', 'b'], more: 1 })).toEqual([])
  expect(ignoredSettings(asked, { ...asked, deny_purge: false })).toEqual(['deny_purge (asked true, is false)'])
  expect(ignoredSettings(asked, { subjects: ['a', 'b'], deny_purge: true })).toHaveLength(1)
  expect(ignoredSettings(asked, { ...asked, subject_transform: { src: 'x', dest: 'z' } })).toHaveLength(1)
})
