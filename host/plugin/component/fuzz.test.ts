import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { Refusal } from '#host/errors.ts'

import { openQuota } from './cursor.ts'
import { decodeComponent } from './decode.ts'
import { fixtureBytes } from './fixtures/build.ts'
import { bytesOfWat, guestWat } from './fixtures/wat.ts'
import { instantiate } from './instantiate.ts'
import { loadComponent } from './load.ts'
import { Trap } from './trap.ts'

const limits = { memoryBytesMax: 2 ** 22, tableElementsMax: 1_000 }
const options = { imports: {}, liftBytesMax: 4_096, wasi: { nowMs: () => 0, write: () => undefined } }

/** Loads, and runs what loads: whatever the bytes, the end is an answer, a Refusal or a Trap. */
function loadAndRun(bytes: Uint8Array): void {
  try {
    const instance = instantiate(loadComponent(bytes, limits), options)
    instance.reset()
  } catch (error) {
    if (error instanceof Refusal) expect(['component-invalid', 'too-large']).toContain(error.code)
    else expect(error).toBeInstanceOf(Trap)
  }
}

const mutation = fc.record({
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  byte: fc.integer({ min: 0, max: 255 }),
  kind: fc.constantFrom('set', 'insert', 'delete', 'cut'),
})

function mutate(bytes: Uint8Array, { at, byte, kind }: { at: number; byte: number; kind: string }): Uint8Array {
  if (bytes.length === 0) return bytes
  const index = Math.floor(at * bytes.length)
  if (kind === 'set') return bytes.with(index, byte)
  const tail = kind === 'insert' ? [byte, ...bytes.subarray(index)] : [...bytes.subarray(index + 1)]
  return Uint8Array.from(kind === 'cut' ? bytes.subarray(0, index) : [...bytes.subarray(0, index), ...tail])
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

  it('changed components end in a refusal or a trap', async () => {
    const small = await bytesOfWat(
      guestWat({
        run: { core: '(param i32 i32) (call $say (local.get 0) (local.get 1))', type: '(param "a" string)' },
      }),
    )
    const originals = [small, await fixtureBytes('rmw-as')]
    fc.assert(
      fc.property(
        fc.constantFrom(...originals),
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        (bytes, changes) => {
          loadAndRun(changes.reduce(mutate, bytes))
        },
      ),
      { numRuns: 1_500 },
    )
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
