/** DESIGN §5 on a whole host, invariant by invariant. */
import { cp, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serialize } from 'node:v8'
import { Worker } from 'node:worker_threads'

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

import { newChallenge, verifyChallenge } from '#host/commands/demo/challenge.ts'
import { readImage } from '#host/commands/image.ts'
import { openFolder } from '#host/commands/open.ts'
import type { Job } from '#host/plugin/job.ts'
import { hostileCompiled } from '#host/plugin/fixtures/hostile-compiled.ts'
import { createPool, type Pool } from '#host/plugin/pool.ts'
import { allRows, readTrail, trailHead, verifyTrail } from '#host/storage/audit.ts'
import { makeImage } from '../scripts/build-image.ts'
import { connectService, HOUR_MS, type Asker, told } from './service.fixture.ts'
import { copyOf, gatedPool, random, startWorld, until, VAULT, type World } from './world.fixture.ts'

const HOSTILE = hostileCompiled.map(([name]) => name)

let world: World
let pool: Pool

beforeAll(async () => {
  world = await startWorld({ handlers: ['counts', 'notes', 'data-access', 'auth-challenge', ...HOSTILE] })
  pool = await createPool({ registry: world.host.registry, cells: 2, spares: 0 })
})
afterAll(async () => {
  await pool[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

const refused = (code: string) => expect.objectContaining({ status: 'refused', code })

async function countOf({ invitation }: Asker): Promise<number> {
  const item = (await world.vault()).store.namespace(`connection/${invitation.connection}`).get('n')
  return item ? Number(new TextDecoder().decode(item.value)) : 0
}

/** A pool that shows what each handler was given. */
function seenPool(jobs: Job[]): Pool {
  return { ...gatedPool(pool), run: (job) => (jobs.push(job), pool.run(job)) }
}

test('invariant 1: no handler instance exists for an event that was not admitted', async () => {
  const limits = { requestsPerHour: 8, storageBytes: 1_000 }
  const acme = await connectService(world, 'Acme', { changes: { limits }, declined: ['phone'] })
  const message = acme.seal('counts.run')
  await world.hand(message, { pool })
  const instances = () => world.host.stats().instances
  const before = instances()
  expect((await world.hand(message)).outcome).toBe('replayed')
  expect(await acme.ask('data.request', { fields: ['passport'] })).toEqual(refused('field-undeclared'))
  expect(await acme.ask('data.request', { fields: ['email', 'phone'] })).toEqual(refused('field-declined'))
  expect(await acme.ask('data.request', { fields: [] })).toEqual(refused('malformed-request'))
  expect(await acme.ask('payment.request')).toEqual(refused('unsupported-event'))
  const { pending } = await acme.request('data.request', { fields: ['date_of_birth'] })
  await pending
  await world.alice.deny(await world.questions.take())
  for (let count = 0; count < 6; count++) await (await acme.request('counts.ask')).pending
  expect(await acme.ask('counts.run')).toEqual(refused('rate-limited'))
  await world.alice.sever(acme.invitation.connection)
  expect(await acme.ask('counts.run')).toEqual(refused('connection-inactive'))
  expect(instances()).toBe(before)
})

describe('what a handler is given', () => {
  test('invariant 2: it has the fields of this event, its own namespace and granted keys, and no others', async () => {
    const acme = await connectService(world, 'Acme')
    const jobs: Job[] = []
    await world.hand(acme.seal('data.request', { fields: ['email'] }), { pool: seenPool(jobs) })
    await world.hand(acme.seal('notes.run', 'x'), { pool: seenPool(jobs) })
    const given = jobs.map(({ sources }) => ({
      fields: [...sources.fields.keys()],
      namespaces: [...sources.namespaces.values()].map(({ namespace }) => namespace.name),
      keys: [...sources.keys.keys()],
      outbox: [...sources.outbox],
    }))
    expect(given).toEqual([
      { fields: ['email'], namespaces: [], keys: [], outbox: [] },
      { fields: [], namespaces: [`connection/${acme.invitation.connection}`], keys: [], outbox: [] },
    ])
  })

  test('invariant 2: all fields are those the contract gives, and the owner is asked as for names', async () => {
    const acme = await connectService(world, 'Acme', { declined: ['phone'] })
    const { answer, pending } = await acme.request('data.request', { fields: 'all' })
    await pending
    let question = await world.questions.take()
    // Other tests leave questions that nobody answers.
    while (question.type !== 'data.request') question = await world.questions.take()
    expect(question.fields).toEqual(['date_of_birth'])
    await world.alice.approve(question)
    const reply = told(await answer)
    if (reply.status !== 'replied') throw new Error(JSON.stringify(reply))
    expect(Object.keys(Object(reply.body).fields)).toEqual(['email', 'shipping_address', 'date_of_birth'])
  })

  test('invariant 2: two connections of one handler do not see each other', async () => {
    const acme = await connectService(world, 'Acme')
    const bolt = await connectService(world, 'Bolt')
    expect(await acme.ask('notes.run', 'of acme')).toEqual({ status: 'replied', body: null })
    expect(await bolt.ask('notes.run', 'of bolt')).toEqual({ status: 'replied', body: null })
    expect(await acme.ask('notes.run', 'again')).toEqual({ status: 'replied', body: 'of acme' })
  })

  test('invariant 2: without permission to store, nothing is stored', async () => {
    const permissions = { events: ['notes.run'], store: null, messages: false, authentication: false, payment: false }
    const acme = await connectService(world, 'Acme', { changes: { permissions } })
    await acme.ask('notes.run', 'kept?')
    expect(await acme.ask('notes.run', 'kept?')).toEqual({ status: 'replied', body: null })
  })

  test('invariant 3: a secret key never leaves for a cell, though the handler signs with it', async () => {
    const acme = await connectService(world, 'Acme')
    const post = vi.spyOn(Worker.prototype, 'postMessage')
    const { body, challenge } = newChallenge('Acme', { now: world.now, random })
    const reply = await (await acme.request('auth.challenge', body)).answer
    const posted = post.mock.calls.map(([message]) => serialize(message))
    post.mockRestore()
    const signed = reply.status === 'replied' ? reply.body : new Uint8Array(0)
    expect(verifyChallenge(challenge, signed, acme.connected.authentication)).toBe(true)
    const { system } = await world.vault()
    const secrets = [`key/${acme.invitation.connection}`, 'identity/signing', 'identity/prekey'].map((key) =>
      system.get(key),
    )
    expect(posted.length).toBeGreaterThan(0)
    for (const item of secrets) {
      expect(item?.value.length).toBeGreaterThanOrEqual(32)
      const seed = Buffer.from(item?.value ?? []).subarray(0, 32)
      expect(posted.filter((bytes) => bytes.includes(seed))).toEqual([])
    }
  })
})

test('invariant 4: one event id has one set of effects, whatever the bus does', async () => {
  const chaos = { random: Math.random, repeat: 0.6, reorder: 0.6 }
  await using rough = await startWorld({ handlers: ['counts'], chaos })
  const acme = await connectService(rough, 'Acme')
  const requests = await Promise.all(Array.from({ length: 40 }, () => acme.request('counts.run')))
  for (let round = 0; round < 3; round++) await acme.connected.conversation.resend()
  const bodies = await Promise.all(requests.map(async ({ answer }) => (told(await answer) as { body?: number }).body))
  expect(bodies.toSorted((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 40 }, (_, at) => at + 1))
  const { store } = await rough.vault()
  const stored = store.namespace(`connection/${acme.invitation.connection}`).get('n')
  expect(new TextDecoder().decode(stored?.value)).toBe('40')
})

describe('the trail', () => {
  let copy: string
  beforeAll(async () => {
    copy = await mkdtemp(join(tmpdir(), 'trellis-copy-'))
  })
  afterAll(() => rm(copy, { recursive: true, force: true }))

  test('invariant 5: no effect is without its row, wherever the log ends', async () => {
    const acme = await connectService(world, 'Acme')
    const whole = join(copy, 'uncut')
    let places = ''
    let [before, after] = [0, 0]
    // What comes before is in the snapshot: the log alone is cut. A host that writes a snapshot meanwhile, or goes on
    // in another segment, leaves nothing to cut.
    do {
      await rm(whole, { recursive: true, force: true })
      await (await world.vault()).store.snapshot()
      places = await placesIn(world.folder)
      before = await writtenIn(world.folder)
      for (let count = 0; count < 10; count++) await acme.ask('counts.run')
      after = await writtenIn(world.folder)
      await copyOf(world, whole)
    } while ((await placesIn(world.folder)) !== places)
    const counts = new Set<number>()
    for (let cut = 0; cut <= 20; cut++) {
      const folder = join(copy, `cut-${cut}`)
      await cp(whole, folder, { recursive: true })
      await truncate(await newestSegment(folder), Math.round(before + ((after - before) * cut) / 20))
      await using opened = await openFolder(folder, { create: false })
      const vault = await opened.vaults.find(VAULT)
      const item = vault?.store.namespace(`connection/${acme.invitation.connection}`).get('n')
      const count = item ? Number(new TextDecoder().decode(item.value)) : 0
      const audit = vault?.store.namespace('audit')
      const rows = audit ? [...allRows(audit)] : []
      if (audit) verifyTrail(rows, trailHead(audit))
      const own = rows.filter(
        ({ connection, result }) => connection === acme.invitation.connection && result === 'replied',
      )
      expect(own).toHaveLength(count)
      counts.add(count)
    }
    expect(counts.size).toBeGreaterThan(5)
  })

  test('invariant 5: a row that was edited, by whoever can write at all, is named', async () => {
    const folder = await copyOf(world, join(copy, 'edited'))
    await using opened = await openFolder(folder, { create: false })
    const vault = await opened.vaults.find(VAULT)
    if (!vault) throw new Error('no vault')
    const audit = vault.store.namespace('audit')
    const [third, fourth] = audit.scan({ prefix: 'row/', limit: 4 }).items.slice(2)
    if (!third || !fourth) throw new Error('no rows')
    await vault.store.commit([{ namespace: 'audit', key: third[0], value: fourth[1].value }], { now: 0 })
    const check = () => verifyTrail(readTrail(audit, { limit: 256 }), trailHead(audit))
    expect(check).toThrow(expect.objectContaining({ code: 'audit-broken', message: expect.stringMatching(/^row 3: /) }))
  })
})

/** Changes with every snapshot that is written, and with every segment that the log begins. */
async function placesIn(folder: string): Promise<string> {
  const names = (await readdir(folder, { recursive: true })).filter((path) => /^(?:snapshots|log)/u.test(path)).sort()
  const stats = await Promise.all(names.map((name) => stat(join(folder, name))))
  return stats.map(({ ino }, index) => `${names[index]} ${ino}`).join()
}

/** The segment that the log goes on in. */
async function newestSegment(folder: string): Promise<string> {
  const segments = (await readdir(folder)).filter((name) => /^log(?:\.\d{6})?$/u.test(name)).sort()
  return join(folder, segments.at(-1) ?? 'log')
}

/** Bytes of the log's last segment up to the zeros that the next batches are written into. */
async function writtenIn(folder: string): Promise<number> {
  return (await readFile(await newestSegment(folder))).findLastIndex((byte) => byte !== 0) + 1
}

test('invariant 7: an image with any changed, missing or unlisted file is no image', async () => {
  const image = await mkdtemp(join(tmpdir(), 'trellis-image-'))
  try {
    await makeImage(image)
    const manifests = await readdir(new URL('../manifests', import.meta.url))
    const shipped = manifests.map((file) => file.replace('.json', '')).filter((name) => name !== 'schema')
    expect((await readImage(image)).map(({ name }) => name)).toEqual(shipped.sort())
    const files = (await readdir(image, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
    for (const { parentPath, name } of files) {
      const path = join(parentPath, name)
      const whole = await readFile(path)
      const bytes = Uint8Array.from(whole)
      const middle = Math.floor(bytes.length / 2)
      bytes[middle] = (bytes[middle] ?? 0) ^ 1
      await writeFile(path, bytes)
      // A changed listing may also show as a file that is not what is listed, or not listed.
      const named = name === 'image.json' ? 'image: ' : name
      await expect(readImage(image), name).rejects.toMatchObject({
        code: name === 'image.json' ? expect.stringMatching(/^image-(changed|missing|unlisted)$/u) : 'image-changed',
        message: expect.stringContaining(named),
      })
      await rm(path)
      await expect(readImage(image), name).rejects.toMatchObject({
        code: 'image-missing',
        message: expect.stringContaining(name),
      })
      await writeFile(path, whole)
    }
    await writeFile(join(image, 'manifests', 'extra.json'), '{}')
    await expect(readImage(image)).rejects.toMatchObject({
      code: 'image-unlisted',
      message: expect.stringContaining('extra'),
    })
  } finally {
    await rm(image, { recursive: true })
  }
})

describe('misbehaviour', () => {
  test.each(hostileCompiled)('invariant 8: a handler that %s costs its own event only: %s', async (name, code) => {
    const [acme, bolt] = [await connectService(world, 'Acme'), await connectService(world, 'Bolt')]
    await acme.ask('counts.run')
    const bad = acme.ask(`${name}.run`)
    for (let count = 1; count <= 5; count++) {
      expect(await bolt.ask('counts.run')).toEqual({ status: 'replied', body: count })
    }
    expect(await bad).toEqual(refused(code))
    const rows = (await world.rows()).filter(({ connection }) => connection === acme.invitation.connection)
    expect(rows.at(-1)).toMatchObject({ eventType: `${name}.run`, result: 'refused', reason: code, who: 'Acme' })
    expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 2 })
  })
})

describe('the end of a connection', () => {
  test('invariant 9: severing takes back what a handler was just doing', async () => {
    const acme = await connectService(world, 'Acme')
    const gated = gatedPool(pool)
    const request = await acme.hold('counts.run')
    const delivery = world.hand(request.message, { pool: gated })
    await gated.entered
    await world.alice.sever(acme.invitation.connection)
    gated.release()
    expect((await delivery).outcome).toBe('connection-inactive')
    expect(told(await request.answer)).toEqual(refused('connection-inactive'))
    expect(await countOf(acme)).toBe(0)
  })

  test('invariant 9: the commit that severs is enough, whatever came after it', async () => {
    const acme = await connectService(world, 'Acme')
    const sever = world.holdCommand('connection.sever', { connection: acme.invitation.connection })
    const killed = Promise.withResolvers<never>()
    const last = { publish: () => killed.promise }
    void world.hand(sever, { bus: last }).catch(() => {})
    await until('the commit', async () =>
      (await world.rows()).some((row) => row.connection === acme.invitation.connection && row.reason === 'severed'),
    )
    const rows = (await world.rows()).length
    await world.kill()
    await world.start()
    expect(await world.rows()).toHaveLength(rows)
    expect((await world.hand(acme.seal('counts.run'))).outcome).toBe('connection-inactive')
  })
})

describe('contract versions', () => {
  test('invariant 10: before the first yes there is nobody to admit', async () => {
    const acme = await connectService(world, 'Acme')
    const { connection } = await world.alice.invite('Bolt', 'service')
    const message = acme.seal('counts.run')
    const subject = message.subject.replace(acme.invitation.connection, connection)
    expect((await world.hand({ ...message, subject })).outcome).toBe('unknown-connection')
  })

  test('invariant 10: a version admits nothing until it is accepted, nor does the one it replaces', async () => {
    const acme = await connectService(world, 'Acme')
    const renewed = acme.connected.publishContract(acme.contract(2), { lifeMs: HOUR_MS })
    const offer = await world.offers.take()
    for (const contractVersion of [1, 2, 3]) {
      expect((await world.hand(acme.seal('counts.run', null, { contractVersion }))).outcome).toBe('contract-frozen')
    }
    await world.alice.accept(offer, [])
    await renewed
    for (const contractVersion of [0, 1, 3]) {
      expect((await world.hand(acme.seal('counts.run', null, { contractVersion }))).outcome).toBe('contract-stale')
    }
    expect(await countOf(acme)).toBe(0)
    expect(await acme.ask('counts.run')).toEqual({ status: 'replied', body: 1 })
  })
})
