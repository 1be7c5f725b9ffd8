import { expect, test } from 'vitest'

import { REFUSAL_MESSAGE_BYTES_MAX } from '#host/limits.ts'
import { EXTISM_ANSWER_BYTES, EXTISM_BLOCKS_MAX, EXTISM_IDLE_BYTES } from '#host/plugin/limits.ts'

import { granting, memoryNamespace } from '../fixtures/stage.ts'
import { openBlocks } from './blocks.ts'
import { extismOf, openSeat } from './fixtures/seat.ts'
import { dataAt, entryOf, extismManifest, outputOf, pluginBytes } from './fixtures/wat.ts'

const done = '{"reply":0}'
const none = new Uint8Array([0x31])

async function started(handle: string, options: Parameters<typeof pluginBytes>[1] = {}) {
  const bytes = await pluginBytes(handle, options)
  const plugin = extismOf(entryOf(extismManifest('test', { needs: { log: true } }), bytes))
  const { seat, begin, start } = openSeat(granting(memoryNamespace()))
  // It starts outside of any event, as in a cell.
  seat.end()
  const instance = start(plugin)
  return {
    seat,
    instance,
    run: (body = none): unknown => {
      begin()
      const handled = instance.call('handle', [body]) as { tag: string; val: { tag: string; val: Uint8Array } }
      const value = handled.tag === 'ok' && handled.val.tag === 'reply' ? handled.val.val : undefined
      return value === undefined ? handled : (JSON.parse(new TextDecoder().decode(value)) as unknown)
    },
  }
}

/** Gives the digit `$i` as the reply. */
const digit = `(local.set $a (call $text (i32.const 0) (i32.const 11)))
  (call $store_u8 (i64.add (local.get $a) (i64.const 9)) (i32.add (i32.const 48) (local.get $i)))
  (call $output_set (local.get $a) (i64.const 11)) (i32.const 0)`

test('calls without end: blocks that are never freed are gone with their event', async () => {
  const { run, instance } = await started(
    `(drop (call $alloc (i64.const 1000))) (drop (call $input_offset)) ${outputOf(0, done)} (i32.const 0)`,
    { extra: dataAt(0, done) },
  )
  for (let at = 0; at < 20_000; at += 1) {
    if (run() !== 0 || !instance.reset()) throw new Error(`died at call ${at}`)
  }
})

test('nothing is left for the next tenant: memory, globals, tables, blocks, variables, input, output', async () => {
  const remembers = {
    memory: ['(local.set $i (i32.load8_u (i32.const 99)))', '(i32.store8 (i32.const 99) (i32.const 1))'],
    global: ['(local.set $i (global.get $g))', '(global.set $g (i32.const 1))'],
    table: [
      '(local.set $i (i32.eqz (ref.is_null (table.get $t (i32.const 0)))))',
      '(table.set $t (i32.const 0) (ref.func $f))',
    ],
    blocks: [
      '(local.set $b (call $alloc (i64.const 8))) (local.set $i (call $load_u8 (local.get $b)))',
      '(call $store_u8 (local.get $b) (i32.const 1))',
    ],
    vars: [
      `(local.set $b (call $text (i32.const 0) (i32.const 2)))
       (local.set $i (i64.ne (call $var_get (local.get $b)) (i64.const 0)))`,
      '(call $var_set (local.get $b) (local.get $b))',
    ],
  }
  const extra = `(global $g (mut i32) (i32.const 0)) (table $t 1 funcref) (func $f) (elem declare func $f)
    ${dataAt(0, done)}`
  for (const [name, [read, write]] of Object.entries(remembers)) {
    const { run, instance } = await started(`${read} ${write} ${digit}`, { extra })
    expect([name, run(), run()], 'it does remember without a reset').toEqual([name, 0, name === 'blocks' ? 0 : 1])
    expect(instance.reset()).toBe(true)
    for (let at = 0; at < 2_000; at += 1) {
      if (run() !== 0 || !instance.reset()) throw new Error(`${name}: remembered at event ${at}`)
    }
  }
})

test('an event that says nothing is not given the output of the one before', async () => {
  const { run, instance } = await started(
    `(if (i64.eq (call $input_length) (i64.const 1)) (then ${outputOf(0, done)})) (i32.const 0)`,
    { extra: dataAt(0, done) },
  )
  expect(run()).toBe(0)
  expect(instance.reset()).toBe(true)
  expect(() => run(new Uint8Array(2))).toThrow('answered nothing')
})

test('an instance whose memory grew, or that failed, is replaced', async () => {
  const grows = await started(`(drop (memory.grow (i32.const 1))) ${outputOf(0, done)} (i32.const 0)`, {
    extra: dataAt(0, done),
  })
  expect(grows.run()).toBe(0)
  expect(grows.instance.reset()).toBe(false)
  const fails = await started('(unreachable)')
  expect(() => fails.run()).toThrow('unreachable')
  expect(fails.instance.reset()).toBe(false)
  expect(() => fails.run()).toThrow('replace it')
})

test('what it keeps while it starts belongs to no event', async () => {
  const { run } = await started(
    `(local.set $b (call $text (i32.const 0) (i32.const 2)))
     (local.set $i (i64.ne (call $var_get (local.get $b)) (i64.const 0))) ${digit}`,
    {
      extra: `${dataAt(0, done)} (func (export "_initialize") (local $b i64)
        (local.set $b (call $text (i32.const 0) (i32.const 2)))
        (call $var_set (local.get $b) (local.get $b)))`,
    },
  )
  expect(run()).toBe(0)
})

test('code that drops a segment cannot be reset', async () => {
  const { run, instance } = await started(`(data.drop $d) ${outputOf(0, done)} (i32.const 0)`, {
    extra: `${dataAt(0, done)} (data $d "x")`,
  })
  expect(run()).toBe(0)
  expect(instance.reset()).toBe(false)
})

/** Answers in so many bytes. */
async function spaced(size: number) {
  const output = `(local.set $a (call $text (i32.const 0) (i32.const ${size}))) (call $output_set (local.get $a) `
  return started(`${output} (i64.const ${size})) (i32.const 0)`, { extra: dataAt(0, done.padEnd(size)) })
}

test('an answer is as long as a reply may be, and no longer', async () => {
  expect((await spaced(10_000 + EXTISM_ANSWER_BYTES)).run()).toBe(0)
  const longer = await spaced(10_001 + EXTISM_ANSWER_BYTES)
  expect(() => longer.run()).toThrow('replied with more than 10000 bytes')
})

test.each([
  ['{"accepted":true}', { tag: 'ok', val: { tag: 'accepted' } }],
  ['{"reply": {"a": [1, "ü"]} }', { a: [1, 'ü'] }],
  [
    '{"refusal":{"code":"not-now","message":"later","retry":true}}',
    { tag: 'err', val: { code: 'not-now', message: 'later', retry: true } },
  ],
  [
    '{"suspended":{"text":"Really?","choices":["once"]}}',
    { tag: 'ok', val: { tag: 'suspended', val: { text: 'Really?', choices: ['once'] } } },
  ],
  ['{"suspended":{"text":"?"}}', { tag: 'ok', val: { tag: 'suspended', val: { text: '?', choices: [] } } }],
  ['{"refusal":{"code":"no","message":"no"}}', { tag: 'err', val: { code: 'no', message: 'no', retry: false } }],
])('understands %s', async (answer, expected) => {
  const { run } = await started(`${outputOf(0, answer)} (i32.const 0)`, { extra: dataAt(0, answer) })
  expect(run()).toEqual(expected)
})

test.each([
  '{"accepted":false}',
  '{}',
  '[]',
  'null',
  '"reply"',
  '{"reply":1,"more":2}',
  '{"refusal":{"code":1,"message":"m"}}',
  '{"refusal":{"code":"c","message":"m","extra":1}}',
  '{"refusal":"no"}',
  '{"suspended":{"text":"?","choices":[1]}}',
  '{"suspended":{"choices":[]}}',
])('does not take %s for an answer', async (answer) => {
  const { run } = await started(`${outputOf(0, answer)} (i32.const 0)`, { extra: dataAt(0, answer) })
  expect(() => run()).toThrow(expect.objectContaining({ reason: 'output' }))
})

const refusal = (message: string) => ({ tag: 'err', val: { code: 'plugin-error', message, retry: false } })

test('an error, or a code that is not 0, is the refusal plugin-error', async () => {
  const says = '(call $error_set (call $text (i32.const 0) (i32.const 4)))'
  const extra = dataAt(0, 'oops')
  expect((await started(`${says} (i32.const 0)`, { extra })).run()).toEqual(refusal('oops'))
  expect((await started(`${says} (i32.const 7)`, { extra })).run()).toEqual(refusal('oops'))
  expect((await started('(i32.const 7)')).run()).toEqual(refusal('the plug-in returned 7'))
})

test.each([
  ['ascii', 'x', REFUSAL_MESSAGE_BYTES_MAX],
  ['a character cut in two', '€', 255],
])('a long error is cut to a message: %s', async (_, letter, size) => {
  const text = letter.repeat(400)
  const bytes = Buffer.byteLength(text)
  const says = `(call $error_set (call $text (i32.const 0) (i32.const ${bytes}))) (i32.const 1)`
  const { run } = await started(says, { extra: dataAt(0, text) })
  const message = letter.repeat(size / Buffer.byteLength(letter))
  expect(run()).toMatchObject({ val: { message } })
})

test('blocks: freed room is used again and empty; what stays between events is small', () => {
  const blocks = openBlocks(1 << 20)
  for (let at = 0; at < 10_000; at += 1) {
    const block = blocks.alloc(100_000)
    if (blocks.loadU8(block) !== 0) throw new Error('a block holds what another held')
    blocks.storeU8(block, 1)
    blocks.free(block)
  }
  const last = blocks.alloc(2 * EXTISM_IDLE_BYTES)
  blocks.storeU64(last, 0xffff_ffff_ffff_ffffn)
  blocks.reset()
  expect(blocks.length(last)).toBe(0)
  expect(blocks.loadU64(blocks.alloc(2 * EXTISM_IDLE_BYTES))).toBe(0n)
  expect(() => blocks.alloc(1 << 20)).toThrow(expect.objectContaining({ reason: 'memory' }))
})

test('blocks: so many at a time, however small', () => {
  const blocks = openBlocks(8 << 20)
  for (let at = 0; at < EXTISM_BLOCKS_MAX; at += 1) blocks.alloc(0)
  expect(() => blocks.alloc(0)).toThrow(`holds more than ${EXTISM_BLOCKS_MAX} blocks`)
})

test('variables: a value that replaces another takes its room', async () => {
  const { run } = await started(
    `(local.set $a (call $text (i32.const 0) (i32.const 4)))
     (local.set $b (call $alloc (i64.const 100000)))
     (loop $again
       (call $var_set (local.get $a) (local.get $b))
       (local.set $i (i32.add (local.get $i) (i32.const 1)))
       (br_if $again (i32.lt_u (local.get $i) (i32.const 100))))
     (local.set $i (i64.eq (call $length (call $var_get (local.get $a))) (i64.const 100000))) ${digit}`,
    { extra: dataAt(0, done) },
  )
  expect(run()).toBe(1)
})
