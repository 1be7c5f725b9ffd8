/** The WASI table without any runtime on top: by hand, so that it is tested where there is no Go. */
import { expect, test } from 'vitest'

import { RANDOM_BYTES_MAX } from '#host/limits.ts'

import { now } from '../fixtures/seat.ts'
import { openSeat } from './fixtures/seat.ts'
import { loadExtism } from './load.ts'
import { dataAt, pluginBytes } from './fixtures/wat.ts'
import { wasiSignatures } from './wasi.ts'

/** A list of types in the text format, of a signature's letters. */
function typesOf(letters = ''): string {
  return letters.replaceAll('i', 'i32 ').replaceAll('l', 'i64 ')
}

/** Runs `code` with the named function as `$f`; what it leaves on the stack is the code `handle` returns. */
async function started(name: string, code: string, options: { random?: boolean; extra?: string } = {}) {
  const [params, results] = (wasiSignatures.get(name) ?? '').split(':')
  const type = `(param ${typesOf(params)}) (result ${typesOf(results)})`
  const imports = `(import "wasi_snapshot_preview1" "${name}" (func $f ${type}))`
  const bytes = await pluginBytes(code, { imports, extra: options.extra ?? '' })
  const limits = { memoryBytesMax: 4 << 20, tableElementsMax: 10, random: options.random ?? false }
  const { seat, begin, start } = openSeat()
  // It starts outside of any event, as in a cell.
  seat.end()
  const instance = start(loadExtism(bytes, limits))
  return {
    seat,
    /** The code, as the refusal's message has it. */
    run: (): string => {
      begin()
      const handled = instance.call('handle', [new Uint8Array(1)]) as { val: { message: string } }
      return handled.val.message.replace('the plug-in returned ', '')
    },
    reset: () => instance.reset(),
  }
}

test('the clock is the event’s, and no plug-in sees it at 0', async () => {
  const read = `(drop (call $f (i32.const 0) (i64.const 0) (i32.const 8)))
    (i32.wrap_i64 (i64.div_u (i64.load (i32.const 8)) (i64.const 1000000000)))`
  expect((await started('clock_time_get', read)).run()).toBe(String(now / 1_000))
  const early = `(func $s (drop (call $f (i32.const 0) (i64.const 0) (i32.const 8)))) (export "_initialize" (func $s))`
  const atStart = await started('clock_time_get', '(i32.wrap_i64 (i64.load (i32.const 8)))', { extra: early })
  expect(atStart.run()).toBe('1')
})

test('arguments and environment are empty', async () => {
  for (const name of ['args_sizes_get', 'environ_sizes_get']) {
    const count = `(i32.store (i32.const 8) (i32.const 7)) (i32.store (i32.const 12) (i32.const 7))
      (i32.add (call $f (i32.const 8) (i32.const 12))
        (i32.add (i32.const 1) (i32.or (i32.load (i32.const 8)) (i32.load (i32.const 12)))))`
    expect([name, (await started(name, count)).run()]).toEqual([name, '1'])
  }
})

test('files are not there: every call about one fails', async () => {
  const failing = [...wasiSignatures].filter(([name]) => /^(fd|path)_/u.test(name) && name !== 'fd_write')
  for (const [name, signature] of failing) {
    const given = typesOf(signature.split(':')[0]).replaceAll(/(i\d\d)/gu, '($1.const 0)')
    expect([name, (await started(name, `(call $f ${given})`)).run()]).toEqual([name, '8'])
  }
})

const printed = (text: string) =>
  `${dataAt(64, text)} (data (i32.const 8) "\\40\\00\\00\\00\\0${text.length}\\00\\00\\00")`
const print = (...[fd, vectors = 8, count = 1, written = 16]: [number, number?, number?, number?]) => {
  const given = [fd, vectors, count, written].map((value) => `(i32.const ${value})`)
  return `(i32.add (i32.const 1) (call $f ${given.join(' ')}))`
}

test('what is printed to stdout and stderr is logged, by lines; nothing else can be written to', async () => {
  for (const fd of [1, 2]) {
    const { seat, run } = await started('fd_write', print(fd), { extra: printed('a\\0a') })
    expect(run()).toBe('1')
    expect(seat.end().log).toEqual([{ level: 'debug', message: 'a' }])
  }
  expect((await started('fd_write', print(0), { extra: printed('a\\0a') })).run()).toBe('9')
  expect((await started('fd_write', print(3), { extra: printed('a\\0a') })).run()).toBe('9')
})

test('half a line is not there for the next event', async () => {
  const { seat, run, reset } = await started('fd_write', print(1), { extra: printed('abc') })
  run()
  expect(reset()).toBe(true)
  for (let at = 0; at < 400; at += 1) {
    run()
    expect(seat.end().log).toEqual([])
    reset()
  }
})

test.each([
  ['vectors', print(1, 65_535)],
  ['many vectors', print(1, 8, -1)],
  ['the count written', print(1, 8, 0, -4)],
])('an address outside of its memory ends the event: %s', async (_, code) => {
  const { run } = await started('fd_write', code, { extra: printed('abc') })
  expect(() => run()).toThrow(expect.objectContaining({ reason: 'lied' }))
})

const draw = (size: number) => `(if (call $f (i32.const 8) (i32.const ${size})) (then (return (i32.const 52))))
  (i32.or (i32.load (i32.const 8)) (i32.const 1))`

test('random bytes come when the manifest needs them; else they fail, they are never constant', async () => {
  const granted = await started('random_get', draw(8), { random: true })
  expect(granted.run()).not.toBe(granted.run())
  expect((await started('random_get', draw(8))).run()).toBe('52')
  const { seat, run } = await started('random_get', draw(3 * RANDOM_BYTES_MAX), { random: true })
  run()
  expect(seat.end().hostCalls).toBe(3)
})

test('sleep is over at once', async () => {
  const poll = `(i64.store (i32.const 64) (i64.const 77))
    (drop (call $f (i32.const 64) (i32.const 256) (i32.const 1) (i32.const 8)))
    (i32.add (i32.wrap_i64 (i64.load (i32.const 256))) (i32.load (i32.const 8)))`
  expect((await started('poll_oneoff', poll)).run()).toBe('78')
})

test('exit ends the event, not the cell', async () => {
  const { run } = await started('proc_exit', '(call $f (i32.const 3)) (i32.const 0)')
  expect(() => run()).toThrow('exited with 3')
})
