import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { CODE_FREE_LEVELS_MAX, CODE_LEAF_BYTES_MAX, FUEL_SLICE } from '#host/plugin/limits.ts'

import { readCoreModule } from './core-module.ts'
import { openQuota } from './cursor.ts'
import { meteredCode } from './fuel.ts'
import { bytesOfWat, guestWat } from './fixtures/wat.ts'
import { instantiate } from './instantiate.ts'
import { encodeS32, encodeU32 } from './leb.ts'
import { fuelOf, loadComponent } from './load.ts'

const fuel = 1_000
const limits = { memoryBytesMax: 2 ** 20, tableElementsMax: 100, fuel }
const options = { imports: {}, liftBytesMax: 4_096, wasi: { nowMs: () => 0, write: () => undefined } }
const spent = expect.objectContaining({ reason: 'fuel' }) as unknown

async function open(body: string, core = '', fuel: number | 'unmetered' = limits.fuel, isLate?: () => boolean) {
  const exports = { run: { core: `(param $n i32) (result i32) ${body}`, type: '(param "n" u32) (result u32)' } }
  return instantiate(loadComponent(await bytesOfWat(guestWat(exports, core)), { ...limits, fuel }), {
    ...options,
    ...(isLate && { isLate }),
  })
}

/** Turns a loop `n` times. */
const counting = `(local $i i32)
  (loop $again (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
  (local.get $i)`

const fill = (bytes: number) => `(memory.fill (i32.const 1024) (i32.const 7) (i32.const ${bytes}))`
const calls = (count: number) => `${'(drop (call $f (i32.const 0)))'.repeat(count)} (i32.const 1)`

/** Functions that do nothing but call the next one. */
const behind = (levels: number) =>
  Array.from({ length: levels }, (_, at) => {
    const next = at === levels - 1 ? '(i32.const 1)' : `(call $f${at + 1})`
    return `(func $f${at || ''} ${at === 0 ? '(param i32)' : ''} (result i32) ${next})`
  }).join(' ')

/** Five turns, counted in a local variable. */
const turns = (index: string) =>
  `(local.set ${index} (i32.const 0))
   (loop (br_if 0 (i32.lt_u (local.tee ${index} (i32.add (local.get ${index}) (i32.const 1))) (i32.const 5))))`

describe('fuel', () => {
  it('is 250,000,000 where nobody says how much', () => {
    const { fuel: _said, ...silent } = limits
    expect(fuelOf(silent)).toBe(250_000_000)
  })

  it('is one for the entry and one for each turn of a loop, anew in each call', async () => {
    const instance = await open(counting)
    expect(instance.call('run', [fuel - 1])).toBe(fuel - 1)
    expect(instance.call('run', [fuel - 1])).toBe(fuel - 1)
    expect(() => instance.call('run', [fuel])).toThrow(spent)
    expect(instance.reset()).toBe(false)
  })

  // A local variable has the counter in the first, the module in the second.
  it.each([
    ['a quiet loop', counting, ''],
    ['a loop of calls', counting.replace('(i32.const 1)', '(call $one)'), '(func $one (result i32) (i32.const 1))'],
  ])('of %s is given out in slices, to the last one', async (_, body, core) => {
    const whole = 3 * FUEL_SLICE + 9
    let asked = 0
    const instance = await open(body, core, whole, () => (asked += 1) < 0)
    for (let round = 1; round <= 2; round += 1) {
      expect(instance.call('run', [whole - 1])).toBe(whole - 1)
      expect(asked).toBe(3 * round)
    }
    expect(() => instance.call('run', [whole])).toThrow(spent)
  })

  it('ends with the time of a call, at the end of a slice', async () => {
    let asked = 0
    const isLate = (): boolean => (asked += 1) === 2
    const instance = await open(counting, '', 9 * FUEL_SLICE, isLate)
    // One more than a slice is taken before the next is asked for.
    expect(instance.call('run', [2 * FUEL_SLICE])).toBe(2 * FUEL_SLICE)
    asked = 0
    const tooLate = expect.objectContaining({ reason: 'deadline' }) as unknown
    expect(() => instance.call('run', [2 * FUEL_SLICE + 1])).toThrow(tooLate)
    expect(instance.reset()).toBe(false)
  })

  it('is counted in no code when asked not to', async () => {
    const instance = await open(counting, '', 'unmetered')
    expect(instance.call('run', [fuel * 2])).toBe(fuel * 2)
  })

  it('does not stand in the way of a reset', async () => {
    const instance = await open(
      '(global.set $g (i32.add (global.get $g) (local.get $n))) (global.get $g)',
      '(global $g (mut i32) (i32.const 0))',
    )
    for (let round = 0; round < 2 * fuel; round += 1) {
      expect(instance.call('run', [3])).toBe(3)
      expect(instance.reset()).toBe(true)
    }
  })

  it.each([
    ['a loop', '(loop $again (br $again)) (unreachable)', ''],
    ['a loop in a loop', '(loop $outer (loop (br_if 0 (i32.eqz (local.get $n)))) (br $outer)) (unreachable)', ''],
    ['a loop with a value', '(i32.const 1) (loop $again (param i32) (result i32) (br $again))', ''],
    ['a branch table', '(loop $again (br_table $again $again (local.get $n))) (unreachable)', ''],
    [
      'a tail call',
      '(return_call $on (local.get $n))',
      '(func $on (param i32) (result i32) (return_call $on (local.get 0)))',
    ],
    [
      'a tail call through a table',
      '(return_call $on (local.get $n))',
      `(table funcref (elem $on)) (type $t (func (param i32) (result i32)))
       (func $on (param i32) (result i32) (return_call_indirect (type $t) (local.get 0) (i32.const 0)))`,
    ],
  ])('ends %s', async (_, body, core) => {
    const instance = await open(body, core)
    expect(() => instance.call('run', [0])).toThrow(spent)
  })

  it('is taken by calls of functions too long, or too busy, to be free', async () => {
    const work = '(local.set 0 (i32.add (local.get 0) (i32.const 1)))'
    const repeated = (length: number) => `(func $f (param i32) (result i32) ${work.repeat(length)} (local.get 0))`
    expect((await open(calls(fuel + 10), repeated(5))).call('run', [0])).toBe(1)
    const long = await open(calls(fuel + 10), repeated(CODE_LEAF_BYTES_MAX / 7 + 1))
    expect(() => long.call('run', [0])).toThrow(spent)
    const indirect = `(table funcref (elem $g)) (type $t (func (result i32)))
      (func $f (param i32) (result i32) (call_indirect (type $t) (i32.const 0))) (func $g (result i32) (i32.const 1))`
    const through = await open(calls(fuel + 10), indirect)
    expect(() => through.call('run', [0])).toThrow(spent)
  })

  it('is taken where free functions together are no longer short', async () => {
    // Each calls the next one twice: as many calls as all the fuel, were they free to the end.
    const doubling = Array.from({ length: 12 }, (_, at) => {
      const twice = `(call $f${at + 1} (local.get 0)) (drop) (call $f${at + 1} (local.get 0))`
      return `(func $f${at} (param i32) (result i32) ${at === 11 ? '(local.get 0)' : twice})`
    })
    const instance = await open('(call $f0 (local.get $n))', doubling.join(' '), 100)
    expect(() => instance.call('run', [0])).toThrow(spent)
    // One accessor behind another is free.
    const few = '(func $f (param i32) (result i32) (call $g)) (func $g (result i32) (i32.const 1))'
    expect((await open(calls(fuel + 10), few)).call('run', [0])).toBe(1)
    // So are a few, and one more is not.
    expect((await open(calls(fuel + 10), behind(CODE_FREE_LEVELS_MAX))).call('run', [0])).toBe(1)
    const deep = await open(calls(fuel + 10), behind(CODE_FREE_LEVELS_MAX + 1))
    expect(() => deep.call('run', [0])).toThrow(spent)
    // A circle is not, however short.
    const circle = '(func $f (param i32) (result i32) (call $g)) (func $g (result i32) (call $f (i32.const 0)))'
    const round = await open(calls(1), circle)
    expect(() => round.call('run', [0])).toThrow(spent)
  })

  // The function counts in a local variable: what it took must be told however it is left.
  it.each([
    ['its end', '(br_if $again (local.get $go))', '(local.get $i)'],
    ['a return', '(br_if $again (local.get $go)) (return (local.get $i))', '(unreachable)'],
    ['a branch', '(br_if $again (local.get $go)) (br 1 (local.get $i))', '(unreachable)'],
    [
      'a conditional branch',
      '(br_if $again (local.get $go)) (drop (br_if 1 (local.get $i) (i32.const 1)))',
      '(unreachable)',
    ],
    ['a branch table', '(br_if $again (local.get $go)) (br_table 1 1 (local.get $i) (i32.const 0))', '(unreachable)'],
    ['a tail call', '(br_if $again (local.get $go))', '(return_call $id (local.get $i))'],
  ])('is counted to the last turn in a loop left by %s', async (_, leave, rest) => {
    const core = `(func $id (param i32) (result i32) (local.get 0))
      (func $f (param $n i32) (result i32) (local $i i32) (local $go i32)
        (loop $again
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (local.set $go (i32.lt_u (local.get $i) (local.get $n)))
          ${leave})
        ${rest})`
    const body = '(i32.add (call $f (local.get $n)) (call $f (local.get $n)))'
    // Three entries, and two times ten turns.
    expect((await open(body, core, 23)).call('run', [10])).toBe(20)
    const short = await open(body, core, 22)
    expect(() => short.call('run', [10])).toThrow(spent)
  })

  it('is counted across calls in a function that counts in a local variable', async () => {
    const core = `(func $f (param i32) (result i32) (local $i i32) ${turns('$i')} (local.get $i))`
    const body = `(local $i i32) ${turns('$i')} (drop (call $f (i32.const 0))) ${turns('$i')} (local.get $i)`
    expect((await open(body, core, 17)).call('run', [0])).toBe(5)
    const short = await open(body, core, 16)
    expect(() => short.call('run', [0])).toThrow(spent)
  })

  it('is taken by bulk instructions by their length', async () => {
    expect((await open(`${fill(60_000)} (i32.load8_u (i32.const 60000))`)).call('run', [0])).toBe(7)
    const two = await open(`${fill(60_000)} ${fill(60_000)} (local.get $n)`)
    expect(() => two.call('run', [0])).toThrow(spent)
    const copy = '(memory.copy (i32.const 0) (i32.const 1024) (i32.const 40000))'
    const copies = await open(`(local $x f64) ${copy.repeat(2)} (local.get $n)`)
    expect(() => copies.call('run', [0])).toThrow(spent)
    const table = '(table $t 100 funcref)'
    const elements = '(table.fill $t (i32.const 0) (ref.null func) (i32.const 100))'
    expect((await open(`${elements.repeat(9)} (i32.const 1)`, table)).call('run', [0])).toBe(1)
    const many = await open(`${elements.repeat(10)} (i32.const 1)`, table)
    expect(() => many.call('run', [0])).toThrow(spent)
  })

  it('of all modules together is no more than that of one', async () => {
    const component = await bytesOfWat(`(component
      (core module $m (func (export "turn") (param $n i32) (result i32) ${counting}))
      (core instance $a (instantiate $m)) (core instance $b (instantiate $m))
      (core module $both (import "a" "turn" (func $a (param i32) (result i32)))
        (import "b" "turn" (func $b (param i32) (result i32)))
        (func (export "run") (param i32) (result i32)
          (i32.add (call $a (local.get 0)) (call $b (local.get 0)))))
      (core instance $i (instantiate $both (with "a" (instance $a)) (with "b" (instance $b))))
      (func $run (param "n" u32) (result u32) (canon lift (core func $i "run")))
      (export "run" (func $run)))`)
    const instance = instantiate(loadComponent(component, limits), options)
    expect(instance.call('run', [fuel / 2 - 2])).toBe(fuel - 4)
    expect(() => instance.call('run', [fuel / 2])).toThrow(spent)
  })

  it('is not within the guest’s reach', async () => {
    const named = guestWat({}, '(func (export "trellis:state/fuel"))')
    await expect(bytesOfWat(named).then((bytes) => loadComponent(bytes, limits))).rejects.toThrow('reserved')
  })

  it.each([
    ['names', '(func (global.set 1 (i32.const 999999)))', ''],
    ['reads', '(func (drop (global.get 1)))', ''],
    ['exports', '(export "mine" (global 1))', ''],
    ['aliases', '', '(alias core export $i "trellis:state/fuel" (core global $g))'],
    ['reads what is called at its end of', '(func (drop (global.get 2)))', ''],
    ['exports what is called at its end of', '(export "mine" (global 2))', ''],
    ['aliases what is called at its end of', '', '(alias core export $i "trellis:state/pump" (core global $g))'],
    ['calls for', '', '(core instance (instantiate $n (with "h" (instance $i))))'],
  ])('is refused to a component that %s it', async (_, core, rest) => {
    // The counter is added after the one global there is: without care, code that V8 would refuse becomes valid.
    const bytes = await bytesOfWat(`(component
      (core module $m (global (mut i32) (i32.const 0)) (func) (export "f" (func 0)) ${core})
      (core module $n (import "h" "trellis:state/fuel" (global (mut i32))))
      (core instance $i (instantiate $m)) ${rest})`)
    expect(() => loadComponent(bytes, limits)).toThrow(expect.objectContaining({ code: 'component-invalid' }))
  })

  it('ends a start function', async () => {
    const bytes = await bytesOfWat(
      '(component (core module $m (func $f (loop (br 0))) (start $f)) (core instance (instantiate $m)))',
    )
    expect(() => instantiate(loadComponent(bytes, limits), options)).toThrow('to start')
  })
})

const sized = (id: number, body: readonly number[]) => [id, ...encodeU32(body.length), ...body]

/** A core module with one function of this code, after its locals. */
function moduleOf(code: readonly number[], locals: readonly number[] = [0]): Uint8Array {
  const body = [...locals, ...code, 0x0b]
  return Uint8Array.from([
    0,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0,
    ...sized(1, [1, 0x60, 0, 0]),
    ...sized(3, [1, 0]),
    ...sized(5, [1, 0, 1]),
    ...sized(10, [1, ...encodeU32(body.length), ...body]),
  ])
}

const read = (bytes: Uint8Array) => readCoreModule(bytes, openQuota())

describe('no loop hides in an immediate', () => {
  const [get, drop, loop] = [[0x41, 0], 0x1a, [0x03, 0x40, 0x0c, 0, 0x0b]]

  it('found where it stands', () => {
    const { probes = [] } = read(moduleOf(loop)).code.functions[0] ?? {}
    expect(probes.map(({ kind }) => kind)).toEqual(['entry', 'loop', 'save'])
  })

  it.each([
    // An engine with several memories reads one number more: the offset, which here swallows the loop in this walk.
    ['a memory index', [...get, 0x28, 0x42, 0, 0x41, drop, ...loop], [0]],
    ['a memory index of a vector load', [...get, 0xfd, 0, 0x40, 0, 0x41, drop, ...loop], [0]],
    ['a block of a reference type', [0x02, 0x63, 0x70, 0xd0, 0x70, 0x0b, drop, ...loop], [0]],
    ['a select of a reference type', [0x1c, 1, 0x63, 0x70, drop, ...loop], [0]],
    ['a select of several types', [0x1c, 2, 0x7f, 0x7f, drop, ...loop], [0]],
    ['a null of another type', [0xd0, 0x63, 0x70, drop, ...loop], [0]],
    // One more than the module has is there once fuel is added.
    ['a call of a type that is added', [...get, 0x11, 1, 0], [0]],
    ['a block of a type that is added', [0x02, 1, 0x0b], [0]],
    ['locals of a reference type', loop, [1, 1, 0x63, 0x70]],
  ])('%s is refused', (_, code, locals) => {
    expect(() => read(moduleOf(code, locals))).toThrow(expect.objectContaining({ code: 'component-invalid' }))
  })
})

describe('every branch of a probe', () => {
  const loops = [0x03, 0x40, 0x0c, 0, 0x0b]
  it.each([
    ['of a local variable', loops, 2],
    ['of the module', [0x03, 0x40, 0x10, 0, 0x10, 0, 0x10, 0, 0x10, 0, 0x0c, 0, 0x0b], 2],
    ['of a bulk instruction', [0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 11, 0], 2],
  ])('%s is said to be unlikely where it stands', (_, instructions, probes) => {
    const { code, hints } = meteredCode(read(moduleOf(instructions)))
    const body = code.subarray(2)
    const [functions, index, count, ...branches] = hints.subarray(1 + 'metadata.code.branch_hint'.length)
    expect([functions, index, count, branches.length]).toEqual([1, 0, probes, probes * 3])
    for (let at = 0; at < branches.length; at += 3) {
      // `(if (i32.lt_s … (i32.const 0)))`, not taken.
      expect([...body.subarray((branches[at] ?? 0) - 3, (branches[at] ?? 0) + 2)]).toEqual([0x41, 0, 0x48, 0x04, 0x40])
      expect(branches.slice(at + 1, at + 3)).toEqual([1, 0])
    }
  })
})

describe('numbers', () => {
  it('are written as V8 reads them', () => {
    fc.assert(
      fc.property(fc.integer(), (value) => {
        const module = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
        const global = [1, 0x7f, 0, 0x41, ...encodeS32(value), 0x0b]
        const bytes = [...module, 6, ...encodeU32(global.length), ...global, 7, 5, 1, 1, 0x67, 3, 0]
        const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(bytes)))
        expect((exports['g'] as WebAssembly.Global).value).toBe(value)
      }),
    )
  })
})
