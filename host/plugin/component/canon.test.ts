import { describe, expect, it } from 'vitest'

import { bytesOfWat, guestWat } from './fixtures/wat.ts'
import { type HostImports, type Instance, instantiate } from './instantiate.ts'
import { loadComponent } from './load.ts'
import { Trap, type TrapReason } from './trap.ts'

const limits = { memoryBytesMax: 2 ** 20, tableElementsMax: 100 }
const wasi = { nowMs: () => 0, write: () => undefined }

class Thing {
  isDisposed = false;

  [Symbol.dispose](): void {
    this.isDisposed = true
  }
}

function openThings(answer = 'answer') {
  const made: Thing[] = []
  const calls: unknown[] = []
  const note = (...args: readonly unknown[]) => void calls.push(args)
  const make = () => {
    const thing = new Thing()
    made.push(thing)
    return thing
  }
  const imports: HostImports = {
    'test:host/things@0.1.0': {
      make,
      'make-other': make,
      '[method]thing.use': note,
      take: note,
      swap: note,
      say: note,
      'give-list': note,
      pick: note,
      letter: note,
      maybe: note,
      weigh: note,
      ask: () => answer,
    },
  }
  return { made, calls, imports }
}

async function openGuest(
  exports: Parameters<typeof guestWat>[0],
  core = '',
  things = openThings(),
): Promise<{ instance: Instance; things: ReturnType<typeof openThings> }> {
  const component = loadComponent(await bytesOfWat(guestWat(exports, core)), limits)
  return { instance: instantiate(component, { imports: things.imports, liftBytesMax: 4_096, wasi }), things }
}

function reasonOf(run: () => unknown): TrapReason | undefined {
  try {
    run()
  } catch (error) {
    if (error instanceof Trap) return error.reason
    throw error
  }
  return undefined
}

const nothing = '(param)'

describe('what a guest may do', () => {
  it('holds, lends, gives away and drops handles', async () => {
    const { instance, things } = await openGuest({
      run: {
        core: `(local i32)
          (local.set 0 (call $make)) (call $use (local.get 0)) (call $drop (local.get 0))
          (call $take (call $make)) (call $swap (call $make) (call $make))`,
        type: '',
      },
    })
    expect(instance.call('run', [])).toBeUndefined()
    const [first, second, third, fourth] = things.made
    expect(things.calls).toEqual([[first], [second], [third, fourth]])
    expect(things.made.map((thing) => thing.isDisposed)).toEqual([true, false, false, false])
    expect(instance.reset()).toBe(true)
    // The one it kept is ended by the reset; those it gave away are the host's.
    expect(things.made.map((thing) => thing.isDisposed)).toEqual([true, false, true, false])
  })

  it('borrows for the length of a call', async () => {
    const { instance, things } = await openGuest({
      run: {
        core: '(param i32) (call $use (local.get 0)) (call $drop (local.get 0))',
        type: '(param "thing" (borrow $thing))',
      },
    })
    const thing = new Thing()
    instance.call('run', [thing])
    expect(things.calls).toEqual([[thing]])
    expect(thing.isDisposed).toBe(false)
  })

  it('passes more than 16 parameters, and gets text back', async () => {
    const { instance } = await openGuest({
      sum: {
        core: `(param i32) (result i64) (i64.add
          (i64.extend_i32_u (i32.load8_u (local.get 0)))
          (i64.load offset=136 (local.get 0)))`,
        type: `(param "first" u8) ${Array.from({ length: 16 }, (_, index) => `(param "a${index}" u64)`).join(' ')}
          (param "last" u64) (result u64)`,
      },
      ask: { core: '(result i32) (call $ask (i32.const 8)) (i32.const 8)', type: '(result string)' },
    })
    const zeros = Array.from({ length: 16 }, () => 0n)
    expect(instance.call('sum', [200, ...zeros, 0xffff_ffff_ffff_0000n])).toBe(0xffff_ffff_ffff_00c8n)
    expect(instance.call('ask', [])).toBe('answer')
  })

  it('hands over what lies in memory it has just grown', async () => {
    const { instance, things } = await openGuest({
      run: {
        core: `(result i32) (drop (memory.grow (i32.const 1))) (i32.store8 (i32.const 65544) (i32.const 65))
          (call $say (i32.const 65544) (i32.const 1)) (drop (memory.grow (i32.const 1)))
          (i32.store (i32.const 131072) (i32.const 65544)) (i32.store (i32.const 131076) (i32.const 1))
          (i32.const 131072)`,
        type: '(result string)',
      },
    })
    expect(instance.call('run', [])).toBe('A')
    expect(things.calls).toEqual([['A']])
  })

  const joined = [
    [{ tag: 'single', val: 1.5 }, 0x3fc0_0000n],
    [{ tag: 'single', val: Number.NaN }, 0x7fc0_0000n],
    [{ tag: 'long', val: 0xffff_ffff_ffff_fffen }, 0xffff_ffff_ffff_fffen],
    [{ tag: 'double', val: -0 }, 0x8000_0000_0000_0000n],
  ] as const

  it.each(joined)('joins floats and integers in one flat slot: %o', async (value, bits) => {
    const { instance, things } = await openGuest({
      bits: { core: '(param i32 i64) (result i64) (local.get 1)', type: '(param "value" $mixed) (result u64)' },
      weigh: {
        core: '(param i32 i64) (call $weigh (local.get 0) (local.get 1))',
        type: '(param "case" u32) (param "bits" u64)',
      },
    })
    expect(instance.call('bits', [value])).toBe(bits)
    instance.call('weigh', [['single', 'long', 'double'].indexOf(value.tag), bits])
    expect(things.calls).toEqual([[value]])
  })
})

describe('what a guest may not do', () => {
  const word = '(i32.const 7)'
  it.each([
    ['uses a handle it never had', `(call $use (i32.const 42))`],
    ['uses handle 0', `(call $use (i32.const 0))`],
    [
      'uses a dropped handle',
      `(local i32) (local.set 0 (call $make)) (call $drop (local.get 0)) (call $use (local.get 0))`,
    ],
    ['drops twice', `(local i32) (local.set 0 (call $make)) (call $drop (local.get 0)) (call $drop (local.get 0))`],
    [
      'uses a handle it gave away',
      `(local i32) (local.set 0 (call $make)) (call $take (local.get 0)) (call $use (local.get 0))`,
    ],
    ['uses a handle of another resource', `(call $use (call $make-other))`],
    ['gives away what it lends', `(local i32) (local.set 0 (call $make)) (call $swap (local.get 0) (local.get 0))`],
    ['says what is not utf-8', `(i32.store8 (i32.const 0) (i32.const 0xff)) (call $say (i32.const 0) (i32.const 1))`],
    ['says a surrogate', `(i32.store (i32.const 0) (i32.const 0x80a0ed)) (call $say (i32.const 0) (i32.const 3))`],
    [
      'says long text that is not utf-8',
      `(i32.store8 (i32.const 0) (i32.const 0xff)) (call $say (i32.const 0) (i32.const 64))`,
    ],
    ['says text past its memory', `(call $say (i32.const 65535) (i32.const 2))`],
    ['gives a list at an odd pointer', `(call $give-list (i32.const 2) (i32.const 1))`],
    ['gives an empty list at an odd pointer', `(call $give-list (i32.const 2) (i32.const 0))`],
    ['picks a case that is not there', `(call $pick (i32.const 2))`],
    ['gives a surrogate as a character', `(call $letter (i32.const 0xd800))`],
    ['gives a character past the last', `(call $letter (i32.const 0x110000))`],
    ['gives an option that is neither', `(call $maybe (i32.const 2) ${word})`],
  ])('%s', async (_, core) => {
    const { instance, things } = await openGuest({ run: { core, type: '' } })
    expect(reasonOf(() => instance.call('run', []))).toBe('lied')
    expect(things.calls.filter((call) => Array.isArray(call) && !(call[0] instanceof Thing))).toEqual([])
    expect(instance.reset()).toBe(false)
    expect(reasonOf(() => instance.call('run', []))).toBe('trap')
  })

  it.each([
    ['keeps a borrow', 'nop', 'lied'],
    ['gives a borrow away', '(call $take (local.get 0))', 'lied'],
    ['drops a borrow and uses it', '(call $drop (local.get 0)) (call $use (local.get 0))', 'lied'],
  ] as const)('%s', async (_, body, reason) => {
    const { instance, things } = await openGuest({
      run: { core: `(param i32) ${body}`, type: '(param "thing" (borrow $thing))' },
    })
    expect(reasonOf(() => instance.call('run', [new Thing()]))).toBe(reason)
    expect(things.calls).toEqual([])
  })

  it('hands over more than the host lifts', async () => {
    const { instance } = await openGuest({
      run: { core: '(call $give-list (i32.const 0) (i32.const 1025))', type: '' },
      most: { core: '(call $give-list (i32.const 0) (i32.const 1024))', type: '' },
      long: { core: '(call $give-list (i32.const 0) (i32.const -1))', type: '' },
    })
    instance.call('most', [])
    expect(reasonOf(() => instance.call('long', []))).toBe('output')
    const { instance: again } = await openGuest({
      run: { core: '(call $give-list (i32.const 0) (i32.const 1025))', type: '' },
    })
    expect(reasonOf(() => again.call('run', []))).toBe('output')
  })

  it.each([
    ['out of range', '(i32.const 65534)'],
    ['misaligned', '(i32.const 2)'],
  ])('returns a result %s', async (_, pointer) => {
    const { instance } = await openGuest({ run: { core: `(result i32) ${pointer}`, type: '(result string)' } })
    expect(reasonOf(() => instance.call('run', []))).toBe('lied')
  })

  it('calls out while it cleans up', async () => {
    const { instance, things } = await openGuest(
      {
        run: {
          core: '(result i32) (i32.const 1)',
          type: '(result u32)',
          options: '(post-return (func $i "clean"))',
        },
      },
      '(func (export "clean") (param i32) (call $say (i32.const 0) (i32.const 0)))',
    )
    expect(reasonOf(() => instance.call('run', []))).toBe('lied')
    expect(things.calls).toEqual([])
  })

  it('drops a handle while it cleans up', async () => {
    const { instance, things } = await openGuest(
      { run: { core: '(result i32) (call $make)', type: '(result u32)', options: '(post-return (func $i "clean"))' } },
      '(func (export "clean") (param i32) (call $drop (local.get 0)))',
    )
    expect(reasonOf(() => instance.call('run', []))).toBe('lied')
    expect(things.made[0]?.isDisposed).toBe(false)
  })

  it('calls the host before it is called', async () => {
    const core = '(func $start (call $say (i32.const 0) (i32.const 0))) (start $start)'
    const opened = openGuest({ run: { core: nothing, type: '' } }, core)
    await expect(opened).rejects.toMatchObject({ reason: 'lied' })
  })

  it.each([
    ['traps', 'unreachable', 'trap'],
    ['leaves its memory', '(drop (i32.load (i32.const 65536)))', 'trap'],
    ['recurses', '(call $x-run)', 'stack'],
    ['hoards', '(drop (memory.grow (i32.const 15))) unreachable', 'memory'],
  ] as const)('%s', async (_, core, reason) => {
    const { instance } = await openGuest({ run: { core, type: '' } })
    expect(reasonOf(() => instance.call('run', []))).toBe(reason)
  })

  it('holds more handles than the host keeps', async () => {
    const { instance } = await openGuest({ run: { core: '(loop $again (drop (call $make)) (br $again))', type: '' } })
    expect(reasonOf(() => instance.call('run', []))).toBe('memory')
  })
})

describe('what the host throws', () => {
  it('passes unchanged, and spends the instance', async () => {
    const things = openThings()
    const failure = new Error('the host is out of patience')
    const imports: HostImports = {
      'test:host/things@0.1.0': {
        ...things.imports['test:host/things@0.1.0'],
        say: () => {
          throw failure
        },
      },
    }
    const { instance } = await openGuest({ run: { core: '(call $say (i32.const 0) (i32.const 0))', type: '' } }, '', {
      ...things,
      imports,
    })
    expect(() => instance.call('run', [])).toThrow(failure)
    expect(instance.reset()).toBe(false)
  })

  it('does not enter the guest again', async () => {
    const reasons: unknown[] = []
    const imports: HostImports = {
      'test:host/things@0.1.0': { say: () => reasons.push(reasonOf(() => opened.instance.call('run', []))) },
    }
    const opened = await openGuest({ run: { core: '(call $say (i32.const 0) (i32.const 0))', type: '' } }, '', {
      ...openThings(),
      imports,
    })
    opened.instance.call('run', [])
    expect(reasons).toEqual(['trap'])
  })

  it('names the import that is not given', async () => {
    const { instance } = await openGuest({ run: { core: '(call $say (i32.const 0) (i32.const 0))', type: '' } }, '', {
      ...openThings(),
      imports: {},
    })
    expect(() => instance.call('run', [])).toThrow('test:host/things@0.1.0 say is not available')
  })

  it('is a lie of the guest when a value does not fit the type it declares', async () => {
    const { instance } = await openGuest({ run: { core: '(call $ask (i32.const 0))', type: '' } }, '', {
      ...openThings(),
      imports: { 'test:host/things@0.1.0': { ask: () => 7 } },
    })
    expect(reasonOf(() => instance.call('run', []))).toBe('lied')
  })
})
