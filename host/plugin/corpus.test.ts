/**
 * Modules with one fault each, of both runtimes, beside a well-behaved handler. Those a compiler can write are in
 * folders (`fixtures/loops`), built like any handler; the others are text. The bytes that run are those that are kept.
 */
import { readdirSync } from 'node:fs'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { Refusal } from '#host/errors.ts'

import { builtBytes, corpus, corpusFolder, kept, keptBytes, keptRegistry, misbehaving } from './fixtures/corpus.ts'
import { granting, jobFor, memoryNamespace, registryOf } from './fixtures/stage.ts'
import type { Hostile } from './fixtures/text.ts'
import { createPool, type Pool } from './pool.ts'
import { HandlerFailure } from './refusal.ts'
import { buildRegistry, type Registry } from './registry.ts'

/** Milliseconds a neighbour may take beside anything here: alone it takes 1, on a shared machine sometimes 50. */
const NEIGHBOUR_MS_MAX = 2_000
const ROUNDS = 4
/** Beyond the 20 % that is asked: what a heap breathes between two collections. */
const RSS_SLACK_BYTES = 48 * 2 ** 20

let registry: Registry
let pool: Pool

beforeAll(async () => {
  registry = buildRegistry([...registryOf('notes').handlers, ...keptRegistry(misbehaving).handlers])
  pool = await createPool({ registry, cells: 2, spares: 1 })
})
afterAll(() => pool[Symbol.asyncDispose]())

function sources(): ReturnType<typeof granting> {
  const namespace = memoryNamespace()
  namespace.set('note', '"kept"')
  return granting(namespace)
}

/** Time until the neighbour's right answer. */
async function askNeighbour(): Promise<number> {
  const start = performance.now()
  const { reply } = await pool.run(jobFor(registry, 'notes', { tenant: 'neighbour', sources: sources() }))
  expect(new TextDecoder().decode(reply)).toBe('"kept"')
  return performance.now() - start
}

const attack = (name: string) => pool.run(jobFor(registry, name, { tenant: 'attacker', sources: sources() }))

/** All of those that run, at once. */
async function attackAll(): Promise<void> {
  const ends = await Promise.allSettled(misbehaving.map(({ name }) => attack(name)))
  const codes = ends.map((end) => (end.status === 'rejected' && end.reason instanceof Refusal ? end.reason.code : ''))
  expect(codes).toEqual(misbehaving.map(({ code }) => code))
  await askNeighbour()
}

/** Loads it and starts a cell. */
async function refused(hostile: Hostile): Promise<Refusal> {
  try {
    await using _pool = await createPool({ registry: keptRegistry([hostile]), cells: 1, spares: 0 })
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
  throw new Error(`${hostile.name} was accepted`)
}

test('there are enough of them, each with a name of its own', () => {
  const all = corpus.map(({ name }) => name)
  expect(new Set(all).size).toBe(all.length)
  expect(all.length).toBeGreaterThanOrEqual(96)
})

test('the bytes that are kept are those that the sources build: else node scripts/build-corpus.ts', async () => {
  expect(readdirSync(corpusFolder).sort()).toEqual(kept.map(({ name }) => `${name}.wasm.br`).sort())
  const stale: string[] = []
  for (const module of kept) {
    if (Buffer.compare(await builtBytes(module), keptBytes(module.name)) !== 0) stale.push(module.name)
  }
  expect(stale).toEqual([])
})

describe('one that runs', () => {
  test.each(misbehaving)('$name ends as $code', async ({ name, code, says }) => {
    const bad = attack(name)
    // Looked at below, after the neighbours.
    bad.catch(() => undefined)
    const beside = await Promise.all([askNeighbour(), askNeighbour(), askNeighbour()])
    await expect(bad).rejects.toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(says) as unknown }),
    )
    await expect(bad).rejects.toBeInstanceOf(HandlerFailure)
    // The same again, at once: the slot is usable, and the answer does not change.
    await expect(attack(name)).rejects.toThrow(expect.objectContaining({ code }))
    for (const took of [...beside, await askNeighbour()]) expect(took).toBeLessThan(NEIGHBOUR_MS_MAX)
  })

  test('all of them, again and again, leave the host as large as it was', async () => {
    await attackAll()
    const before = process.memoryUsage.rss()
    for (let at = 0; at < ROUNDS; at++) await attackAll()
    // Memories of instances that are gone go with a collection, which comes when it comes.
    await expect
      .poll(() => process.memoryUsage.rss(), { timeout: 10_000, interval: 200 })
      .toBeLessThan(before * 1.2 + RSS_SLACK_BYTES)
  })
})

describe('one that must not run', () => {
  test.each(corpus.filter(({ at }) => at === 'load'))(
    '$name is refused when it is loaded, as $code',
    async (hostile) => {
      const { code, says } = hostile
      const said = { code, message: expect.stringContaining(says) as unknown }
      expect(() => keptRegistry([hostile])).toThrow(expect.objectContaining(said))
      await askNeighbour()
    },
  )

  test.each(corpus.filter(({ at }) => at === 'start'))(
    '$name is refused when it is started, as $code',
    async (hostile) => {
      const refusal = await refused(hostile)
      expect(refusal).toMatchObject({ code: hostile.code })
      expect(refusal.message).toContain(`${hostile.name} does not start: `)
      expect(refusal.message).toContain(hostile.says)
      await askNeighbour()
    },
  )
})
