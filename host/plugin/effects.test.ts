import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import {
  CHOICE_BYTES_MAX,
  CHOICES_MAX,
  EFFECT_BYTES_MAX,
  KEY_BYTES_MAX,
  OUTBOX_ITEMS_MAX,
  QUESTION_BYTES_MAX,
} from '#host/limits.ts'

import { effectsOf, parseReport } from './effects.ts'
import { granting, jobFor, manifestOf, memoryNamespace, registryOf } from './fixtures/stage.ts'
import { openDesk } from './imports.ts'
import type { Sources } from './port.ts'
import { HandlerRefusal } from './refusal.ts'
import type { Report, Write } from './report.ts'

const registry = registryOf(manifestOf('notes', { hostCalls: 10, outputBytes: 1_000, logBytes: 100 }))
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const outbox: Sources['outbox'] = new Set(['owner'])
const done = { kind: 'done', reply: bytes('{}'), writes: [] as Write[], outgoing: [] as never[], facts: [] } as const
const report = { sequence: 1, outcome: done, hostCalls: 3, log: [], logCut: false } satisfies Report

function judge(given: Partial<Report>, writable = true) {
  const { registered, sources } = jobFor(registry, 'notes', {
    sources: { ...granting(memoryNamespace(), writable, { categories: ['notes'], bytesMax: 100 }), outbox },
  })
  const desk = openDesk(sources, { hostCallsMax: registered.manifest.limits.hostCalls })
  return effectsOf(parseReport({ ...report, ...given }, 1), { registered, sources, desk, answered: false })
}
const code = (code: string): unknown => expect.objectContaining({ code })
const write: Write = { label: 'connection', key: 'a', value: bytes('x') }
const kept = (category?: string): Write => ({ ...write, attributes: { visibility: 'opaque', category } })
const sent = { to: 'owner', type: 'note.added', body: bytes('{}') } as const

test('a call that ended well leaves its effects, under the namespace’s own name', () => {
  expect(
    judge({ outcome: { ...done, writes: [write], outgoing: [sent] }, log: [{ level: 'info', message: 'hi' }] }),
  ).toEqual({
    reply: bytes('{}'),
    changes: [{ namespace: 'connection/acme', key: 'a', value: bytes('x'), author: 'handler/notes' }],
    expected: [],
    outgoing: [sent],
    facts: [],
    log: [{ level: 'info', message: 'hi' }],
    hostCalls: 3,
  })
  expect(judge({ outcome: { ...done, reply: undefined } }).reply).toBeUndefined()
})

test('a fact for the audit trail is in bounds, and of a handler whose manifest needs it', () => {
  const needing = registryOf({ ...manifestOf('notes'), needs: { ...manifestOf('notes').needs, audit: true } })
  const said = (facts: readonly string[], of = needing) => {
    const { registered, sources } = jobFor(of, 'notes', { sources: granting(memoryNamespace()) })
    const event = { registered, sources, desk: openDesk(sources, { hostCallsMax: 10 }), answered: false }
    return effectsOf({ ...report, outcome: { ...done, facts } }, event).facts
  }
  expect(said(['paid', 'x'.repeat(256)])).toHaveLength(2)
  expect(() => said(['paid'], registry)).toThrow(code('handler-lied'))
  for (const facts of [[''], ['x'.repeat(257)], Array.from({ length: 9 }, () => 'paid')]) {
    expect(() => said(facts)).toThrow(code('handler-lied'))
  }
})

test('a category is a name, also where any may be kept', () => {
  const { registered, sources } = jobFor(registry, 'notes', { sources: granting(memoryNamespace()) })
  const desk = openDesk(sources, { hostCallsMax: 10 })
  const judge = (category: string) =>
    effectsOf(
      { ...report, outcome: { ...done, writes: [kept(category)] } },
      { registered, sources, desk, answered: false },
    )
  expect(judge('anything').changes).toMatchObject([{ category: 'anything' }])
  for (const category of ['Notes', '', 'x'.repeat(65)]) expect(() => judge(category)).toThrow(code('handler-lied'))
})

test('how sensitive it is declared goes with the change', () => {
  const attributes = { visibility: 'opaque', category: 'notes', sensitivity: 'critical' } as const
  const { changes } = judge({ outcome: { ...done, writes: [{ ...write, attributes }] } })
  expect(changes).toMatchObject([{ sensitivity: 'critical' }])
})

test('attributes go with the change; none given leaves what there is', () => {
  const [named, unnamed] = judge({ outcome: { ...done, writes: [kept('notes'), kept()] } }).changes
  expect(named).toMatchObject({ visibility: 'opaque', category: 'notes' })
  expect(unnamed).toMatchObject({ visibility: 'opaque', category: null })
})

test.each([
  ['writes where nothing was granted', { ...done, writes: [{ ...write, label: 'personal' }] }],
  ['writes under no key', { ...done, writes: [{ ...write, key: '' }] }],
  ['writes a key over the limit', { ...done, writes: [{ ...write, key: 'é'.repeat(KEY_BYTES_MAX / 2 + 1) }] }],
  ['keeps what is not of the contract’s categories', { ...done, writes: [kept('cards')] }],
  ['keeps what is of no category’s name', { ...done, writes: [kept('Notes')] }],
  ['sends to whom it may not', { ...done, outgoing: [{ ...sent, to: 'connection' as const }] }],
  ['sends to another connection without the right', { ...done, outgoing: [{ ...sent, to: 'connections' as const }] }],
  ['sends to the owner by an alias', { ...done, outgoing: [{ ...sent, alias: 'acme' }] }],
  ['sends an event of no type', { ...done, outgoing: [{ ...sent, type: 'notes' }] }],
])('a cell that %s lies', (_name, outcome) => {
  expect(() => judge({ outcome })).toThrow(code('handler-lied'))
})

test('a write needs the right to write', () => {
  expect(() => judge({ outcome: { ...done, writes: [write] } }, false)).toThrow(code('handler-lied'))
})

test.each([
  ['too large a reply', { ...done, reply: bytes(JSON.stringify('x'.repeat(999))) }],
  ['a reply that is not JSON', { ...done, reply: bytes('{') }],
  ['too many writes', { ...done, writes: Array.from({ length: 11 }, () => write) }],
  [
    'too many bytes',
    { ...done, writes: Array.from({ length: 5 }, () => ({ ...write, value: new Uint8Array(EFFECT_BYTES_MAX / 4) })) },
  ],
  ['too many events', { ...done, outgoing: Array.from({ length: OUTBOX_ITEMS_MAX + 1 }, () => sent) }],
  ['too large an event', { ...done, outgoing: [{ ...sent, body: new Uint8Array(1_001) }] }],
])('refuses %s', (_name, outcome) => {
  expect(() => judge({ outcome })).toThrow(code('handler-output'))
})

test('a reply is held against the manifest’s schema', () => {
  const shipped = registryOf('data-access')
  const { registered, sources } = jobFor(shipped, 'data.request')
  const judge = (reply: unknown) => {
    const desk = openDesk(sources, { hostCallsMax: 10 })
    return effectsOf(
      { ...report, outcome: { ...done, reply: bytes(JSON.stringify(reply)) } },
      { registered, sources, desk, answered: false },
    )
  }
  expect(judge({ fields: { a: 'b' } }).reply).toEqual(bytes('{"fields":{"a":"b"}}'))
  expect(() => judge({ fields: { a: 1 } })).toThrow('replied with what its manifest does not promise: /fields/a')
})

test('too many host calls end the event, whatever else it says', () => {
  expect(() => judge({ hostCalls: 11 })).toThrow(code('handler-calls'))
})

test('an event that asked the host too often fails, whatever its cell says', () => {
  const { registered, sources } = jobFor(registry, 'notes', { sources: granting(memoryNamespace()) })
  const desk = openDesk(sources, { hostCallsMax: 0 })
  desk.answer({ op: 'get', label: 'connection', key: 'a' })
  expect(() => effectsOf(report, { registered, sources, desk, answered: false })).toThrow(code('handler-calls'))
})

test('more log than the manifest allows is a lie; a cut log says so', () => {
  expect(() => judge({ log: [{ level: 'info', message: 'x'.repeat(90) }] })).toThrow(code('handler-lied'))
  expect(judge({ logCut: true }).log).toEqual([{ level: 'warn', message: 'log cut at 100 bytes' }])
})

test('a handler’s own no carries its code, message and whether to retry', () => {
  const answer = { code: 'sold-out', message: 'come back tomorrow', retry: true }
  expect(refuse(answer)).toThrow(HandlerRefusal)
  expect(refuse(answer)).toThrow(
    expect.objectContaining({ code: 'handler-refused', message: 'handler/sold-out: come back tomorrow', answer }),
  )
  for (const bad of [{ code: 'Sold Out' }, { code: '' }, { code: 'x'.repeat(65) }, { message: 'é'.repeat(129) }]) {
    expect(refuse({ ...answer, ...bad })).toThrow(code('handler-output'))
  }
})

test.each([
  ['trap', 'handler-trapped'],
  ['stack', 'handler-stack'],
  ['memory', 'handler-memory'],
  ['lied', 'handler-lied'],
  ['output', 'handler-output'],
  ['calls', 'handler-calls'],
  ['not-granted', 'not-granted'],
] as const)('the bad end %s is refused as %s', (reason, expected) => {
  expect(() => judge({ outcome: { kind: 'failed', reason, message: 'why' } })).toThrow(code(expected))
})

test('a report on another event, or anything that is no report, is a lie', () => {
  expect(() => parseReport(report, 2)).toThrow(code('handler-lied'))
  fc.assert(
    fc.property(fc.anything(), (value) => {
      expect(() => parseReport(value, 1)).toThrow(code('handler-lied'))
    }),
    { numRuns: 200 },
  )
  const part = fc.tuple(fc.constantFrom(...Object.keys(report)), fc.anything())
  fc.assert(
    fc.property(part, ([key, value]) => {
      try {
        judge({ [key]: value })
      } catch (error) {
        expect(error).toHaveProperty('code')
      }
    }),
    { numRuns: 500 },
  )
})

function refuse(answer: { code: string; message: string; retry: boolean }): () => unknown {
  return () => judge({ outcome: { kind: 'refused', answer } })
}

test('a question to the owner is bounded, needed by the manifest, and asked once', () => {
  const notes = manifestOf('notes')
  const asks = registryOf({ ...notes, needs: { ...notes.needs, approval: true } })
  const { registered, sources } = jobFor(asks, 'notes', { sources: granting(memoryNamespace()) })
  const question = { text: 'Pay?', choices: ['card', 'account'] }
  const judge = (given: Partial<typeof question>, event: { answered?: boolean; from?: typeof registered } = {}) => {
    const desk = openDesk(sources, { hostCallsMax: 10 })
    const { answered = false, from = registered } = event
    const outcome = { kind: 'suspended', question: { ...question, ...given } } as const
    return effectsOf({ ...report, outcome }, { registered: from, sources, desk, answered })
  }
  expect(judge({})).toMatchObject({ question, reply: undefined, changes: [], outgoing: [] })
  const refused: [Parameters<typeof judge>[0], Parameters<typeof judge>[1], string][] = [
    [{}, { from: jobFor(registry, 'notes').registered }, 'does not need'],
    [{}, { answered: true }, 'twice about one request'],
    [{ text: '' }, {}, 'asks in no words'],
    [{ text: 'x'.repeat(QUESTION_BYTES_MAX + 1) }, {}, 'asks in no words'],
    [{ choices: Array.from({ length: CHOICES_MAX + 1 }, String) }, {}, 'more than 8 choices'],
    [{ choices: ['a', 'a'] }, {}, 'a choice twice'],
    [{ choices: [''] }, {}, 'an empty choice'],
    [{ choices: ['x'.repeat(CHOICE_BYTES_MAX + 1)] }, {}, 'an empty choice'],
  ]
  for (const [given, event, why] of refused) expect(() => judge(given, event)).toThrow(why)
})
