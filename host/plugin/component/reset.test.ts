import { Worker } from 'node:worker_threads'

import { describe, expect, it } from 'vitest'

import { TABLE_COPY_ELEMENTS_MAX } from '#host/plugin/limits.ts'

import { fixtureBytes } from './fixtures/build.ts'
import { openHost } from './fixtures/host.ts'
import { bytesOfWat, guestWat } from './fixtures/wat.ts'
import { instantiate } from './instantiate.ts'
import { loadComponent } from './load.ts'

const limits = { memoryBytesMax: 2 ** 20, tableElementsMax: 100 }
const options = { imports: {}, liftBytesMax: 4_096, wasi: { nowMs: () => 0, write: () => undefined } }

async function openCore(core: string, body: string, extra: Parameters<typeof guestWat>[0] = {}) {
  const exports = { ...extra, next: { core: `(result i32) ${body}`, type: '(result u32)' } }
  const component = loadComponent(await bytesOfWat(guestWat(exports, core)), limits)
  return instantiate(component, options)
}

/** How a module with this table is reset. */
async function planOf(elements: number, code = '') {
  const bytes = await bytesOfWat(guestWat({}, `(table $t ${elements} funcref) ${code}`))
  return loadComponent(bytes, { ...limits, tableElementsMax: 10_000 }).plan
}

describe('a reset', () => {
  it.each([
    [
      'memory',
      '',
      '(i32.store8 (i32.const 9) (i32.add (i32.load8_u (i32.const 9)) (i32.const 1))) (i32.load8_u (i32.const 9))',
    ],
    [
      'a global',
      '(global $n (mut i32) (i32.const 0))',
      '(global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n)',
    ],
    [
      'a global of 64 bits',
      '(global $n (mut i64) (i64.const 0))',
      '(global.set $n (i64.add (global.get $n) (i64.const 1))) (i32.wrap_i64 (global.get $n))',
    ],
    [
      'a table',
      `(table $t 3 funcref) (elem (i32.const 0) $one $two)
        (func $one (result i32) (i32.const 1)) (func $two (result i32) (i32.const 2))`,
      '(call_indirect $t (result i32) (i32.const 0)) (table.set $t (i32.const 0) (table.get $t (i32.const 1)))',
    ],
  ])('puts %s back', async (_, core, body) => {
    const instance = await openCore(core, body)
    expect([instance.call('next', []), instance.call('next', [])]).toEqual([1, 2])
    expect(instance.reset()).toBe(true)
    expect([instance.call('next', []), instance.call('next', [])]).toEqual([1, 2])
  })

  it.each([
    ['a memory', '', '(memory.grow (i32.const 1))'],
    ['a table', '(table $t 3 funcref)', '(table.grow $t (ref.null func) (i32.const 1))'],
  ])('gives up once %s has grown', async (_, core, body) => {
    const instance = await openCore(core, body)
    expect(instance.reset()).toBe(true)
    instance.call('next', [])
    expect(instance.reset()).toBe(false)
  })

  it('survives growth by nothing, which detaches views', async () => {
    const instance = await openCore(
      '',
      '(drop (memory.grow (i32.const 0))) (i32.load8_u (i32.const 9)) (i32.store8 (i32.const 9) (i32.const 5))',
    )
    expect(instance.call('next', [])).toBe(0)
    expect(instance.reset()).toBe(true)
    expect(instance.call('next', [])).toBe(0)
  })

  it.each([
    ['data', '(data $d "x")', '(data.drop $d) (i32.const 0)'],
    ['element', '(func $f) (elem $e func $f)', '(elem.drop $e) (i32.const 0)'],
  ])('is not offered when the code drops %s segments', async (_, core, body) => {
    const instance = await openCore(core, body)
    expect(instance.reset()).toBe(false)
  })

  it('is not offered where it would copy more elements of tables, one by one, than it may', async () => {
    const writes = '(func (table.set $t (i32.const 0) (ref.null func)))'
    const most = await planOf(TABLE_COPY_ELEMENTS_MAX, writes)
    expect(most).toMatchObject({ copiesTables: true, isResettable: true })
    expect(await planOf(TABLE_COPY_ELEMENTS_MAX + 1, writes)).toMatchObject({ isResettable: false })
    // What nobody writes is not copied.
    expect(await planOf(9_999)).toMatchObject({ copiesTables: false, isResettable: true })
  })

  it('forgets handles', async () => {
    const calls: unknown[] = []
    const things = { make: () => ({}), '[method]thing.use': (thing: unknown) => void calls.push(thing) }
    const component = loadComponent(
      await bytesOfWat(
        guestWat({
          make: { core: '(result i32) (call $make)', type: '(result u32)' },
          use: { core: '(call $use (i32.const 1))', type: '' },
        }),
      ),
      limits,
    )
    const instance = instantiate(component, { ...options, imports: { 'test:host/things@0.1.0': things } })
    expect(instance.call('make', [])).toBe(1)
    instance.call('use', [])
    expect(calls).toHaveLength(1)
    expect(instance.reset()).toBe(true)
    expect(() => instance.call('use', [])).toThrow('handle 1 is not held')
  })

  it('leaves nothing of one event to the next in a QuickJS guest', async () => {
    const component = loadComponent(await fixtureBytes('every-ts'), {
      memoryBytesMax: 2 ** 25,
      tableElementsMax: 1_000,
    })
    const instance = instantiate(component, { ...options, imports: openHost().imports })
    const count = () => instance.call('handle', [new TextEncoder().encode('count')])
    const first = count()
    expect(count()).not.toEqual(first)
    for (let event = 0; event < 50; event += 1) {
      expect(instance.reset()).toBe(true)
      expect(count()).toEqual(first)
    }
  })
})

describe('a component', () => {
  it('passes to a worker compiled', async () => {
    const component = loadComponent(
      await bytesOfWat(guestWat({ one: { core: '(result i32) (i32.const 1)', type: '(result u32)' } })),
      limits,
    )
    const source = `
      import { parentPort, workerData } from 'node:worker_threads'
      const { instantiate } = await import(workerData.url)
      const wasi = { nowMs: () => 0, write() {} }
      const instance = instantiate(workerData.component, { imports: {}, liftBytesMax: 64, wasi })
      parentPort.postMessage(instance.call('one', []))`
    const url = new URL('./instantiate.ts', import.meta.url).href
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
      workerData: { component, url },
    })
    const answer = await new Promise((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    await worker.terminate()
    expect(answer).toBe(1)
  })
})
