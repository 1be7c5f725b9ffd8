import { describe, expect, it } from 'vitest'

import { COMPONENT_BYTES_MAX } from '#host/limits.ts'

import { describeFunctions } from './describe.ts'
import { bytesOfWat, guestWat } from './fixtures/wat.ts'
import { instantiate } from './instantiate.ts'
import { loadComponent } from './load.ts'

function branchTable(targets: number): string {
  return `(func (br_table ${'0 '.repeat(targets - 1)} 0 (i32.const 0)))`
}

const limits = { memoryBytesMax: 4 * 65_536, tableElementsMax: 10 }
const options = { imports: {}, liftBytesMax: 4_096, wasi: { nowMs: () => 0, write: () => undefined } }

const load = async (wat: string) => loadComponent(await bytesOfWat(wat), limits)

/** A component around one core module, whose `run` gives a u32. */
const around = (core: string, body: string) => `(component
  (core module $m ${core} (func (export "run") (result i32) ${body}))
  (core instance $i (instantiate $m))
  (func $run (result u32) (canon lift (core func $i "run")))
  (export "run" (func $run)))`

const twoMemories = (pages: number) => `(component
      (core module $a (memory ${pages}) (func (export "run") (result i32) (memory.grow (i32.const 2))))
      (core module $b (memory 1) (func (export "run") (result i32) (memory.grow (i32.const 1))))
      (core instance $i (instantiate $a)) (core instance $j (instantiate $b))
      (func $large (result u32) (canon lift (core func $i "run"))) (export "large" (func $large))
      (func $small (result u32) (canon lift (core func $j "run"))) (export "small" (func $small)))`

const aroundTable = (elements: number) =>
  around(`(table $t ${elements} funcref)`, '(table.grow $t (ref.null func) (i32.const 8))')

const nestedWith = (type: string) => `(component
      (import "f" (func $f (param "a" u32)))
      (component $c (import "f" (func (param "a" ${type}))))
      (instance (instantiate $c (with "f" (func $f)))))`

describe('limits', () => {
  it.each([
    ['a memory without maximum', '(memory 1)'],
    ['a memory with a larger maximum', '(memory 1 1000)'],
  ])('holds %s: growth past it fails inside the guest', async (_, memory) => {
    const instance = instantiate(await load(around(memory, '(memory.grow (i32.const 4))')), options)
    expect(instance.call('run', [])).toBe(0xffff_ffff)
    expect(instance.memoryBytes).toBe(65_536)
    const grown = instantiate(await load(around(memory, '(memory.grow (i32.const 3))')), options)
    expect(grown.call('run', [])).toBe(1)
    expect(grown.memoryBytes).toBe(limits.memoryBytesMax)
  })

  it('keeps a smaller maximum', async () => {
    const instance = instantiate(await load(around('(memory 1 2)', '(memory.grow (i32.const 2))')), options)
    expect(instance.call('run', [])).toBe(0xffff_ffff)
  })

  it('counts all memories together', async () => {
    const instance = instantiate(await load(twoMemories(2)), options)
    expect(instance.call('small', [])).toBe(0xffff_ffff)
    expect(instance.call('large', [])).toBe(0xffff_ffff)
    expect(instance.memoryBytes).toBe(3 * 65_536)
    await expect(load(twoMemories(4))).rejects.toMatchObject({ code: 'too-large' })
  })

  it('holds tables', async () => {
    expect(instantiate(await load(aroundTable(3)), options).call('run', [])).toBe(0xffff_ffff)
    expect(instantiate(await load(aroundTable(2)), options).call('run', [])).toBe(2)
    await expect(load(aroundTable(11))).rejects.toMatchObject({ code: 'too-large' })
  })

  it.each([['bytes', () => new Uint8Array(COMPONENT_BYTES_MAX + 1)]])('refuses too many %s', (_, make) => {
    expect(() => loadComponent(make(), limits)).toThrow(expect.objectContaining({ code: 'too-large' }))
  })

  it.each([
    ['lists that claim more items than there are bytes', '(component)', [7, 6, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f]],
  ])('refuses %s', async (_, wat, section) => {
    const bytes = Uint8Array.from([...(await bytesOfWat(wat)).subarray(0, 8), ...section])
    expect(() => loadComponent(bytes, limits)).toThrow(expect.objectContaining({ code: 'too-large' }))
  })

  it.each([
    ['memories', '(memory 0)', 5],
    ['tables', '(table 0 funcref)'.repeat(9), 1],
    ['core instances', '', 65],
  ])('refuses too many %s', async (_, core, count) => {
    await expect(
      load(`(component (core module ${core}) ${'(core instance (instantiate 0))'.repeat(count)})`),
    ).rejects.toMatchObject({
      code: 'too-large',
    })
  })

  it.each([
    ['functions', (count: number) => `(core module (type (func)) ${'(func (type 0))'.repeat(count)})`, 65_536],
    [
      'imports',
      (count: number) => `(core module (type (func)) ${'(import "a" "b" (func (type 0)))'.repeat(count)})`,
      4_096,
    ],
    ['segments', (count: number) => `(core module (memory 1) ${'(data "")'.repeat(count)})`, 65_536],
    ['element segments', (count: number) => `(core module (table 1 funcref) ${'(elem func)'.repeat(count)})`, 65_536],
    [
      'blocks in one another',
      (count: number) => `(core module (func ${'(block '.repeat(count)} ${')'.repeat(count)}))`,
      1_023,
    ],
    ['local variables', (count: number) => `(core module (func ${'(local i32)'.repeat(count)}))`, 4_096],
    [
      'targets in branch tables',
      // The engine itself takes 65,520 in one table.
      (count: number) => {
        const rest = count - 4 * 60_000
        return `(core module ${branchTable(60_000).repeat(4)} ${branchTable(rest)})`
      },
      262_144,
    ],
  ])('holds as many %s as it should, and no more', async (_, core, max) => {
    // Wide enough that the engine's own limits are not what refuses.
    await expect(load(`(component ${core(max)})`)).resolves.toBeDefined()
    await expect(load(`(component ${core(max + 1)})`)).rejects.toMatchObject({ code: 'too-large' })
  })

  it('refuses types that grow exponentially', async () => {
    const doubled = Array.from({ length: 12 }, (_, index) => `(type $t${index + 1} (tuple $t${index} $t${index}))`)
    await expect(load(`(component (type $t0 u8) ${doubled.join(' ')})`)).rejects.toMatchObject({ code: 'too-large' })
  })

  it('refuses types that nest deeply', async () => {
    const nested = Array.from({ length: 40 }, (_, index) => `(type $t${index + 1} (list $t${index}))`)
    await expect(load(`(component (type $t0 u8) ${nested.join(' ')})`)).rejects.toMatchObject({ code: 'too-large' })
  })

  it('refuses components that instantiate themselves exponentially', async () => {
    const level = (depth: number): string =>
      depth === 0 ? '(component)' : `(component ${level(depth - 1)} ${'(instance (instantiate 0))'.repeat(8)})`
    await expect(load(level(6))).rejects.toMatchObject({ code: 'too-large' })
  })

  it('refuses instance types that nest deeply', async () => {
    const level = (depth: number): string => (depth === 0 ? '(type u8)' : `(type (instance ${level(depth - 1)}))`)
    expect((await load(`(component ${level(8)})`)).imports).toEqual([])
    await expect(load(`(component ${level(12)})`)).rejects.toMatchObject({ code: 'too-large' })
  })

  it('refuses components that nest deeply', async () => {
    const level = (depth: number): string => (depth === 0 ? '' : `(component ${level(depth - 1)})`)
    await expect(load(level(12))).rejects.toMatchObject({ code: 'too-large' })
  })
})

describe('what is refused', () => {
  it.each([
    ['a core module', 'not a component', '(module)'],
    ['a shared memory', 'shared', around('(memory 1 1 shared)', 'i32.const 0')],
    ['a 64-bit memory', '64-bit', around('(memory i64 1)', 'i32.const 0')],
    ['several memories', 'several memories', around('(memory 1) (memory 1)', 'i32.const 0')],
    ['an atomic instruction', 'instruction 0xfe', around('(memory 1)', '(i32.atomic.load (i32.const 0))')],
    ['a garbage-collected type', 'core type 0x5f', around('(type (struct))', 'i32.const 0')],
    ['an exception', 'core section 13', around('(tag $e)', 'i32.const 0')],
    [
      'relaxed vectors',
      'relaxed',
      around('', '(i32x4.extract_lane 0 (i32x4.relaxed_trunc_f32x4_s (v128.const i32x4 0 0 0 0)))'),
    ],
    ['a mutable vector global', 'v128', around('(global (mut v128) (v128.const i64x2 0 0))', 'i32.const 0')],
    ['code that does not validate', 'not valid', around('', 'i64.const 0')],
    ['the name of the state', 'reserved', around('(memory (export "trellis:state/memory/0") 1)', 'i32.const 0')],
    [
      'an import nobody gives',
      'is not given',
      '(component (core module $m (import "a" "b" (func))) (core instance (instantiate $m)))',
    ],
    ['a stream', 'type 0x66', '(component (type (stream u8)))'],
    [
      'an asynchronous built-in',
      'canonical function 0x20',
      '(component (core func (canon waitable-set.wait (memory 0))))',
    ],
    [
      'text in utf-16',
      'canonical option 0x1',
      guestWat({ run: { core: '', type: '', options: 'string-encoding=utf16' } }),
    ],
    [
      'a signature that is not the type’s',
      'is l:, not i:',
      guestWat({ run: { core: '(param i64)', type: '(param "a" u32)' } }),
    ],
    [
      'a function that returns a borrow',
      'returns a borrow',
      '(component (import "t" (type $t (sub resource))) (type (func (result (borrow $t)))))',
    ],
    [
      'a host function imported with another signature',
      'another signature',
      `(component
      (import "f" (func $f (param "a" u64))) (core func $l (canon lower (func $f)))
      (core module $m (import "h" "f" (func (param i32))))
      (core instance (instantiate $m (with "h" (instance (export "f" (func $l)))))))`,
    ],
    ['a label that is no word', 'label "__proto__"', '(component (type (record (field "__proto__" u8))))'],
    ['a component import', 'type 0x41', '(component (import "c" (component)))'],
  ])('%s', async (_, message, wat) => {
    await expect(load(wat)).rejects.toMatchObject({
      code: 'component-invalid',
      message: expect.stringContaining(message) as unknown,
    })
  })

  it('a function given to a nested component with another type', async () => {
    expect((await load(nestedWith('u32'))).imports).toEqual(['f'])
    await expect(load(nestedWith('u64'))).rejects.toMatchObject({ code: 'component-invalid' })
  })
})

describe('names', () => {
  it('are data, whatever they say', async () => {
    const component = await load(`(component
      (core module $a (func (export "__proto__") (result i32) (i32.const 7)) (func (export "'+process.exit(1)+'")))
      (core instance $i (instantiate $a))
      (core module $b (import "__proto__" "__proto__" (func $f (result i32)))
        (func (export "constructor") (result i32) (call $f)))
      (core instance $j (instantiate $b (with "__proto__" (instance $i))))
      (func $run (result u32) (canon lift (core func $j "constructor")))
      (export "constructor" (func $run)))`)
    expect(instantiate(component, options).call('constructor', [])).toBe(7)
    expect(() => instantiate(component, options).call('toString', [])).toThrow('no function "toString"')
  })

  it('tell which interfaces are imported live', async () => {
    const component = await load(`(component
      (import "wasi:cli/environment@0.2.9" (instance (export "initial-cwd" (func (result (option string))))))
      (import "wasi:sockets/tcp@0.2.9" (instance (export "tcp" (type (sub resource)))))
      (import "test:a/types@0.1.0" (instance (type $u u32) (export "size" (type (eq $u)))))
      (import "test:a/live@0.1.0" (instance (export "run" (func)))))`)
    expect(component.imports).toEqual(['test:a/live@0.1.0', 'wasi:sockets/tcp@0.2.9'])
  })

  it('stand with the types the component declares', async () => {
    const { plan } = await load(guestWat({ run: { core: '(param i32)', type: '(param "a" (borrow $thing))' } }))
    const signatures = describeFunctions(plan)
    expect(signatures.exports).toEqual({ run: '(a: borrow<test:host/things@0.1.0/thing>)' })
    expect(signatures.imports).toMatchObject({
      'test:host/things@0.1.0#ask': '() -> string',
      'test:host/things@0.1.0#pick': '(color: enum {red, blue})',
      'test:host/things@0.1.0#weigh': '(value: variant {single: f32, long: u64, double: f64})',
    })
  })
})

describe('nested components', () => {
  it('pass their own resources to one another', async () => {
    const component = await load(`(component
      (component $A
        (core module $d (global $last (mut i32) (i32.const 0))
          (func (export "end") (param i32) (global.set $last (local.get 0)))
          (func (export "ended") (result i32) (global.get $last)))
        (core instance $d (instantiate $d))
        (type $R (resource (rep i32) (dtor (func $d "end"))))
        (export $r "r" (type $R))
        (core func $new (canon resource.new $R))
        (core module $m (import "h" "new" (func $new (param i32) (result i32)))
          (func (export "make") (param i32) (result i32) (call $new (local.get 0)))
          (func (export "value") (param i32) (result i32) (local.get 0)))
        (core instance $i (instantiate $m (with "h" (instance (export "new" (func $new))))))
        (func (export "make") (param "rep" u32) (result (own $r)) (canon lift (core func $i "make")))
        (func (export "value") (param "self" (borrow $r)) (result u32) (canon lift (core func $i "value")))
        (func (export "ended") (result u32) (canon lift (core func $d "ended"))))
      (instance $a (instantiate $A))
      (component $B
        (import "a" (instance $a
          (export "r" (type $r (sub resource)))
          (export "make" (func (param "rep" u32) (result (own $r))))
          (export "value" (func (param "self" (borrow $r)) (result u32)))))
        (alias export $a "r" (type $r))
        (core func $make (canon lower (func $a "make")))
        (core func $value (canon lower (func $a "value")))
        (core func $drop (canon resource.drop $r))
        (core module $m
          (import "h" "make" (func $make (param i32) (result i32)))
          (import "h" "value" (func $value (param i32) (result i32)))
          (import "h" "drop" (func $drop (param i32)))
          (func (export "run") (result i32) (local i32)
            (local.set 0 (call $make (i32.const 42)))
            (call $value (local.get 0))
            (call $drop (local.get 0))))
        (core instance $i (instantiate $m (with "h" (instance
          (export "make" (func $make)) (export "value" (func $value)) (export "drop" (func $drop))))))
        (func (export "run") (result u32) (canon lift (core func $i "run"))))
      (instance $b (instantiate $B (with "a" (instance $a))))
      (export "run" (func $b "run"))
      (export "ended" (func $a "ended")))`)
    const instance = instantiate(component, options)
    expect(instance.call('ended', [])).toBe(0)
    expect(instance.call('run', [])).toBe(42)
    expect(instance.call('ended', [])).toBe(42)
  })
})
