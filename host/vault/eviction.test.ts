import { access } from 'node:fs/promises'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { generateSigningKey } from '#host/crypto/sign.ts'
import { Refusal } from '#host/errors.ts'
import { GREETINGS_PER_HOUR, REFUSAL_ROWS_PER_HOUR } from '#host/limits.ts'
import type { Bus } from '#host/messaging/port.ts'
import { connectService, HOUR_MS, told } from '#host/service.fixture.ts'
import { upkeep } from '#host/upkeep.ts'
import { random, startWorld, until, type World } from '#host/world.fixture.ts'
import { decodeEnvelope } from '#host/wire/envelope.ts'
import { isIdle } from './eviction.ts'

/** Less than any vault takes: each is closed as soon as it has nothing in hand. */
const NO_ROOM = { openBytesMax: 1 }
const counted = (body: number) => ({ status: 'replied', body })
const birth = (now: number) => ({
  device: { id: 'phone', label: 'phone', verifyKey: generateSigningKey().publicKey },
  fields: {},
  now,
})

let world: World

beforeEach(async () => {
  world = await startWorld({ handlers: ['counts'], bounds: NO_ROOM })
})
afterEach(() => world[Symbol.asyncDispose]())

const closed = () => until('a closed vault', () => world.host.vaults.open().length === 0)
/** Room was asked for again after whatever was under way. */
async function settled(): Promise<void> {
  for (let look = 0; look < 20; look++) {
    await world.host.vaults.makeRoom(world.now())
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
const round = (bus: Bus = world.broker.connect()) => upkeep(world.host.vaults, { bus, now: world.now(), random })

describe('a host without room for one open vault', () => {
  test('serves it as any other: sessions, counters, the trail go on', async () => {
    const acme = await connectService(world, 'Acme')
    for (let count = 1; count <= 5; count++) {
      expect(await acme.ask('counts.run')).toEqual(counted(count))
      await closed()
    }
    await world.alice.putField('email', 'new@example.org')
    expect((await world.rows()).length).toBeGreaterThan(5)
  })

  test('refuses a question in time that ran out while the vault was closed', async () => {
    const acme = await connectService(world, 'Acme')
    const { answer, pending } = await acme.request('counts.ask')
    await pending
    await closed()
    world.clock.now += HOUR_MS - 1
    expect(world.host.vaults.due(world.now())).toEqual([])
    world.clock.now += 1
    expect(world.host.vaults.due(world.now())).toEqual(['alice'])
    await round()
    expect(told(await answer)).toMatchObject({ code: 'consent-expired' })
    await closed()
    expect(world.host.vaults.wakeTimes(world.now())).toEqual(new Map([['alice', null]]))
  })

  test('keeps it open as long as a letter waits for the bus, and closes it then', async () => {
    const acme = await connectService(world, 'Acme')
    await closed()
    const { message, answer } = await acme.hold('counts.run')
    const away = { publish: () => Promise.reject(new Refusal('bus-unavailable', 'away')) }
    await world.hand(message, { bus: away, pool: runsNothing() })
    const vault = await world.vault()
    expect(isIdle(vault, world.now())).toBe(false)
    await world.host.vaults.makeRoom(world.now())
    expect(world.host.vaults.open()).toEqual([vault])
    world.clock.now += 60_000
    await round()
    expect(told(await answer)).toMatchObject({ status: 'refused', code: 'busy' })
    await closed()
  })

  test('keeps it open while somebody holds it, and as long as a flood is counted in memory', async () => {
    const acme = await connectService(world, 'Acme')
    await closed()
    {
      using lease = await world.host.vaults.hold('alice')
      await world.host.vaults.makeRoom(world.now())
      expect(world.host.vaults.open()).toEqual([lease?.vault])
    }
    for (let count = 0; count <= REFUSAL_ROWS_PER_HOUR; count++) {
      await acme.ask('payment.request')
      if (count < REFUSAL_ROWS_PER_HOUR) await closed()
    }
    await world.host.vaults.makeRoom(world.now())
    expect(world.host.vaults.open()).toHaveLength(1)
    world.clock.now += HOUR_MS
    await round()
    await closed()
    const rows = (await world.rows()).filter(({ reason }) => reason === 'unsupported-event')
    expect(rows.reduce((sum, { count }) => sum + count, 0)).toBe(REFUSAL_ROWS_PER_HOUR + 1)
  })

  test('remembers whoever sends greetings without end', async () => {
    const acme = await connectService(world, 'Acme')
    await closed()
    const message = {
      subject: `MessageSpace.alice.fromService.${acme.invitation.connection}.profile.get`,
      data: new Uint8Array(0),
    }
    for (let count = 0; count <= GREETINGS_PER_HOUR / 2; count++) await world.hand(message)
    await settled()
    expect(world.host.vaults.open()).toHaveLength(1)
    world.clock.now += HOUR_MS
    await round()
    await closed()
  })

  test('repeats no sending number of an answer that no commit kept', async () => {
    const acme = await connectService(world, 'Acme')
    const { message, answer } = await acme.hold('counts.run')
    await world.hand(message, { pool: runsNothing() })
    expect(told(await answer)).toMatchObject({ code: 'busy' })
    const answers = await world.listen('MessageSpace.alice.forService.>')
    for (let repeat = 1; repeat <= 3; repeat++) {
      // The stored answer, sealed anew and kept by nobody.
      await world.hand({ ...message, data: message.data })
      await until('the same answer', () => answers.length === repeat)
      await world.host.vaults.makeRoom(world.now())
      await closed()
    }
    expect(new Set(answers.map(({ data }) => sequenceOf(data))).size).toBe(3)
  })
})

test('the least recently used one is closed first, and opened again when it is asked for', async () => {
  await using roomy = await startWorld({ handlers: ['counts'], bounds: { openBytesMax: 350_000 } })
  const { vaults } = roomy.host
  for (const name of ['bob', 'carol', 'dave']) await vaults.create(name, birth(roomy.now()))
  await vaults.find('bob')
  await vaults.makeRoom(roomy.now())
  const open = vaults.open().map(({ id }) => id as string)
  expect(open).toContain('bob')
  expect(open).toContain('dave')
  expect(open).not.toContain('alice')
  const [first, second] = await Promise.all([vaults.find('alice'), vaults.find('alice')])
  expect(first).toBe(second)
  expect(first?.store.namespace('personal').get('field/email')).toBeDefined()
})

describe('the next host', () => {
  test('opens none of the vaults that a host left settled, and all of them after a crash', async () => {
    const { host } = world
    await host.vaults.create('bob', birth(world.now()))
    await host[Symbol.asyncDispose]()
    await world.start()
    expect(world.host.vaults.open()).toEqual([])
    await expect(access(join(world.folder, 'wake.json'))).rejects.toThrow('ENOENT')
    await world.kill()
    const opened = world.traces.length
    await world.start()
    expect(world.traces).toHaveLength(opened)
    expect([...world.host.vaults.wakeTimes(world.now()).keys()].sort()).toEqual(['alice', 'bob'])
    const acme = await connectService(world, 'Acme')
    expect(await acme.ask('counts.run')).toEqual(counted(1))
  })

  test('ends in time a question that ran out while no host was there', async () => {
    const acme = await connectService(world, 'Acme')
    const { answer, pending } = await acme.request('counts.ask')
    await pending
    await world.host[Symbol.asyncDispose]()
    world.clock.now += HOUR_MS
    await world.start()
    expect(told(await answer)).toMatchObject({ code: 'consent-expired' })
  })

  test('opens all of them when other handlers run: connections are to be told', async () => {
    await world.host[Symbol.asyncDispose]()
    await world.start(['counts', 'tallies'])
    const published = (await world.vault()).system.get('published')
    expect(published && new TextDecoder().decode(published.value)).toContain('tallies.run')
  })
})

/** A pool that refuses at once. */
function runsNothing(): NonNullable<Parameters<World['hand']>[1]>['pool'] & object {
  return {
    run: () => Promise.reject(new Refusal('busy', 'no cell is free')),
    stats: { instances: 0, created: 0, replaced: 0, stopped: 0, running: 0, queued: 0 },
    drain: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

function sequenceOf(data: Uint8Array): number {
  const envelope = decodeEnvelope(data)
  if (!('seq' in envelope)) throw new Error('no data')
  return envelope.seq
}
