/**
 * Alternating tenants on the same instances: nothing of one event is there for the next. `npm run soak tenants` runs
 * the 10,000 events that are asked for; here it is a sample.
 */
import { expect, test } from 'vitest'

import { keptRegistry } from './fixtures/corpus.ts'
import { remnants } from './fixtures/remnants.ts'
import { granting, jobFor, memoryNamespace, registryOf } from './fixtures/stage.ts'
import { createPool } from './pool.ts'
import { buildRegistry } from './registry.ts'

const SOAK_EVENTS = Number(process.env['SOAK_EVENTS'] ?? 0)
const EVENTS = SOAK_EVENTS || 1_000
const IN_FLIGHT = 20
const TELL_EVENTS = 1_000

test(`${EVENTS} events of alternating tenants`, { timeout: 30_000 + 60 * EVENTS }, async () => {
  const registry = buildRegistry([...registryOf('keeps').handlers, ...keptRegistry(remnants).handlers])
  await using pool = await createPool({ registry, cells: 2, spares: 1 })
  const sources = granting(memoryNamespace())
  const names = ['keeps', ...remnants.map(({ name }) => name)]
  const visit = async (at: number): Promise<void> => {
    const tenant = at % 2 === 0 ? 'alice' : 'bob'
    const name = names[Math.floor(at / 2) % names.length] ?? ''
    const { reply } = await pool.run(jobFor(registry, name, { tenant, body: `${tenant}-${at}`, sources }))
    // `keeps` tells what it remembers; the others trap when they find something.
    expect(reply && new TextDecoder().decode(reply)).toBe(name === 'keeps' ? 'null' : undefined)
  }
  for (let from = 0; from < EVENTS; from += IN_FLIGHT) {
    await Promise.all(Array.from({ length: Math.min(IN_FLIGHT, EVENTS - from) }, (_, at) => visit(from + at)))
    const done = Math.min(from + IN_FLIGHT, EVENTS)
    if (SOAK_EVENTS === 0 || (done % TELL_EVENTS !== 0 && done < EVENTS)) continue
    const { created, replaced, stopped } = pool.stats
    console.log(`${done} events: ${created} instances made, ${replaced} replaced, ${stopped} cells stopped, no leak`)
  }
  expect(pool.stats).toMatchObject({ instances: EVENTS, stopped: 0 })
  // Those that drop segments or grow are made anew; the other half is reset.
  expect(pool.stats.replaced).toBeGreaterThan(0.4 * EVENTS)
  expect(pool.stats.replaced).toBeLessThan(0.9 * EVENTS)
})
