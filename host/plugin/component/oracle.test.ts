import { describe, expect, it } from 'vitest'

import { type FixtureName, fixtureBytes } from './fixtures/build.ts'
import { openHost } from './fixtures/host.ts'
import { openOracle } from './fixtures/oracle.ts'
import { type HostImports, instantiate } from './instantiate.ts'
import { loadComponent } from './load.ts'

const limits = { memoryBytesMax: 32 * 2 ** 20, tableElementsMax: 65_536 }

async function openBoth(name: FixtureName, makeImports: () => { imports: HostImports; calls: unknown[] }) {
  const bytes = await fixtureBytes(name)
  const component = loadComponent(bytes, limits)
  const ours = makeImports()
  const theirs = makeImports()
  const lines: string[] = []
  const wasi = { nowMs: () => 1_700_000_000_123, write: (line: string) => void lines.push(line) }
  const instance = instantiate(component, { imports: ours.imports, liftBytesMax: 2 ** 20, wasi })
  const oracle = await openOracle(bytes, component, { imports: theirs.imports, wasi })
  return {
    component,
    instance,
    lines,
    /** The loader's answer, after checking that jco's is the same. */
    agree(func: string, ...args: readonly unknown[]): unknown {
      const answer = instance.call(func, args)
      expect(answer).toEqual(oracle.call(func, args))
      expect(ours.calls).toEqual(theirs.calls)
      return answer
    },
  }
}

const ascii = (text: string) => new TextEncoder().encode(text)

describe('the handler world, against jco', () => {
  it.each(['rmw-as', 'rmw-ts'] as const)('%s: opens, reads, writes and replies', async (name) => {
    const both = await openBoth(name, openHost)
    expect(both.component.imports).toEqual(['trellis:handler/store@0.1.0'])
    expect(both.agree('handle', ascii('one'))).toEqual({ tag: 'ok', val: { tag: 'reply', val: ascii('one') } })
    expect(both.agree('handle', ascii('two'))).toEqual({ tag: 'ok', val: { tag: 'reply', val: ascii('two') } })
    expect(both.agree('handle', new Uint8Array())).toEqual({ tag: 'ok', val: { tag: 'reply', val: new Uint8Array() } })
  })

  it('every-ts: every function and type', async () => {
    const both = await openBoth('every-ts', openHost)
    expect(both.component.imports).toHaveLength(11)
    const answer = both.agree('handle', ascii('everything'))
    expect(JSON.stringify(answer)).not.toBe('')
    expect(both.agree('handle', ascii('accept'))).toEqual({ tag: 'ok', val: { tag: 'accepted' } })
    expect(both.agree('handle', ascii('suspend'))).toEqual({
      tag: 'ok',
      val: { tag: 'suspended', val: { text: 'which?', choices: ['a', 'é'] } },
    })
    expect(both.agree('handle', ascii('refuse'))).toEqual({
      tag: 'err',
      val: { code: 'no-stock', message: 'nothing left é😀', retry: true },
    })
    expect(both.agree('handle', ascii('date'))).toEqual({
      tag: 'ok',
      val: { tag: 'reply', val: ascii('1700000000123') },
    })
  })
})

function echoHost(): { imports: HostImports; calls: unknown[] } {
  const calls: unknown[] = []
  const note = (...args: readonly unknown[]) => void calls.push(structuredClone(args))
  const one = (value: unknown) => {
    note(value)
    return value
  }
  const all = (...args: readonly unknown[]) => {
    note(...args)
    return args
  }
  return {
    calls,
    imports: {
      'test:wide/shapes@0.1.0': {
        'give-integers': all,
        'give-floats': all,
        'give-text': all,
        'give-mixed': one,
        'give-narrow': one,
        'give-deep': one,
        'give-flags': all,
        'give-color': one,
        'give-numbers': all,
        'give-spread': (...args: readonly unknown[]) => {
          note(...args)
          return args.map(String).join(' ')
        },
        'give-fallible': one,
      },
    },
  }
}

const point = { xAxis: 1.5, yAxis: -2.25, label: '😀' }
const mixed = [
  { tag: 'nothing' },
  { tag: 'whole', val: 4_294_967_295 },
  { tag: 'long', val: 9_007_199_254_740_991n },
  { tag: 'single', val: -0.5 },
  { tag: 'single', val: Number.NaN },
  { tag: 'double', val: Number.MAX_VALUE },
  { tag: 'double', val: Number.NaN },
  { tag: 'text', val: 'grüße' },
  { tag: 'pair', val: [255, -9_007_199_254_740_991n] },
  { tag: 'raw', val: new Uint8Array([0, 255]) },
  { tag: 'place', val: point },
]

describe('a wider world, against jco', () => {
  it('carries every shape both ways', async () => {
    const both = await openBoth('wide-ts', echoHost)
    const integers = [255, -128, 65_535, -32_768, 4_294_967_295, -2_147_483_648, 9_007_199_254_740_991n, -1n]
    expect(both.agree('take-integers', ...integers)).toEqual(integers)
    expect(both.agree('take-floats', 0.5, Math.PI)).toEqual([0.5, Math.PI])
    expect(both.agree('take-floats', Number.NaN, -Infinity)).toEqual([Number.NaN, -Infinity])
    expect(both.agree('take-text', 'a\0é😀', '\u{10ffff}', true)).toEqual(['a\0é😀', '\u{10ffff}', true])
    for (const value of mixed) expect(both.agree('take-mixed', value)).toEqual(value)
    for (const value of [
      { tag: 'single', val: 0.25 },
      { tag: 'whole', val: -7 },
    ]) {
      expect(both.agree('take-narrow', value)).toEqual(value)
    }
    expect(both.agree('take-color', 'dark-green')).toBe('dark-green')
    const access = { read: true, writeAll: false, execute: true }
    const many = Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`f${index}`, index % 3 === 1]))
    expect(both.agree('take-flags', access, many)).toEqual([access, many])
    const numbers = [
      new Uint16Array([1, 65_535]),
      new Int32Array([-1]),
      new Float64Array([0.1]),
      new Float32Array([0.5, 2]),
    ]
    expect(both.agree('take-numbers', ...numbers)).toEqual(numbers)
    both.agree('take-spread', 'text', 1, 2.5, 3, 4.5, 5, -6n, true, 'é', 9, 10, 11, 12, 13, 14, point)
    expect(both.agree('take-fallible', 7)).toEqual({ tag: 'ok', val: 7 })
  })

  it('carries nested options, results and lists', async () => {
    const both = await openBoth('wide-ts', echoHost)
    const access = { read: false, writeAll: true, execute: false }
    const base = { grants: [access], colors: ['red', 'blue'], pairs: [['a', { tag: 'whole', val: 1 }]] }
    const deep = (maybe: unknown, thrice: unknown, outcome: unknown, unit: unknown) => ({
      points: [point, { ...point, label: 'x' }],
      maybe,
      thrice,
      outcome,
      unit,
      ...base,
    })
    const cases = [
      deep({ tag: 'none' }, undefined, { tag: 'ok', val: ['a', ''] }, { tag: 'ok' }),
      deep({ tag: 'some', val: undefined }, { tag: 'none' }, { tag: 'err', val: mixed[8] }, { tag: 'err' }),
      deep({ tag: 'some', val: 5 }, { tag: 'some', val: 'x' }, { tag: 'ok', val: [] }, { tag: 'ok' }),
    ]
    for (const value of cases) expect(both.agree('take-deep', value)).toEqual(value)
  })
})
