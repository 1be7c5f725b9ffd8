import { readFileSync } from 'node:fs'

import { afterEach, describe, expect, test, vi } from 'vitest'

import * as limits from '#host/plugin/limits.ts'

import { loadComponent } from './component/load.ts'
import { granting, jobFor, loadLimits, manifestOf, memoryNamespace, registryOf } from './fixtures/stage.ts'
import { learnReads } from './reads.ts'
import { buildRegistry } from './registry.ts'

const late = { code: 'handler-deadline', message: expect.stringMatching(/^loops took longer than \d+ ms$/u) }

/** Cells whose host waits this long, once a deadline is over, for them to end the event themselves. */
async function withGrace(ms: number) {
  vi.resetModules()
  vi.doMock('#host/plugin/limits.ts', () => ({ ...limits, DEADLINE_GRACE_MS: ms }))
  const [{ createPool }, { Cell }] = [await import('./pool.ts'), await import('./cell.ts')]
  return { createPool, Cell }
}

afterEach(() => {
  vi.doUnmock('#host/plugin/limits.ts')
  vi.resetModules()
})

describe('metered code', () => {
  test('ends at its deadline in its cell, which lives on', async () => {
    const { createPool } = await withGrace(60_000)
    const registry = registryOf('loops', 'notes')
    await using pool = await createPool({ registry, cells: 1, spares: 0 })
    const { created } = pool.stats
    for (let round = 1; round <= 3; round++) {
      await expect(pool.run(jobFor(registry, 'loops'))).rejects.toMatchObject(late)
      const notes = await pool.run(jobFor(registry, 'notes', { sources: granting(memoryNamespace()) }))
      expect(notes.hostCalls).toBe(3)
      expect(pool.stats).toMatchObject({ stopped: 0, created: created + round, replaced: round })
    }
  })

  test('the pool hears why it ended: nothing is to wait behind such a handler', async () => {
    const { Cell } = await withGrace(60_000)
    const registry = registryOf('loops', 'notes')
    const ends: [name: string, failure: unknown][] = []
    const owner = {
      began() {},
      changed() {},
      died() {},
      ended: ({ job }: { readonly job: { readonly registered: { readonly name: string } } }, failure: unknown) =>
        void ends.push([job.registered.name, failure]),
    }
    await using cell = new Cell(registry.handlers, { owner, reads: learnReads() })
    await cell.ready
    const give = (name: 'loops' | 'notes') =>
      new Promise((resolve, reject) => {
        cell.give({ job: jobFor(registry, name, { sources: granting(memoryNamespace()) }), resolve, reject })
      })
    await give('notes')
    await expect(give('loops')).rejects.toMatchObject(late)
    expect(ends).toEqual([
      ['notes', undefined],
      ['loops', expect.objectContaining(late)],
    ])
  })
})

test('what its cell does not end is stopped with it', async () => {
  const { createPool } = await withGrace(limits.DEADLINE_GRACE_MS)
  const manifest = manifestOf('loops', { deadlineMs: 50 })
  const bytes = readFileSync(new URL('../../.cache/fixtures/loops.wasm', import.meta.url))
  // As code would be that runs on without ever coming by a probe.
  const component = loadComponent(bytes, { ...loadLimits(manifest), fuel: 'unmetered' })
  const registry = buildRegistry([{ manifest, component }])
  await using pool = await createPool({ registry, cells: 1, spares: 0 })
  await expect(pool.run(jobFor(registry, 'loops'))).rejects.toMatchObject(late)
  expect(pool.stats.stopped).toBe(1)
})
