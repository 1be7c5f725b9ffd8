/** What every transport must do: `busCases` proves one, whoever wrote it. */
import { setTimeout as delay } from 'node:timers/promises'

import { describe, expect, test } from 'vitest'

import { MESSAGE_BYTES_MAX } from '#host/limits.ts'

import {
  BEST_EFFORT,
  type BusRig,
  collect,
  CRITICAL,
  LANES,
  nothing,
  ORDINARY,
  text,
  until,
  utf8,
} from './bus-rig.fixture.ts'
import type { Bus, Delivery, Message } from './port.ts'

/** Registers the suite. `open` gives each test its own rig. */
export function busCases(name: string, open: () => Promise<BusRig>): void {
  const withBus = (title: string, run: (bus: Bus, rig: BusRig) => Promise<void>): void => {
    test(title, async () => {
      await using rig = await open()
      await using bus = await rig.connect()
      await bus.provision(LANES)
      await run(bus, rig)
    })
  }
  describe(`${name}: ordinary messages`, () => ordinaryCases(withBus))
  describe(`${name}: any message`, () => messageCases(withBus))
  describe(`${name}: lanes`, () => laneCases(withBus))
  describe(`${name}: what comes again`, () => redeliveryCases(withBus))
  describe(`${name}: clients`, () => clientCases(withBus, open))
  describe(`${name}: provisioning`, () => provisionCases(withBus, open))
}

type WithBus = (title: string, run: (bus: Bus, rig: BusRig) => Promise<void>) => void

function ordinaryCases(withBus: WithBus): void {
  withBus('reach the patterns that match and no others', async (bus) => {
    const heard: string[] = []
    for (const pattern of ['A.*.c', 'A.>', 'A.b.c', 'A.*', 'B.>']) {
      await bus.subscribe(pattern, () => heard.push(pattern))
    }
    await bus.publish('A.b.c', utf8('x'))
    await until(() => heard.length >= 3)
    await delay(20)
    expect(heard.toSorted()).toEqual(['A.*.c', 'A.>', 'A.b.c'])
  })

  withBus('keep their bytes and their subject', async (bus) => {
    const heard: Message[] = []
    await bus.subscribe('A.>', (message) => heard.push(message))
    const data = crypto.getRandomValues(new Uint8Array(300))
    await bus.publish('A.b', data)
    await bus.publish('A.c', new Uint8Array(0))
    await until(() => heard.length === 2)
    expect(heard).toEqual([
      { subject: 'A.b', data },
      { subject: 'A.c', data: new Uint8Array(0) },
    ])
  })

  withBus('stop with the subscription', async (bus) => {
    const heard: string[] = []
    const subscription = await bus.subscribe('A.b', (message) => heard.push(text(message)))
    await bus.publish('A.b', utf8('before'))
    await until(() => heard.length === 1)
    await subscription.drain()
    await bus.publish('A.b', utf8('after'))
    await delay(30)
    expect(heard).toEqual(['before'])
  })

  withBus('a durable publish that no lane captures is one of them', async (bus) => {
    const heard: string[] = []
    await bus.publish(ORDINARY, utf8('nobody listens'), { durable: true })
    await bus.subscribe(ORDINARY, (message) => heard.push(text(message)))
    await bus.publish(ORDINARY, utf8('heard'), { durable: true })
    await until(() => heard.length > 0)
    await delay(20)
    expect(heard).toEqual(['heard'])
  })

  withBus('a message of a lane is heard by listeners too', async (bus) => {
    const heard: string[] = []
    await bus.subscribe('MessageSpace.v1.>', (message) => heard.push(message.subject))
    await bus.publish(CRITICAL, utf8('x'), { durable: true })
    await until(() => heard.length === 1)
    expect(heard).toEqual([CRITICAL])
  })
}

function messageCases(withBus: WithBus): void {
  withBus('has a reply subject that is never answered', async (bus, rig) => {
    const heard: Message[] = []
    const answers: Message[] = []
    await bus.subscribe('Victim.>', (message) => answers.push(message))
    await bus.subscribe(ORDINARY, (message) => heard.push(message))
    const message = { subject: ORDINARY, data: utf8('answer me') }
    if (rig.sendWithReply) await rig.sendWithReply(message, 'Victim.inbox')
    else await bus.publish(message.subject, message.data)
    await until(() => heard.length === 1)
    await delay(30)
    expect(answers).toEqual([])
    // Who receives cannot even name it.
    expect(Object.keys(heard[0] ?? {}).toSorted()).toEqual(['data', 'subject'])
  })

  withBus('that is too large is refused, the largest is not', async (bus) => {
    const largest = new Uint8Array(MESSAGE_BYTES_MAX)
    for (const durable of [true, false]) {
      const publish = bus.publish(CRITICAL, new Uint8Array(MESSAGE_BYTES_MAX + 1), { durable })
      await expect(publish).rejects.toMatchObject({ code: 'too-large' })
      await bus.publish(CRITICAL, largest, { durable })
    }
    const { deliveries } = await collect(bus)
    await until(() => deliveries.length === 2)
    expect(deliveries.map((delivery) => delivery.data.length)).toEqual([MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX])
  })

  withBus('on a subject with a wildcard, a space or an empty token is a bug of the caller', async (bus) => {
    for (const subject of ['A.*', 'A.>', 'A b', 'A..b', '']) {
      await expect(bus.publish(subject, utf8('x'))).rejects.toThrow('not a subject')
    }
  })
}

function laneCases(withBus: WithBus): void {
  withBus('a durable message is consumed and acknowledged exactly once', async (bus, rig) => {
    const { deliveries } = await collect(bus)
    const data = crypto.getRandomValues(new Uint8Array(500))
    await bus.publish(CRITICAL, data, { durable: true })
    await until(() => deliveries.length === 1)
    await delay(rig.ackWaitMs * 2)
    expect(deliveries).toHaveLength(1)
    expect(deliveries[0]).toMatchObject({ subject: CRITICAL, data, attempt: 1 })
    expect(Buffer.isBuffer(deliveries[0]?.data)).toBe(false)
  })

  withBus('what is published while nobody consumes arrives later', async (bus) => {
    await bus.publish(CRITICAL, utf8('critical'), { durable: true })
    await bus.publish(BEST_EFFORT, utf8('best effort'))
    await bus.publish('OwnerSpace.v9.forVault.vault.unlock', utf8('owner'), { durable: true })
    const { deliveries } = await collect(bus)
    await until(() => deliveries.length === 3)
    const got = deliveries.map((delivery) => `${delivery.subject} ${text(delivery)}`).toSorted()
    expect(got).toEqual([
      `${CRITICAL} critical`,
      `${BEST_EFFORT} best effort`,
      'OwnerSpace.v9.forVault.vault.unlock owner',
    ])
  })

  withBus('a lane keeps the order of each subject in the calm case', async (bus) => {
    const { deliveries } = await collect(bus)
    const subjects = ['v1', 'v2', 'v3', 'v4'].map((vault) => `MessageSpace.${vault}.fromService.c1.data.request`)
    const sent: Promise<void>[] = []
    for (let index = 0; index < 20; index += 1) {
      for (const subject of subjects) sent.push(bus.publish(subject, utf8(String(index)), { durable: true }))
    }
    await Promise.all(sent)
    await until(() => deliveries.length === 80)
    for (const subject of subjects) {
      const got = deliveries
        .filter((delivery) => delivery.subject === subject)
        .map((delivery) => Number(text(delivery)))
      expect(got).toEqual(Array.from({ length: 20 }, (_, index) => index))
    }
  })

  withBus('a durable publish on the best-effort lane resolves too', async (bus) => {
    const { deliveries } = await collect(bus)
    await bus.publish(BEST_EFFORT, utf8('x'), { durable: true })
    await until(() => deliveries.length === 1)
    expect(deliveries[0]?.attempt).toBe(1)
  })

  withBus('a critical message is kept however it was published', async (bus) => {
    await bus.publish(CRITICAL, utf8('x'))
    const { deliveries } = await collect(bus)
    await until(() => deliveries.length === 1)
  })

  withBus('no more than so many are in hand', async (bus) => {
    const held: Delivery[] = []
    await bus.consume((delivery) => held.push(delivery), { inFlight: 3 })
    for (let index = 0; index < 12; index += 1) await bus.publish(CRITICAL, utf8(String(index)), { durable: true })
    await until(() => held.length === 3)
    await delay(30)
    expect(held).toHaveLength(3)
    await held[0]?.ack()
    await until(() => held.length === 4)
    await delay(30)
    expect(held).toHaveLength(4)
  })
}

function redeliveryCases(withBus: WithBus): void {
  withBus('a critical message that is given back comes again at once', async (bus, rig) => {
    const start = performance.now()
    const { deliveries } = await collect(bus, (delivery) => (delivery.attempt === 1 ? delivery.nak() : delivery.ack()))
    await bus.publish(CRITICAL, utf8('x'), { durable: true })
    await until(() => deliveries.length === 2)
    expect(performance.now() - start).toBeLessThan(rig.ackWaitMs)
    await delay(rig.ackWaitMs * 2)
    expect(deliveries.map((delivery) => delivery.attempt)).toEqual([1, 2])
  })

  withBus('or after the delay it was given back with', async (bus) => {
    const times: number[] = []
    await collect(bus, (delivery) => {
      times.push(performance.now())
      return delivery.attempt === 1 ? delivery.nak(150) : delivery.ack()
    })
    await bus.publish(CRITICAL, utf8('x'), { durable: true })
    await until(() => times.length === 2)
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(140)
  })

  withBus('without an answer it comes again after the ack wait', async (bus, rig) => {
    const times: number[] = []
    const { deliveries } = await collect(bus, (delivery) => {
      times.push(performance.now())
      return delivery.attempt === 1 ? undefined : delivery.ack()
    })
    await bus.publish(CRITICAL, utf8('x'), { durable: true })
    await until(() => deliveries.length === 2)
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(rig.ackWaitMs * 0.9)
    expect(deliveries[1]?.attempt).toBe(2)
  })

  withBus('what is never answered does not hold its place for ever', async (bus) => {
    const seen = new Set<string>()
    await bus.consume(
      (delivery) => {
        seen.add(text(delivery))
        if (text(delivery) !== 'silent') void delivery.ack()
      },
      { inFlight: 1 },
    )
    await bus.publish(CRITICAL, utf8('silent'), { durable: true })
    await until(() => seen.has('silent'))
    await bus.publish(CRITICAL, utf8('next'), { durable: true })
    await until(() => seen.has('next'))
  })

  withBus('what is terminated does not', async (bus, rig) => {
    const { deliveries } = await collect(bus, (delivery) => delivery.term())
    await bus.publish(CRITICAL, utf8('x'), { durable: true })
    await until(() => deliveries.length === 1)
    await delay(rig.ackWaitMs * 2)
    expect(deliveries).toHaveLength(1)
  })

  withBus('a best-effort message does not, whatever was said', async (bus, rig) => {
    const { deliveries } = await collect(bus, (delivery) => (text(delivery) === 'nak' ? delivery.nak() : undefined))
    await bus.publish(BEST_EFFORT, utf8('nak'))
    await bus.publish(BEST_EFFORT, utf8('silence'))
    await until(() => deliveries.length === 2)
    await delay(rig.ackWaitMs * 2)
    expect(deliveries.map((delivery) => delivery.attempt)).toEqual([1, 1])
  })
}

function clientCases(withBus: WithBus, open: () => Promise<BusRig>): void {
  withBus('share the lanes: each message goes to one of them', async (bus, rig) => {
    await using other = await rig.connect()
    const [one, two] = [await collect(bus), await collect(other)]
    const count = 64
    for (let index = 0; index < count; index += 1) {
      const subject = `MessageSpace.v${index % 16}.fromService.c1.data.request`
      await bus.publish(subject, utf8(String(index)), { durable: true })
    }
    await until(() => one.deliveries.length + two.deliveries.length >= count)
    await delay(rig.ackWaitMs * 2)
    const got = [...one.deliveries, ...two.deliveries].map(text).toSorted()
    expect(got).toEqual(Array.from({ length: count }, (_, index) => String(index)).toSorted())
  })

  test('one that leaves with a message in hand leaves it to the next', async () => {
    await using rig = await open()
    const first = await rig.connect()
    await first.provision(LANES)
    const taken = await collect(first, (delivery) => (text(delivery) === 'done' ? delivery.ack() : undefined))
    await first.publish(CRITICAL, utf8('done'), { durable: true })
    await first.publish(CRITICAL, utf8('in hand'), { durable: true })
    await until(() => taken.deliveries.length === 2)
    await delay(20)
    await first[Symbol.asyncDispose]()
    await using second = await rig.connect()
    const { deliveries } = await collect(second)
    await until(() => deliveries.length === 1)
    await delay(rig.ackWaitMs * 2)
    expect(deliveries.map((delivery) => [text(delivery), delivery.attempt])).toEqual([['in hand', 2]])
  })

  test('one that drains finishes what it has in hand and takes nothing new', async () => {
    await using rig = await open()
    const first = await rig.connect()
    await first.provision(LANES)
    const held: Delivery[] = []
    await first.consume((delivery) => held.push(delivery), { inFlight: 2 })
    await first.publish(CRITICAL, utf8('a'), { durable: true })
    await until(() => held.length === 1)
    let isDrained = false
    const drained = first.drain().then(() => (isDrained = true))
    await delay(50)
    expect(isDrained).toBe(false)
    // Who is at work may still send.
    for (const word of ['b', 'c', 'd']) await first.publish(CRITICAL, utf8(word), { durable: true })
    await delay(20)
    await held[0]?.ack()
    await drained
    expect(held).toHaveLength(1)
    await expect(first.publish(CRITICAL, utf8('late'), { durable: true })).rejects.toMatchObject({
      code: 'bus-unavailable',
    })
    await using second = await rig.connect()
    const { deliveries } = await collect(second)
    await until(() => deliveries.length === 3)
    await delay(rig.ackWaitMs * 2)
    expect(deliveries.map(text).toSorted()).toEqual(['b', 'c', 'd'])
  })

  withBus('a consumer that drains leaves its client alive', async (bus) => {
    const first = await collect(bus)
    await bus.publish(CRITICAL, utf8('one'), { durable: true })
    await until(() => first.deliveries.length === 1)
    await first.drain()
    await bus.publish(CRITICAL, utf8('two'), { durable: true })
    const second = await collect(bus)
    await until(() => second.deliveries.length === 1)
    expect(first.deliveries).toHaveLength(1)
  })

  withBus('one that left settles nothing any more', async (bus, rig) => {
    const other = await rig.connect()
    const { deliveries } = await collect(other, nothing)
    await bus.publish(CRITICAL, utf8('x'), { durable: true })
    await until(() => deliveries.length === 1)
    await other[Symbol.asyncDispose]()
    await expect(deliveries[0]?.ack()).rejects.toMatchObject({ code: 'bus-unavailable' })
  })
}

function provisionCases(withBus: WithBus, open: () => Promise<BusRig>): void {
  withBus('twice is fine, and keeps what is stored', async (bus) => {
    await bus.publish(CRITICAL, utf8('x'), { durable: true })
    await bus.provision(LANES)
    const { deliveries } = await collect(bus)
    await until(() => deliveries.length === 1)
  })

  withBus('more lanes extend, fewer take away, a pattern may change its lane', async (bus, rig) => {
    const more = 'MessageSpace.*.fromService.*.auth.challenge'
    const subject = 'MessageSpace.v1.fromService.c1.auth.challenge'
    const { deliveries } = await collect(bus)
    await bus.publish(subject, utf8('before'), { durable: true })
    await bus.provision({ ...LANES, critical: [...LANES.critical, more] })
    await bus.publish(subject, utf8('critical'), { durable: true })
    await until(() => deliveries.length === 1)
    await bus.provision({ ...LANES, bestEffort: [...LANES.bestEffort, more] })
    await bus.publish(subject, utf8('best effort'), { durable: true })
    await until(() => deliveries.length === 2)
    await bus.provision({ ...LANES, critical: [...LANES.critical, more] })
    await bus.publish(subject, utf8('critical again'), { durable: true })
    await until(() => deliveries.length === 3)
    await bus.provision({ critical: [], bestEffort: [] })
    await bus.publish(subject, utf8('after'), { durable: true })
    await bus.publish(CRITICAL, utf8('after'), { durable: true })
    await delay(rig.ackWaitMs)
    expect(deliveries.map(text)).toEqual(['critical', 'best effort', 'critical again'])
  })

  withBus('serves clients that do not provision', async (bus, rig) => {
    await using other = await rig.connect()
    await other.publish(CRITICAL, utf8('durable'), { durable: true })
    await other.publish(ORDINARY, utf8('ordinary'), { durable: true })
    const { deliveries } = await collect(bus)
    await until(() => deliveries.length === 1)
    expect(text(deliveries[0] ?? { subject: '', data: utf8('') })).toBe('durable')
  })

  test('comes before consuming', async () => {
    await using rig = await open()
    await using bus = await rig.connect()
    await expect(bus.consume(nothing, { inFlight: 1 })).rejects.toMatchObject({ code: 'bus-unavailable' })
  })

  withBus('refuses lanes that would store a message twice', async (bus) => {
    const lanes = { critical: ['A.*.x'], bestEffort: ['A.*.*'] }
    await expect(bus.provision(lanes)).rejects.toThrow('lanes overlap')
  })
}
