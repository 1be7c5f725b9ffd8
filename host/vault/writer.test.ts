/** A disk that hangs: whoever asks is refused in time, nothing is half done, and it goes on by itself. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { Refusal } from '#host/errors.ts'
import { connectService, type Asker } from '#host/service.fixture.ts'
import { openLog } from '#host/storage/group.ts'
import { memoryLog } from '#host/storage/memory-log.fixture.ts'
import { makeVault } from '#host/storage/vault-store.fixture.ts'
import { startWorld, until, type World } from '#host/world.fixture.ts'
import { openWriter } from './writer.ts'

const DEADLINE_MS = 500
const unavailable = expect.objectContaining({ code: 'audit-unavailable' })
const write = { namespace: 'personal', key: 'a', value: new Uint8Array(1) } as const

describe('a writer', () => {
  test('refuses what is not durable in time, takes nothing more, and goes on when the disk does', async () => {
    const gate = Promise.withResolvers<void>()
    let hangs = false
    const log = await openLog(
      memoryLog({ before: (operation) => (operation === 'write' && hangs ? gate.promise : undefined) }),
    )
    const store = await makeVault(log)
    const writer = openWriter(store, { deadlineMs: DEADLINE_MS })
    const told: string[] = []
    await writer.commit([write], { now: 1, durable: () => void told.push('first') })
    hangs = true
    const late = writer.commit([write], { now: 2, durable: () => void told.push('late') })
    await expect(late).rejects.toEqual(unavailable)
    expect(writer.stalled).toBe(true)
    expect(() => writer.check()).toThrow(unavailable)
    expect(told).toEqual(['first'])
    gate.resolve()
    await until('the disk answers', () => !writer.stalled)
    expect(told).toEqual(['first', 'late'])
    writer.check()
  })

  test('says of a log that failed what the log says, also of one that failed late', async () => {
    const failed = new Refusal('storage-failed', 'the log failed')
    const gate = Promise.withResolvers<never>()
    const writer = openWriter({ commit: () => gate.promise }, { deadlineMs: DEADLINE_MS })
    await expect(writer.commit([write], { now: 1, durable: () => {} })).rejects.toEqual(unavailable)
    gate.reject(failed)
    await until('it is known', () => !writer.stalled)
    await expect(writer.commit([write], { now: 1, durable: () => {} })).rejects.toBe(failed)
  })
})

describe('a vault whose disk hangs', () => {
  let world: World
  let acme: Asker

  beforeEach(async () => {
    world = await startWorld({ handlers: ['counts'], commitDeadlineMs: DEADLINE_MS })
    acme = await connectService(world, 'Acme')
  })
  afterEach(() => world[Symbol.asyncDispose]())

  /** From now on what is written is durable only when the test says so. */
  async function hang(): Promise<() => void> {
    const { store } = await world.vault()
    const commit = store.commit.bind(store)
    const gate = Promise.withResolvers<void>()
    store.commit = async (...given) => {
      const receipt = await commit(...given)
      await gate.promise
      return receipt
    }
    return () => {
      store.commit = commit
      gate.resolve()
    }
  }

  test('refuses each event in time, audits that once it can, and does each of them at most once', async () => {
    expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 1 })
    const goOn = await hang()
    const late = { status: 'refused', code: 'audit-unavailable', retry: true }
    expect(await acme.ask('counts.run')).toMatchObject(late)
    const { instances } = world.host.stats()
    const more = await Promise.all([acme.ask('counts.run'), acme.ask('counts.run')])
    expect(more).toMatchObject([late, late])
    await expect(world.alice.putField('email', 'x')).rejects.toThrow('audit-unavailable')
    expect(world.host.stats().instances).toBe(instances)
    goOn()
    await until('the vault writes again', async () => !(await world.vault()).writer.stalled)
    // The one that was under way is done, and those that came after it never began.
    expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 3 })
    const refused = await until('the refusals are in the trail', async () => {
      const rows = (await world.rows()).filter(({ reason }) => reason === 'audit-unavailable')
      return rows.length === 4 && rows
    })
    expect(new Set(refused.map(({ eventType }) => eventType))).toEqual(new Set(['counts.run', 'field.put']))
  })

  test('answers the event that was under way with what was stored for it, and only when it is durable', async () => {
    const heard = await world.listen(`MessageSpace.alice.forService.${acme.invitation.connection}.counts.run`)
    const goOn = await hang()
    expect(await acme.ask('counts.run')).toMatchObject({ code: 'audit-unavailable' })
    world.clock.now += 60_000
    await world.traced('counts.run', 0)
    expect(heard).toHaveLength(1)
    goOn()
    await until('the vault writes again', async () => !(await world.vault()).writer.stalled)
    world.clock.now += 60_000
    await until('its own answer leaves too', () => heard.length === 2)
  })
})
