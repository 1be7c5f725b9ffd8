import { expect, test } from 'vitest'

import { CALLS_PER_LOOK } from '#host/plugin/limits.ts'

import { openSeat, extismOf } from '../extism/fixtures/seat.ts'
import { entryOf, extismManifest, outputOf, pluginBytes } from '../extism/fixtures/wat.ts'
import { bytesOfWat, guestWat } from './fixtures/wat.ts'
import { instantiate } from './instantiate.ts'
import { loadComponent } from './load.ts'
import { openToll } from './toll.ts'

const late = expect.objectContaining({ reason: 'deadline' }) as unknown
const fuel = 1_000_000

/** Counts how often it is asked; late after so many times. */
function clock(times: number) {
  const seen = { asked: 0 }
  return { seen, isLate: () => (seen.asked += 1) > times }
}

test('all functions share one count, and the clock is looked at in time', () => {
  const { seen, isLate } = clock(1)
  const toll = openToll(isLate)
  const [first, second] = [toll((value) => value), toll(() => undefined)]
  for (let at = 0; at < CALLS_PER_LOOK; at++) expect(first(at)).toBe(at)
  expect(seen.asked).toBe(1)
  for (let at = 1; at < CALLS_PER_LOOK; at++) second()
  expect(seen.asked).toBe(1)
  expect(() => second()).toThrow(late)
})

const loop = (count: number, call: string) => `(loop $again ${call}
  (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const ${count}))))`

const says = (count: number) => `(local $n i32) ${loop(count, '(call $say (i32.const 0) (i32.const 1))')}`

test('a component that calls out all the time is late before its slice of fuel is over', async () => {
  const exports = {
    short: { core: says(CALLS_PER_LOOK - 1), type: '' },
    long: { core: says(4 * CALLS_PER_LOOK), type: '' },
  }
  const { seen, isLate } = clock(2)
  const component = loadComponent(await bytesOfWat(guestWat(exports)), {
    memoryBytesMax: 2 ** 20,
    tableElementsMax: 100,
    fuel,
  })
  let said = 0
  const instance = instantiate(component, {
    imports: { 'test:host/things@0.1.0': { say: () => void (said += 1) } },
    liftBytesMax: 4_096,
    wasi: { nowMs: () => 0, write: () => undefined },
    isLate,
  })
  instance.call('short', [])
  expect(seen.asked).toBe(0)
  expect(() => instance.call('long', [])).toThrow(late)
  expect([seen.asked, said]).toEqual([3, 3 * CALLS_PER_LOOK - 1])
})

test('a plug-in that calls its kernel all the time is, too; what it calls to start is of no event', async () => {
  const extra = `(data (i32.const 0) "{\\"reply\\":0}") (func (export "_initialize") (local $n i32)
    ${loop(4 * CALLS_PER_LOOK, '(call $free (call $alloc (i64.const 1)))')})`
  const call = '(call $free (call $alloc (i64.const 1)))'
  const handle = `(local $n i32) ${loop(4 * CALLS_PER_LOOK, call)} ${outputOf(0, '{"reply":0}')} (i32.const 0)`
  const plugin = extismOf(entryOf(extismManifest('test', { limits: { fuel } }), await pluginBytes(handle, { extra })))
  const { seen, isLate } = clock(2)
  const { begin, start } = openSeat()
  const instance = start(plugin, isLate)
  expect(seen.asked).toBe(0)
  begin()
  expect(() => instance.call('handle', [new Uint8Array()])).toThrow(late)
  expect(seen.asked).toBe(3)
})
