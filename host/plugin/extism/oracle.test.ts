/** The same plug-in under `@extism/extism` and under our kernel: the same output, error, log and writes. */
import { readFileSync } from 'node:fs'

import { type CallContext, createPlugin } from '@extism/extism'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { granting, memoryNamespace, registryOf } from '../fixtures/stage.ts'
import { extismOf, openSeat } from './fixtures/seat.ts'
import { userFunctions } from './user.ts'

const registry = registryOf('extism-kernel')
const plugin = extismOf(registry.handlers[0]!)
const bytes = new Uint8Array(readFileSync(new URL('../../../.cache/fixtures/extism-kernel.wasm', import.meta.url)))

function stocked() {
  const namespace = memoryNamespace()
  namespace.set('k', 'old', 3)
  return openSeat(granting(namespace))
}

async function openOracle() {
  const { seat, begin, user } = stocked()
  const functions = Object.fromEntries(
    [...userFunctions.keys()].map((name) => [
      name,
      (context: CallContext, at: bigint) =>
        context.store(JSON.stringify(user.answer(name, at === 0n ? {} : context.read(at)?.json()))),
    ]),
  )
  const logger = {
    ...console,
    info: (line: string) => seat.print('info', line),
    warn: (line: string) => seat.print('warn', line),
  }
  const oracle = await createPlugin(
    { wasm: [{ data: bytes }] },
    { useWasi: false, functions: { 'extism:host/user': functions }, logger },
  )
  return {
    async run(input: Uint8Array) {
      begin()
      user.reset()
      const result = await oracle.call('handle', input).then(
        (output) => JSON.parse(output?.text() ?? '') as unknown,
        (error: Error) => error.message.replace('Plugin-originated error: ', ''),
      )
      await oracle.reset()
      const { writes, log } = seat.end()
      return { result, writes, log }
    },
  }
}

function openOurs() {
  const { seat, begin, start } = stocked()
  const instance = start(plugin)
  return {
    run(input: Uint8Array) {
      begin()
      const handled = instance.call('handle', [input]) as { tag: string; val: { val: Uint8Array; message: string } }
      const { val } = handled
      const result: unknown =
        handled.tag === 'ok' ? { reply: JSON.parse(new TextDecoder().decode(val.val)) as unknown } : val.message
      const { writes, log } = seat.end()
      instance.reset()
      return { result, writes, log }
    },
  }
}

test('both agree on whatever the input is', async () => {
  const oracle = await openOracle()
  const ours = openOurs()
  const inputs = fc.oneof(
    { weight: 4, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 300 }) },
    fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => new TextEncoder().encode(`!${text}`)),
  )
  await fc.assert(
    fc.asyncProperty(inputs, async (input) => {
      // The package takes a whole buffer as its block, whatever the view.
      expect(ours.run(input)).toEqual(await oracle.run(input.slice()))
    }),
    { numRuns: 300 },
  )
})

test('what they agree on is what was meant', () => {
  const { result, writes, log } = openOurs().run(new Uint8Array([1, 2, 3]))
  expect(result).toMatchObject({
    reply: {
      echo: 'AwIB',
      zeros: true,
      known: 'AQID',
      gone: true,
      config: null,
      length: 3,
      before: { value: 'b2xk', revision: 3 },
      put: true,
      after: { value: 'AQID', revision: 4 },
      elsewhere: 'unavailable',
      now: 1_800_000_000_000,
    },
  })
  expect(writes).toEqual([{ label: 'connection', key: 'k', value: new Uint8Array([1, 2, 3]) }])
  expect(log).toEqual([
    { level: 'info', message: 'size 3' },
    { level: 'warn', message: 'über' },
  ])
  expect(openOurs().run(new TextEncoder().encode('!no'))).toMatchObject({ result: '!no', writes: [] })
})
