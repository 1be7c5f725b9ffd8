import { readFileSync } from 'node:fs'

import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { Refusal } from '#host/errors.ts'
import { CASES_BYTES_MAX, CASES_MAX } from '#host/limits.ts'
import { manifestOf } from '#host/plugin/fixtures/stage.ts'
import type { Effects } from '#host/plugin/port.ts'
import { HandlerRefusal } from '#host/plugin/refusal.ts'
import { type Case, parseCases } from './cases.ts'
import { eventTypes } from './event-types.ts'
import { jsonLines, lineOf } from './json-lines.ts'
import { differences } from './judge.ts'
import { runCases } from './run-cases.ts'

const encoder = new TextEncoder()

/** The mistakes of a cases file. */
function mistakesOf(text: string): string[] {
  try {
    parseCases(text, 'c.json')
    return []
  } catch (error) {
    if (error instanceof Refusal && error.code === 'cases-invalid') return error.message.split('\n')
    throw error
  }
}

test('every mistake in a cases file is told by its line', () => {
  const text = `{ "cases": [
    { "name": "a", "event": "x.y", "expect": { "reply": 1, "accepted": true } },
    { "name": "a", "event": "x.y", "given": { "clock": 3 },
      "expect": { "failure": "no-such-code" } }
  ] }`
  expect(mistakesOf(text)).toEqual([
    expect.stringMatching(/^c\.json:2: cases\.0\.expect: must have exactly one of/u),
    expect.stringMatching(/^c\.json:3: cases\.1\.given: .*clock/u),
    expect.stringMatching(/^c\.json:4: cases\.1\.expect\.failure/u),
  ])
  expect(mistakesOf('{ "cases": [\n { "name": "a", \n } ] }')).toEqual([
    expect.stringMatching(/^c\.json:3: is not JSON/u),
  ])
  const twice = { name: 'a', event: 'x.y', expect: { accepted: true } }
  expect(mistakesOf(JSON.stringify({ cases: [twice, twice] }))).toEqual([
    'c.json:1: cases: two cases have the same name',
  ])
})

function many(count: number): string {
  const one = { event: 'x.y', expect: { accepted: true } }
  return JSON.stringify({ cases: Array.from({ length: count }, (_, at) => ({ name: `c${at}`, ...one })) })
}

test('a cases file has its limits', () => {
  expect(mistakesOf(many(CASES_MAX))).toEqual([])
  expect(mistakesOf(many(CASES_MAX + 1))).toEqual([expect.stringMatching(/^c\.json:1: cases: /u)])
  expect(mistakesOf(many(1) + ' '.repeat(CASES_BYTES_MAX))).toEqual([`c.json:1: is over ${CASES_BYTES_MAX} bytes`])
})

test('the line of a value is found in any JSON', () => {
  fc.assert(
    fc.property(fc.jsonValue({ depthSize: 'small' }), (value) => {
      const text = JSON.stringify({ before: [value, value], target: value, 'last}"': 1 }, null, 2)
      const lines = jsonLines(text)
      const expected = text.split('\n').findIndex((line) => line.startsWith('  "target"')) + 1
      expect(lineOf(lines, 'target')).toBe(expected)
      expect(lineOf(lines, 'target.nothing.there')).toBe(expected)
      expect(lineOf(lines, '(root)')).toBe(1)
    }),
  )
})

function caseOf(expect: Record<string, unknown>): Case {
  const [one] = parseCases(JSON.stringify({ cases: [{ name: 'a', event: 'x.y', expect }] }), 'c.json')
  if (one === undefined) throw new Error('no case')
  return one
}

const effects: Effects = {
  question: undefined,
  reply: encoder.encode('{"b":1,"a":[2]}'),
  changes: [
    { namespace: 'connection/case', key: 'k', value: encoder.encode('{"n": 1}') },
    { namespace: 'connection/case', key: 'gone', value: null },
    { namespace: 'handler/x', key: 'n', value: encoder.encode('7') },
  ],
  expected: [],
  facts: [],
  outgoing: [{ to: 'owner', type: 'x.told', body: encoder.encode('{"n":1}') }],
  log: [],
  hostCalls: 3,
}
const asked = { text: 'Pay?', choices: ['card'] }
const refused = new HandlerRefusal({ code: 'too-late', message: 'it is over', retry: true })

test.each([
  [{ reply: { a: [2], b: 1 } }, effects],
  [{ reply: { a: [2], b: 1 }, writes: { k: { json: { n: 1 } }, gone: null } }, effects],
  [{ reply: { a: [2], b: 1 }, writes: { k: '{"n": 1}', gone: null } }, effects],
  [{ reply: { a: [2], b: 1 }, outgoing: [{ to: 'owner', type: 'x.told', body: { n: 1 } }], hostCallsMax: 3 }, effects],
  [{ reply: { a: [2], b: 1 }, handlerWrites: { n: '7' } }, effects],
  [{ accepted: true }, { ...effects, reply: undefined }],
  [{ suspended: asked }, { ...effects, reply: undefined, question: asked }],
  [{ refusal: { code: 'too-late' } }, refused],
  [{ refusal: { code: 'too-late', message: 'it is over', retry: true } }, refused],
  [{ failure: 'handler-deadline' }, new Refusal('handler-deadline')],
])('%j is met', (expected, ended) => {
  expect(differences(caseOf(expected), ended)).toEqual([])
})

test.each([
  [{ reply: { a: [2] } }, effects, /^expected \{"a":\[2\]\}, got \{"b":1,"a":\[2\]\}$/],
  [{ accepted: true }, effects, /^expected accepted, got/],
  [{ accepted: true }, { ...effects, reply: undefined, question: asked }, /^expected accepted, asked the owner/],
  [{ suspended: asked }, effects, /^expected to ask the owner .*, got/],
  [{ reply: null }, { ...effects, reply: undefined }, /got accepted/],
  [{ reply: { a: [2], b: 1 }, writes: { k: { json: { n: 1 } } } }, effects, /nothing at "gone"/],
  [{ reply: { a: [2], b: 1 }, writes: { k: { json: { n: 2 } }, gone: null } }, effects, /at "k"/],
  [{ reply: { a: [2], b: 1 }, writes: { k: '{"n":1}', gone: null } }, effects, /at "k"/],
  [{ reply: { a: [2], b: 1 }, writes: { k: '{"n": 1}', gone: 'x' } }, effects, /"gone", it is deleted/],
  [{ reply: { a: [2], b: 1 }, handlerWrites: {} }, effects, /nothing at "n"/],
  [{ reply: { a: [2], b: 1 }, outgoing: [] }, effects, /expected to send \[\]/],
  [{ reply: { a: [2], b: 1 }, hostCallsMax: 2 }, effects, /at most 2 host calls, made 3/],
  [{ refusal: { code: 'too-late', retry: false } }, refused, /"retry":false.*"retry":true/],
  [{ refusal: { code: 'too-late', message: 'no' } }, refused, /"message":"no"/],
  [{ refusal: { code: 'too-soon' } }, refused, /too-soon.*too-late/],
  [{ failure: 'handler-deadline' }, refused, /expected handler-deadline, got refusal/],
  [{ failure: 'handler-deadline' }, new Refusal('handler-memory'), /expected handler-deadline, got handler-memory/],
  [{ failure: 'handler-deadline' }, effects, /expected handler-deadline, got/],
])('%j is not met', (expected, ended, says) => {
  expect(differences(caseOf(expected), ended)).toEqual([expect.stringMatching(says)])
})

const shares = manifestOf('shares')
const component = new Uint8Array(readFileSync(new URL('../../../.cache/fixtures/shares.wasm', import.meta.url)))

test('a case fills the areas of sandboxes, and holds what is wished for there against what it expects', async () => {
  const given = {
    sandboxes: { s1: { mutual: { a: 'old' }, own: { mine: 'kept' } }, s2: { mutual: {}, writable: false } },
  }
  const ask = (name: string, request: string, expect: unknown) => ({
    name,
    event: 'shares.run',
    request,
    given,
    expect,
  })
  const all = [
    ask('writes', 'write|sandbox/s1/mutual|a|new', { reply: 'old', sandboxes: { s1: { mutual: { a: 'new' } } } }),
    ask('removes', 'remove|sandbox/s1/mutual|a', {
      reply: 'old',
      sandboxes: { s1: { mutual: { a: null } } },
      writes: {},
    }),
    ask('reads its own side', 'read|sandbox/s1/own|mine', { reply: 'kept', sandboxes: {} }),
    ask('may not write to its own side', 'write|sandbox/s1/own|mine|x', { reply: 'refused', sandboxes: {} }),
    ask('may not write to the other one', 'write|sandbox/s2/mutual|a|x', { reply: 'refused', sandboxes: {} }),
    ask('sees no third one', 'read|sandbox/s3/mutual|a', { reply: 'unavailable' }),
    ask('is told what it should not write', 'write|sandbox/s1/mutual|a|new', { reply: 'old', sandboxes: {} }),
  ]
  const cases = parseCases(JSON.stringify({ cases: all }), 'c.json')
  const results = await runCases({ manifest: shares, component, cases })
  const wrong = results.flatMap(({ name, mistakes }) => mistakes.map((mistake) => `${name}: ${mistake}`))
  expect(wrong).toEqual([
    'is told what it should not write: expected nothing at "sandbox/s1/mutual/a", which it writes',
  ])
})

test('types of bodies follow the schemas', () => {
  const request = {
    type: 'object',
    properties: {
      kind: { enum: ['a', 'b'] },
      'to-pay': { type: ['integer', 'null'] },
      names: { type: 'array', items: { anyOf: [{ type: 'string' }, { type: 'boolean' }] } },
      open: { type: 'object', additionalProperties: { type: 'number' } },
    },
    required: ['kind'],
  }
  const event = {
    type: 'x.y',
    delivery: 'critical',
    from: ['connection'],
    permission: null,
    approval: 'never',
    fields: null,
  } as const
  const text = eventTypes([{ ...event, request, reply: { const: true } }])
  for (const line of [
    `'x.y': {`,
    `readonly kind: "a" | "b"`,
    `readonly "to-pay"?: number | null`,
    `readonly names?: readonly (string | boolean)[]`,
    `readonly open?: Readonly<Record<string, number>>`,
    `reply: true`,
  ]) {
    expect(text).toContain(line)
  }
})
