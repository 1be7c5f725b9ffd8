import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { MEMORY_LANE_BYTES_MAX, MESSAGE_BYTES_MAX } from '#host/limits.ts'

import { busCases } from './bus.case.ts'
import { testClock } from './clock.fixture.ts'
import { type Disk, diskOf, logOf } from './log.fixture.ts'
import { type MemoryBus, memoryBroker, type MemoryBroker, type MemoryOptions } from './memory.ts'
import type { Delivery, Lanes } from './port.ts'

busCases('memory', async () => {
  const ackWaitMs = 120
  const broker = await memoryBroker({ log: logOf(), ackWaitMs })
  return {
    ackWaitMs,
    connect: async () => broker.connect(),
    [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
  }
})

const LANES: Lanes = { critical: ['M.*.crit'], bestEffort: ['M.*.best'] }
const CRITICAL = 'M.v1.crit'
const BEST_EFFORT = 'M.v1.best'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (delivery: Delivery | undefined): string => new TextDecoder().decode(delivery?.data)

interface Life {
  readonly broker: MemoryBroker
  readonly bus: MemoryBus
  readonly pass: (ms: number) => Promise<void>
}

/** One life of a broker on a disk, in its own time. */
async function start(disk: Disk, options: Partial<MemoryOptions> = {}): Promise<Life> {
  const clock = testClock()
  const broker = await memoryBroker({ log: logOf(disk), timer: clock.timer, ackWaitMs: 100, ...options })
  const bus = broker.connect()
  await bus.provision(LANES)
  return { broker, bus, pass: (ms) => clock.pass(ms) }
}

async function collect(bus: MemoryBus, how?: (delivery: Delivery) => unknown): Promise<Delivery[]> {
  const got: Delivery[] = []
  await bus.consume(
    (delivery) => {
      got.push(delivery)
      if (how) how(delivery)
    },
    { inFlight: 64 },
  )
  return got
}

test('after a crash, what was stored and not acknowledged comes again, and only that', async () => {
  const disk = diskOf()
  const first = await start(disk)
  const got = await collect(first.bus, (delivery) => (text(delivery) === 'acked' ? delivery.ack() : undefined))
  for (const word of ['acked', 'in hand']) await first.bus.publish(CRITICAL, utf8(word), { durable: true })
  await first.bus.publish(BEST_EFFORT, utf8('best effort'))
  await first.pass(50)
  expect(got.map(text)).toEqual(['acked', 'in hand', 'best effort'])
  first.broker.abandon()

  const second = await start(disk)
  await second.bus.publish(CRITICAL, utf8('new'), { durable: true })
  const again = await collect(second.bus)
  await second.pass(0)
  expect(again.map((delivery) => [text(delivery), delivery.attempt])).toEqual([
    ['in hand', 2],
    ['new', 1],
  ])
})

test('an ack is lazy: a crash at once may repeat the message, an orderly end never does', async () => {
  const disk = diskOf()
  const first = await start(disk)
  await collect(first.bus, (delivery) => delivery.ack())
  await first.bus.publish(CRITICAL, utf8('x'), { durable: true })
  await first.pass(0)
  first.broker.abandon()
  const second = await start(disk)
  const again = await collect(second.bus, (delivery) => delivery.ack())
  await second.pass(0)
  expect(again).toHaveLength(1)
  await second.broker[Symbol.asyncDispose]()
  const third = await start(disk)
  const never = await collect(third.bus)
  await third.pass(0)
  expect(never).toEqual([])
})

test('a crash refuses what was on its way, and everything after', async () => {
  const { bus, broker } = await start(diskOf())
  const pending = bus.publish(CRITICAL, utf8('x'), { durable: true })
  broker.abandon()
  await expect(pending).rejects.toMatchObject({ code: 'bus-unavailable' })
  await expect(bus.publish(CRITICAL, utf8('x'))).rejects.toMatchObject({ code: 'bus-unavailable' })
})

test('a torn tail is cut, wherever it tears', async () => {
  const whole = diskOf()
  const life = await start(whole)
  await life.bus.publish(CRITICAL, utf8('one'), { durable: true })
  const oneBytes = whole.bytes.length
  await life.bus.publish(CRITICAL, utf8('two'), { durable: true })
  for (let size = oneBytes; size < whole.bytes.length; size += 1) {
    const disk = { ...diskOf(), bytes: whole.bytes.slice(0, size) }
    const { bus, pass } = await start(disk)
    expect(disk.bytes).toHaveLength(oneBytes)
    // What is written next must be readable again.
    await bus.publish(CRITICAL, utf8('three'), { durable: true })
    const next = await start(disk)
    const got = await collect(next.bus)
    await pass(0)
    await next.pass(0)
    expect(got.map(text)).toEqual(['one', 'three'])
  }
})

test('a log of any bytes opens, and a changed byte never changes a message', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 64 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      async (junk, at, xor) => {
        await start({ ...diskOf(), bytes: junk })
        const disk = diskOf()
        const life = await start(disk)
        await life.bus.publish(CRITICAL, utf8('whole message'), { durable: true })
        const index = at % disk.bytes.length
        disk.bytes[index] = (disk.bytes[index] ?? 0) ^ xor
        const next = await start(disk)
        const got = await collect(next.bus)
        await next.pass(0)
        expect(got).toEqual([])
      },
    ),
    { numRuns: 40 },
  )
})

test('messages published together share one write', async () => {
  const disk = diskOf()
  const { bus } = await start(disk)
  await Promise.all(Array.from({ length: 64 }, () => bus.publish(CRITICAL, utf8('x'), { durable: true })))
  expect(disk.appends).toBe(1)
})

test('the log is emptied when nothing in it is awaited, not before', async () => {
  const disk = diskOf()
  const { bus, pass } = await start(disk)
  const large = new Uint8Array(MESSAGE_BYTES_MAX)
  await bus.publish(CRITICAL, large, { durable: true })
  await bus.publish(CRITICAL, large, { durable: true })
  const held: Delivery[] = []
  await collect(bus, (delivery) => held.push(delivery))
  await pass(0)
  await held[0]?.ack()
  await pass(50)
  expect(disk.bytes.length).toBeGreaterThan(2 * MESSAGE_BYTES_MAX)
  await held[1]?.ack()
  await pass(50)
  expect(disk.bytes).toHaveLength(0)
})

test('a full critical lane refuses and takes again when there is room', async () => {
  const { bus, pass } = await start(diskOf(), { log: { ...logOf(), append: async () => {} } })
  const large = new Uint8Array(MESSAGE_BYTES_MAX)
  const count = MEMORY_LANE_BYTES_MAX / MESSAGE_BYTES_MAX
  for (let index = 0; index < count; index += 1) await bus.publish(CRITICAL, large, { durable: true })
  const refused = bus.publish(CRITICAL, large, { durable: true })
  await expect(refused).rejects.toMatchObject({ code: 'bus-unavailable', message: expect.stringContaining('full') })
  await collect(bus, (delivery) => delivery.ack())
  await pass(0)
  await bus.publish(CRITICAL, large, { durable: true })
})

test('a log that breaks refuses durable messages', async () => {
  const disk = diskOf()
  const { bus } = await start(disk)
  disk.isBroken = true
  await expect(bus.publish(CRITICAL, utf8('x'), { durable: true })).rejects.toMatchObject({ code: 'bus-unavailable' })
})

test('best-effort messages go after a minute', async () => {
  const { bus, pass } = await start(diskOf())
  await bus.publish(BEST_EFFORT, utf8('old'))
  await pass(30_000)
  await bus.publish(BEST_EFFORT, utf8('young'))
  await pass(30_000)
  const got = await collect(bus)
  await pass(0)
  expect(got.map(text)).toEqual(['young'])
})

test('nothing waits any more when the broker is closed', async () => {
  for (const end of ['dispose', 'abandon']) {
    const clock = testClock()
    const broker = await memoryBroker({ log: logOf(), timer: clock.timer })
    const bus = broker.connect()
    await bus.provision(LANES)
    await bus.publish(BEST_EFFORT, utf8('never fetched'))
    await collect(bus)
    await bus.publish(CRITICAL, utf8('never answered'), { durable: true })
    await clock.pass(0)
    expect(clock.waiting()).toBeGreaterThan(0)
    if (end === 'dispose') await broker[Symbol.asyncDispose]()
    else broker.abandon()
    expect(clock.waiting(), end).toBe(0)
  }
})

test('the oldest best-effort messages go when there are too many, and none is stored', async () => {
  const disk = diskOf()
  const { bus, pass } = await start(disk)
  await bus.publish(BEST_EFFORT, utf8('old'))
  const large = new Uint8Array(MESSAGE_BYTES_MAX)
  for (let index = 0; index < 64; index += 1) await bus.publish(BEST_EFFORT, large)
  const got = await collect(bus)
  await pass(0)
  expect(got).toHaveLength(64)
  expect(got.every((delivery) => delivery.data === large)).toBe(true)
  expect(disk.appends).toBe(0)
})

test('a late ack still counts', async () => {
  const { bus, pass } = await start(diskOf())
  const got = await collect(bus)
  await bus.publish(CRITICAL, utf8('x'), { durable: true })
  await pass(0)
  await got[0]?.nak(50)
  await got[0]?.ack()
  await pass(500)
  expect(got).toHaveLength(1)
})

test('a client that is killed gives back at once what it held', async () => {
  const { broker, bus, pass } = await start(diskOf())
  const killed = broker.connect()
  const held = await collect(killed)
  await bus.publish(CRITICAL, utf8('x'), { durable: true })
  await pass(0)
  expect(held).toHaveLength(1)
  killed.abandon()
  const got = await collect(bus)
  await pass(0)
  expect(got.map((delivery) => delivery.attempt)).toEqual([2])
})

/** The same dice for the same seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

test('whatever chaos and crashes do, every critical message that was stored arrives', async () => {
  const rates = fc.record({
    lose: fc.double({ min: 0, max: 0.5, noNaN: true }),
    repeat: fc.double({ min: 0, max: 1, noNaN: true }),
    reorder: fc.double({ min: 0, max: 1, noNaN: true }),
    delayMs: fc.integer({ min: 0, max: 200 }),
  })
  await fc.assert(
    fc.asyncProperty(rates, fc.integer(), fc.integer({ min: 0, max: 3 }), async (rates, seed, crashes) => {
      const chaos = { ...rates, random: seeded(seed) }
      const disk = diskOf()
      const done = new Set<string>()
      const stored: string[] = []
      let life = await start(disk, { chaos })
      for (let round = 0; round <= crashes; round += 1) {
        // The first time nobody answers; the next time it is done.
        await collect(life.bus, (delivery) => {
          if (delivery.attempt > 1 || chaos.random() < 0.5) void delivery.ack().then(() => done.add(text(delivery)))
        })
        for (let index = 0; index < 10; index += 1) {
          await life.bus.publish(CRITICAL, utf8(`${round}-${index}`), { durable: true })
          stored.push(`${round}-${index}`)
        }
        if (round === crashes) break
        await life.pass(Math.floor(chaos.random() * 300))
        life.broker.abandon()
        life = await start(disk, { chaos })
      }
      await life.pass(60_000)
      expect([...done].toSorted()).toEqual(stored.toSorted())
    }),
    { numRuns: 25 },
  )
})

/** What listeners heard and what a consumer got of 40 messages each, sent a millisecond apart. */
async function sent(chaos: Omit<NonNullable<MemoryOptions['chaos']>, 'random'>): Promise<[string[], string[]]> {
  const { bus, pass } = await start(diskOf(), { chaos: { ...chaos, random: seeded(7) } })
  const heard: string[] = []
  await bus.subscribe('A.*', (message) => heard.push(message.subject))
  const got = await collect(bus, (delivery) => delivery.ack())
  for (let index = 0; index < 40; index += 1) {
    await bus.publish(`A.n${index}`, utf8('x'))
    await bus.publish(BEST_EFFORT, utf8(`n${index}`))
    await pass(1)
  }
  await pass(1_000)
  return [heard, got.map(text)]
}

test('chaos loses, repeats, holds back and delays what it may', async () => {
  const inOrder = Array.from({ length: 40 }, (_, index) => `n${index}`)
  const [heard, got] = await sent({})
  expect([heard, got]).toEqual([inOrder.map((word) => `A.${word}`), inOrder])
  for (const list of await sent({ lose: 0.5 })) {
    expect(list.length).toBeGreaterThan(5)
    expect(list.length).toBeLessThan(35)
  }
  for (const list of await sent({ repeat: 0.5 })) {
    expect(list.length).toBeGreaterThan(45)
    expect(new Set(list).size).toBe(40)
  }
  for (const chaos of [{ reorder: 0.3 }, { delayMs: 20 }]) {
    for (const list of await sent(chaos)) {
      expect(new Set(list).size).toBe(40)
      const numbers = list.map((word) => Number(word.replace(/\D+/, '')))
      expect(numbers).not.toEqual(numbers.toSorted((a, b) => a - b))
    }
  }
})

test('critical deliveries repeat under chaos although they were acknowledged', async () => {
  const { bus, pass } = await start(diskOf(), { chaos: { repeat: 1, random: seeded(1) } })
  const got = await collect(bus, (delivery) => delivery.ack())
  await bus.publish(CRITICAL, utf8('x'), { durable: true })
  await pass(1_000)
  expect(got.map((delivery) => delivery.attempt)).toEqual([1, 2])
})
