/**
 * The loader against jco on worlds nobody thought of: what crosses the boundary, both ways, must be the same, and where
 * one of them ends the call the other must.
 */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { openOracle } from './fixtures/oracle.ts'
import { flatten, partsOf, valuesOf } from './fixtures/shapes.ts'
import { bends, type MadeFunction, type World, worlds, worldText } from './fixtures/worlds.ts'
import { bytesOfWat } from './fixtures/wat.ts'
import { type HostImports, instantiate } from './instantiate.ts'
import { loadComponent } from './load.ts'
import { HostError, Trap } from './trap.ts'

const WORLDS = Number(process.env['SOAK_WORLDS'] ?? 208)
/** In one test: each takes some 50 ms, most of it jco's. */
const BATCH = 26
const CALLS = 3
const BENDS = 4
const SEED = 20_261_122

const limits = { memoryBytesMax: 2 ** 20, tableElementsMax: 100 }
const wasi = { nowMs: () => 0, write: () => undefined }

/** A host that notes what it is given and answers what it is told to. */
function openHost(world: World) {
  const noted: unknown[] = []
  const next: { answer: unknown } = { answer: undefined }
  const entries = world.flatMap((made, at) => {
    const isResult = made.result?.kind === 'result'
    const give = (...args: readonly unknown[]): unknown => {
      noted.push(plain(args))
      if (!isResult) return next.answer
      const { tag, val } = next.answer as { tag: string; val: unknown }
      if (tag === 'ok') return val
      throw new HostError(val)
    }
    return [
      [`give-f${at}`, give],
      [`ask-f${at}`, give],
    ] as const
  })
  const imports: HostImports = { 'test:made/shapes@0.1.0': Object.fromEntries(entries) }
  return { imports, noted, next }
}

/** Without what makes a resource an object of its host. */
function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  if (Array.isArray(value)) return value.map(plain)
  if ('id' in value) return { resource: 'thing', id: value.id }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}

async function openBoth(world: World) {
  const bytes = await bytesOfWat(worldText(world))
  const component = loadComponent(bytes, limits)
  const [ours, theirs] = [openHost(world), openHost(world)]
  const oracle = await openOracle(bytes, component, { imports: theirs.imports, wasi })
  const makeOurs = () => instantiate(component, { imports: ours.imports, liftBytesMax: 2 ** 14, wasi })
  let instance = makeOurs()
  return {
    /** Calls both, and gives how each ended. */
    call(name: string, args: readonly unknown[], answer: unknown) {
      ours.next.answer = structuredClone(answer)
      theirs.next.answer = structuredClone(answer)
      const ends = [
        endOf(() => instance.call(name, structuredClone(args))),
        endOf(() => oracle.call(name, structuredClone(args))),
      ] as const
      expect(ours.noted.splice(0)).toEqual(theirs.noted.splice(0))
      return ends
    },
    renew() {
      instance = makeOurs()
      oracle.renew()
    },
  }
}

type End = { readonly value: unknown } | { readonly error: unknown }

function endOf(run: () => unknown): End {
  try {
    return { value: plain(run()) }
  } catch (error) {
    return { error }
  }
}

const sample = <T>(arbitrary: fc.Arbitrary<T>, seed: number, count: number): readonly T[] =>
  fc.sample(arbitrary, { seed, numRuns: count })

function argumentsOf(made: MadeFunction): fc.Arbitrary<readonly unknown[]> {
  const lent = made.borrows ? [fc.nat().map((id) => ({ resource: 'thing', id }))] : []
  return fc.tuple(...lent, ...made.parameters.map(valuesOf))
}

const answersOf = (made: MadeFunction): fc.Arbitrary<unknown> =>
  made.result === undefined ? fc.constant(undefined) : valuesOf(made.result)

/**
 * Where jco ends calls that the specification lets pass: high bits of booleans, small integers and flags do not count.
 * Source: CanonicalABI.md, "Loading" and "Flat Lifting".
 */
const stricter = ['discriminant for bool', 'must be between', 'extraneous bits']
/** Where it lets pass what the specification ends, and the loader's own limit. */
const laxer = ['not UTF-8', 'leave the memory', 'handed over']

function differsAsKnown(ours: End, theirs: End): boolean {
  const [strict, known] = 'value' in ours ? [theirs, stricter] : [ours, laxer]
  if ('value' in ours === 'value' in theirs || 'value' in strict) return false
  return known.some((part) => String(strict.error).includes(part))
}

const counted = { values: 0, traps: 0, known: 0 }

async function compare(world: World, seed: number): Promise<void> {
  const both = await openBoth(world)
  for (const [at, made] of world.entries()) {
    const answers = sample(answersOf(made), seed, CALLS)
    for (const [turn, args] of sample(argumentsOf(made), seed, CALLS).entries()) {
      const [ours, theirs] = both.call(`take-f${at}`, args, answers[turn])
      expect(ours).toEqual(theirs)
      expect(ours).toEqual({ value: answers[turn] })
      counted.values += 1
    }
    const bent = answers.find((answer) => !holdsEmpty(answer))
    if (bends(made) && bent !== undefined) bend(both, { name: `bend-f${at}`, answer: bent, seed })
  }
}

/** Where nothing is stored, its pointer is anything: jco's is 1. A bent length would show it. */
function holdsEmpty(value: unknown): boolean {
  if (value === '') return true
  if (typeof value !== 'object' || value === null) return false
  if (ArrayBuffer.isView(value)) return value.byteLength === 0
  return (Array.isArray(value) && value.length === 0) || Object.values(value).some(holdsEmpty)
}

function bend(
  both: Awaited<ReturnType<typeof openBoth>>,
  { name, answer, seed }: { name: string; answer: unknown; seed: number },
): void {
  // In the result's own area, or just behind it, where its lists and texts are.
  const place = fc.oneof(fc.nat(40), fc.integer({ min: 4_096, max: 4_160 }))
  for (const args of sample(fc.tuple(place, fc.integer({ min: 0, max: 255 })), seed, BENDS)) {
    // A byte of a pointer: what it points to is the same only in instances of the same past.
    both.renew()
    const [ours, theirs] = both.call(name, args, answer)
    if (differsAsKnown(ours, theirs)) counted.known += 1
    else if ('value' in ours) expect(theirs).toEqual(ours)
    else {
      expect(ours.error).toBeInstanceOf(Trap)
      expect(theirs).toEqual({ error: expect.anything() as unknown })
      counted.traps += 1
    }
  }
  both.renew()
}

describe(`${WORLDS} made-up worlds, against jco`, () => {
  const made = sample(worlds(), SEED, WORLDS)
  const batches = Array.from({ length: Math.ceil(WORLDS / BATCH) }, (_, batch) => batch * BATCH)
  it.each(batches)('from %i on', { timeout: 120_000 }, async (from) => {
    for (const [at, world] of made.slice(from, from + BATCH).entries()) {
      try {
        await compare(world, SEED + from + at)
      } catch (error) {
        throw new Error(`world ${from + at}: ${JSON.stringify(world)}`, { cause: error })
      }
    }
  })

  it('have all there is', () => {
    const functions = made.flat()
    const parts = functions.flatMap(({ parameters, result }) => [
      ...parameters,
      ...(result === undefined ? [] : [result]),
    ])
    const kinds = new Set(parts.flatMap(partsOf).map(({ kind }) => kind))
    expect(kinds.size).toBe(22)
    const flats = functions.map(({ parameters }) => parameters.flatMap(flatten).length)
    expect(flats.filter((flat) => flat > 16).length).toBeGreaterThan(WORLDS / 4)
    expect(counted.values).toBe(functions.length * CALLS)
    expect(counted.traps).toBeGreaterThan(WORLDS / 4)
    // Were the exceptions the rule, nothing would be compared.
    expect(counted.known).toBeLessThan(counted.values / 4)
  })
})
