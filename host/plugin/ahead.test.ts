/** Events handed to a cell ahead: they wait for nobody's loop, go elsewhere when their cell ends, and read what is. */
import { Worker } from 'node:worker_threads'

import { afterEach, beforeAll, expect, test, vi } from 'vitest'

import { CHANNEL_BYTES } from '#host/limits.ts'
import { HANDLER_FUEL_MAX, QUICK_EVENTS_MIN, RING_SLOTS } from '#host/plugin/limits.ts'

import { Cell } from './cell.ts'
import { granting, jobFor, memoryNamespace, registryOf } from './fixtures/stage.ts'
import { ACCEPTED, handlerText, textRegistry } from './fixtures/text.ts'
import { createPool, type Pool } from './pool.ts'
import type { Registry } from './registry.ts'

const shared = vi.hoisted((): SharedArrayBuffer[] => [])
vi.mock('./channel.ts', async (original) => {
  const channel = await original<typeof import('./channel.ts')>()
  const newChannel = (): SharedArrayBuffer => {
    const memory = channel.newChannel()
    shared.push(memory)
    return memory
  }
  return { ...channel, newChannel }
})

const isBody = (byte: string) => `(i32.eq (i32.load8_u (local.get $at)) (i32.const ${byte.charCodeAt(0)}))`
const open = '(call $open (i32.const 64) (i32.const 10) (i32.const 128))'
const get = '(call $get (i32.load (i32.const 132)) (i32.const 80) (i32.const 3) (i32.const 160))'
/** Loops when asked for 1, reads one key when asked for 2, traps when asked for 3. */
const text = handlerText({
  handle: `(if ${isBody('1')} (then (loop $again (br $again)))) (if ${isBody('2')} (then ${open} ${get}))
    (if ${isBody('3')} (then (unreachable))) ${ACCEPTED}`,
})

let registry: Registry
beforeAll(async () => {
  registry = await textRegistry([{ name: 'moody', text, limits: { deadline_ms: 400, fuel: HANDLER_FUEL_MAX } }])
})
afterEach(() => {
  shared.length = 0
  vi.restoreAllMocks()
})

const namespace = memoryNamespace()
const job = (body: number, tenant = 'alice') =>
  jobFor(registry, 'moody', { body, tenant, sources: granting(namespace) })

async function quickPool(spares = 0): Promise<Pool> {
  const pool = await createPool({ registry, cells: 1, spares })
  for (let at = 0; at < QUICK_EVENTS_MIN; at++) await pool.run(job(0))
  return pool
}

test('quick events are handed ahead, as many as there are slots, and all are answered', async () => {
  await using pool = await quickPool()
  const before = pool.stats.instances
  const ends = Array.from({ length: 3 * RING_SLOTS }, () => pool.run(job(0)))
  expect(pool.stats).toMatchObject({ running: 1, queued: ends.length - 1, instances: before + 1 })
  await Promise.all(ends)
  expect(pool.stats).toMatchObject({ running: 0, queued: 0, instances: before + ends.length, stopped: 0 })
})

test('behind a kind of event that failed lately nothing is handed ahead', async () => {
  await using pool = await quickPool()
  await expect(pool.run(job(3))).rejects.toMatchObject({ code: 'handler-trapped' })
  const given = vi.spyOn(Cell.prototype, 'give')
  const ends = [pool.run(job(0)), pool.run(job(0))]
  expect(given).toHaveBeenCalledTimes(1)
  await Promise.all(ends)
})

test('what waits behind a loop is answered long before its deadline, in another cell', async () => {
  await using pool = await quickPool(1)
  const loop = pool.run(job(1))
  const loops = expect(loop).rejects.toMatchObject({ code: 'handler-deadline' })
  const own = pool.run(job(0))
  expect(pool.stats).toMatchObject({ running: 1, queued: 1 })
  await Promise.all(Array.from({ length: 5 }, () => pool.run(job(0, 'bob'))))
  expect(pool.stats).toMatchObject({ running: 1, stopped: 0 })
  await loops
  await own
})

test('an event whose cell ends before its turn runs in the next', async () => {
  const post = vi.spyOn(Worker.prototype, 'postMessage')
  await using pool = await quickPool()
  const loop = pool.run(job(1))
  const ahead = [pool.run(job(0, 'bob')), pool.run(job(0, 'carol'))]
  const [cell] = post.mock.contexts
  if (!(cell instanceof Worker)) throw new Error('no cell')
  // The first may be the late word of what was read before it came.
  cell.emit('message', 0)
  expect(pool.stats).toMatchObject({ stopped: 0, running: 1 })
  cell.emit('message', 0)
  await expect(loop).rejects.toMatchObject({ code: 'handler-lied', message: expect.stringContaining('for nothing') })
  for (const { changes } of await Promise.all(ahead)) expect(changes).toEqual([])
  expect(pool.stats).toMatchObject({ stopped: 1, running: 0, queued: 0 })
})

test('disposing ends also what was handed ahead', async () => {
  const pool = await quickPool()
  const ends = Promise.allSettled([pool.run(job(1)), pool.run(job(0, 'bob'))])
  await pool[Symbol.asyncDispose]()
  const busy = { status: 'rejected', reason: expect.objectContaining({ code: 'busy' }) }
  expect(await ends).toEqual([busy, busy])
})

test.each([
  ['a state that cannot be', (words: Int32Array) => (words[1] = 9), 'in no state'],
  [
    'a report of an impossible length',
    (words: Int32Array) => {
      words[1 + RING_SLOTS] = -1
      words[1] = 3
    },
    'an impossible length',
  ],
  ['a report that is none', (words: Int32Array) => (words[1] = 3), 'cell'],
])('a cell that writes %s is ended', async (_name, write, says) => {
  const post = vi.spyOn(Worker.prototype, 'postMessage')
  await using pool = await createPool({ registry, cells: 1, spares: 0 })
  const loop = pool.run(job(1))
  const [cell] = post.mock.contexts
  const [memory] = shared
  if (!(cell instanceof Worker) || memory === undefined) throw new Error('no cell')
  write(new Int32Array(memory, 64 + CHANNEL_BYTES))
  cell.emit('message', 0)
  await expect(loop).rejects.toMatchObject({ code: 'handler-lied', message: expect.stringContaining(says) })
})

test('what an event takes along is read in the cell, and counted as read when it was', async () => {
  await using pool = await quickPool()
  const item = { value: new Uint8Array(1), revision: 5, updatedAt: 0, visibility: 'transparent', sensitivity: 'data' }
  let reads = 0
  const counted = { ...namespace, get: () => ((reads += 1), item as ReturnType<typeof namespace.get>) }
  const run = (body: number) => pool.run({ ...job(body), sources: { ...job(body).sources, ...granting(counted) } })
  const first = await run(2)
  const second = await run(2)
  expect(first.expected).toEqual([{ namespace: 'connection/acme', key: expect.any(String), revision: 5 }])
  expect(second).toEqual(first)
  // The third takes it along, and does not read it.
  expect((await run(0)).expected).toEqual([])
  expect(reads).toBe(3)
  await run(0)
  expect(reads).toBe(3)
})

test('who counts up reads what the commit before left, however it is read', async () => {
  const counting = registryOf('counts')
  await using pool = await createPool({ registry: counting, cells: 1, spares: 0 })
  const space = memoryNamespace()
  for (let at = 1; at <= 2 * QUICK_EVENTS_MIN; at++) {
    const { changes, expected } = await pool.run(jobFor(counting, 'counts', { sources: granting(space) }))
    expect(expected).toEqual([{ namespace: space.name, key: 'n', revision: at - 1 }])
    for (const { key, value } of changes) if (value !== null) space.set(key, value)
  }
  expect(new TextDecoder().decode(space.get('n')?.value)).toBe(String(2 * QUICK_EVENTS_MIN))
})
