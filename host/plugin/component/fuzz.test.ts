import { setTimeout as pause } from 'node:timers/promises'

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { Refusal } from '#host/errors.ts'

import { openQuota } from './cursor.ts'
import { decodeComponent } from './decode.ts'
import { fixtureBytes } from './fixtures/build.ts'
import { change, changes } from './fixtures/surgery.ts'
import { bytesOfWat, guestWat } from './fixtures/wat.ts'
import { worlds, worldText } from './fixtures/worlds.ts'
import { instantiate } from './instantiate.ts'
import { loadComponent } from './load.ts'
import { Trap } from './trap.ts'

const limits = { memoryBytesMax: 2 ** 22, tableElementsMax: 1_000, fuel: 100_000 }
const options = { imports: {}, liftBytesMax: 4_096, wasi: { nowMs: () => 0, write: () => undefined } }

/** Milliseconds of `npm run soak fuzz`; without it the sample of one round. */
const SOAK_MS = Number(process.env['SOAK_FUZZ_MS'] ?? 0)
const TELL_MS = 10_000
const RUNS = 1_500
const SEED = 20_261_122
/** What compiled code and memories that wait for a collection may take. */
const GROWTH_BYTES_MAX = 768 * 2 ** 20
const ends = { ran: 0, refused: 0, trapped: 0, slowestMs: 0 }

/** What a handler is given; what takes something else traps when it is lowered. */
const body = new TextEncoder().encode('"body"')

/** Loads, runs and calls what loads: whatever the bytes, the end is an answer, a Refusal or a Trap. */
function loadAndRun(bytes: Uint8Array): void {
  try {
    const component = loadComponent(bytes, limits)
    const instance = instantiate(component, options)
    for (const name of component.exports) instance.call(name, [body])
    instance.reset()
    ends.ran += 1
  } catch (error) {
    if (error instanceof Refusal) {
      expect(['component-invalid', 'too-large']).toContain(error.code)
      ends.refused += 1
    } else {
      expect(error).toBeInstanceOf(Trap)
      ends.trapped += 1
    }
  }
}

function told(runs: number, tookMs: number): string {
  const { ran, refused, trapped, slowestMs } = ends
  const rss = Math.round(process.memoryUsage.rss() / 2 ** 20)
  return (
    `${Math.round(tookMs / 1_000)} s: ${runs} changed components: ${ran} ran, ${refused} refused, ` +
    `${trapped} trapped, none otherwise; slowest ${slowestMs.toFixed(0)} ms, RSS ${rss} MiB`
  )
}

/** By hand, compiled, and of made-up worlds. The large one only where there is time. */
async function openOriginals(): Promise<readonly Uint8Array[]> {
  const run = { core: '(param i32 i32) (call $say (local.get 0) (local.get 1))', type: '(param "a" string)' }
  const made = fc.sample(worlds(), { seed: SEED, numRuns: 12 })
  const parsed = await Promise.all([guestWat({ run }), ...made.map(worldText)].map(bytesOfWat))
  return [...parsed, await fixtureBytes('rmw-as'), ...(SOAK_MS > 0 ? [await fixtureBytes('rmw-ts')] : [])]
}

describe('hostile bytes', () => {
  it('random ones are refused', () => {
    const preamble = fc.constantFrom([], [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0])
    fc.assert(
      fc.property(preamble, fc.uint8Array({ maxLength: 200 }), (head, tail) => {
        loadAndRun(Uint8Array.from([...head, ...tail]))
      }),
      { numRuns: 2_000 },
    )
  })

  it('changed components end in a refusal or a trap', { timeout: 60_000 + 2 * SOAK_MS }, async () => {
    const originals = await openOriginals()
    const before = process.memoryUsage.rss()
    const started = performance.now()
    let seed = SEED
    let runs = 0
    let toldMs = 0
    do {
      runs += RUNS
      fc.assert(
        fc.property(
          fc.nat(originals.length - 1),
          fc.nat(originals.length - 1),
          fc.array(changes, { minLength: 1, maxLength: 4 }),
          (which, other, all) => {
            const [bytes, donor] = [originals[which] ?? new Uint8Array(), originals[other] ?? new Uint8Array()]
            const start = performance.now()
            loadAndRun(all.reduce((changed, each) => change(changed, each, donor), bytes))
            ends.slowestMs = Math.max(ends.slowestMs, performance.now() - start)
          },
        ),
        { numRuns: RUNS, seed: seed++ },
      )
      // Memories of instances that are gone wait for a collection.
      await pause(1)
      const tookMs = performance.now() - started
      if (SOAK_MS === 0 || (tookMs < toldMs + TELL_MS && tookMs < SOAK_MS)) continue
      toldMs = tookMs
      console.log(told(runs, tookMs))
    } while (performance.now() - started < SOAK_MS)
    const grown = process.memoryUsage.rss() - before
    expect(grown).toBeLessThan(GROWTH_BYTES_MAX)
    expect(ends.ran).toBeGreaterThan(0)
    expect(ends.refused).toBeGreaterThan(ends.ran)
  })

  it('changed QuickJS components decode or are refused', async () => {
    const bytes = await fixtureBytes('rmw-ts')
    // What is around the large core modules: the first 20 KB and the last 40.
    const place = fc.oneof(
      fc.integer({ min: 8, max: 20_000 }),
      fc.integer({ min: bytes.length - 40_000, max: bytes.length - 1 }),
    )
    fc.assert(
      fc.property(place, fc.integer({ min: 0, max: 255 }), (at, byte) => {
        try {
          decodeComponent(bytes.with(at, byte), openQuota())
        } catch (error) {
          expect(error).toBeInstanceOf(Refusal)
        }
      }),
      { numRuns: 150 },
    )
  })
})
