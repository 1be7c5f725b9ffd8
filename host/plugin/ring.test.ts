import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { RING_SLOT_BYTES, RING_SLOTS } from '#host/plugin/limits.ts'

import { parseReport } from './effects.ts'
import { frameReader, frameWriter } from './frame.ts'
import type { CellJob, Report } from './report.ts'
import { decodeJob, decodeReport, encodeJob, encodeReport } from './ring-frames.ts'
import { cellRing, hostRing, RING_BYTES } from './ring.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

function ends() {
  const memory = new SharedArrayBuffer(RING_BYTES)
  return { memory, words: new Int32Array(memory), host: hostRing(memory, 0), cell: cellRing(memory, 0) }
}
const put = (text: string) => (into: { text(value: string): void }) => into.text(text)
const read = (frame: Uint8Array | undefined) => frame && frameReader(frame).text()

test('events are taken in turn, round and round; a report lies in the slot of its event', () => {
  const { host, cell } = ends()
  for (let at = 0; at < 3 * RING_SLOTS; at++) {
    expect(host.put(put(`job ${at}`))).toBe(true)
    expect(host.state()).toBe('open')
    expect(read(cell.next())).toBe(`job ${at}`)
    expect(cell.next()).toBeUndefined()
    expect(cell.report(put(`report ${at}`))).toBe(true)
    expect(host.state()).toBe('done')
    expect(read(host.report())).toBe(`report ${at}`)
    host.free()
  }
})

test('what the cell has not begun is taken back, newest first; what it has begun is not', () => {
  const { host, cell } = ends()
  for (const name of ['a', 'b', 'c']) host.put(put(name))
  expect(read(cell.next())).toBe('a')
  expect([host.takeBack(), host.takeBack(), host.takeBack()]).toEqual([true, true, false])
  host.put(put('d'))
  cell.report(put('of a'))
  expect(read(cell.next())).toBe('d')
  expect(host.takeBack()).toBe(false)
})

test('nothing of an event stays in its slot, nor of one taken back', () => {
  const { memory, host, cell } = ends()
  const holds = () => Buffer.from(memory).includes('secret')
  host.put(put('secret'))
  expect(holds()).toBe(true)
  cell.next()
  cell.report(put('x'))
  host.free()
  expect(holds()).toBe(false)
  host.put(put('secret'))
  host.takeBack()
  expect(holds()).toBe(false)
})

test('what is too large for a slot goes another way', () => {
  const { host, cell } = ends()
  expect(host.put(put('x'.repeat(RING_SLOT_BYTES)))).toBe(false)
  expect(cell.next()).toBeUndefined()
  expect(host.put(put('x'.repeat(RING_SLOT_BYTES - 4)))).toBe(true)
  cell.next()
  expect(cell.report(put('x'.repeat(RING_SLOT_BYTES)))).toBe(false)
  expect(host.state()).toBe('mailed')
  host.free()
  for (let at = 0; at < RING_SLOTS; at++) host.put(put('x'))
  expect(() => host.put(put('x'))).toThrow('the ring is full')
})

test('a cell that fell asleep is woken once, and does not sleep past an event', () => {
  const { host, cell } = ends()
  expect(host.mustWake()).toBe(false)
  expect(cell.sleep()).toBe(true)
  expect([host.mustWake(), host.mustWake()]).toEqual([true, false])
  host.put(put('x'))
  expect(cell.sleep()).toBe(false)
  expect(host.mustWake()).toBe(false)
})

test('states and lengths that cannot be are not read past', () => {
  const { words, host, cell } = ends()
  host.put(put('x'))
  cell.next()
  for (const state of [0, 5, -1]) {
    words[1] = state
    expect(() => host.state()).toThrow('a slot is in no state')
  }
  for (const length of [-1, RING_SLOT_BYTES + 1, 2 ** 30]) {
    words[1 + RING_SLOTS] = length
    expect(() => host.report()).toThrow('an impossible length')
  }
})

const item = { key: 'k', value: bytes('v'), revision: 2 ** 40, visibility: 'opaque', category: 'notes' } as const
const job: CellJob = {
  sequence: 7,
  handler: 3,
  body: bytes('{"a":1}'),
  now: 1_800_000_000_000,
  session: {
    connection: 'acme \ud800',
    kind: 'service',
    contractVersion: 1,
    eventId: 'e',
    eventType: 'notes.run',
    deadlineMs: 100,
    approved: false,
    connectionId: 'c',
  },
  answer: { choice: null },
  namespaces: [{ label: 'connection', writable: true, cap: { categories: null, bytesMax: 9, bytesUsed: 1 } }],
  fields: new Map([['__proto__', 'é']]),
  keys: new Map(),
  credentials: [],
  outbox: ['owner'],
  carried: [
    { label: 'connection', key: 'k', item },
    { label: 'connection', key: 'absent', item: undefined },
  ],
}

function framed(write: (into: ReturnType<typeof frameWriter>) => void): Uint8Array {
  const memory = new SharedArrayBuffer(RING_SLOT_BYTES)
  const writer = frameWriter(memory, 0)
  write(writer)
  return new Uint8Array(memory).slice(0, writer.length())
}

test('an event is the same on the other side', () => {
  expect(decodeJob(frameReader(framed((into) => encodeJob(job, into))))).toEqual(job)
  const { answer: _, ...unasked } = job
  const plain = { ...unasked, answer: undefined }
  expect(decodeJob(frameReader(framed((into) => encodeJob(plain, into))))).toEqual(plain)
})

const write = { label: 'connection', key: 'a', value: bytes('x') }
const log = [{ level: 'warn', message: 'é' }] as const
const reports: Report[] = [
  { kind: 'done', reply: undefined, writes: [], outgoing: [], facts: [] } as const,
  {
    kind: 'done',
    reply: bytes('{}'),
    writes: [
      write,
      { ...write, value: null },
      { ...write, attributes: { visibility: 'opaque', category: 'notes', sensitivity: 'secret' } },
      { ...write, attributes: { visibility: 'transparent', category: undefined } },
    ],
    outgoing: [
      { to: 'owner', type: 'a.b', body: bytes('x') },
      { to: 'connections', alias: 'bob', type: 'a.b', body: bytes('') },
    ],
    facts: ['it was so', 'é'],
  } as const,
  { kind: 'suspended', question: { text: 'may I?', choices: ['a', 'b'] } } as const,
  { kind: 'refused', answer: { code: 'sold-out', message: 'no', retry: true } } as const,
  { kind: 'failed', reason: 'not-granted', message: 'no' } as const,
].map((outcome) => ({ sequence: 1, outcome, hostCalls: 3, log, logCut: true }))

test.each(reports)('a report is the same on the other side: %o', (report) => {
  const { report: found, used } = decodeReport(frameReader(framed((into) => encodeReport(report, 5, into))))
  expect(parseReport(found, 1)).toEqual(report)
  expect(used).toBe(5)
})

test('any bytes are a report that is checked, or none', () => {
  const whole = reports.map((report) => framed((into) => encodeReport(report, 0, into)))
  const changed = fc
    .tuple(fc.constantFrom(...whole), fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 4 }), fc.nat(200))
    .map(([frame, changes, cut]) => {
      const copy = frame.slice(0, Math.max(frame.length - cut, 0))
      for (const [at, value] of changes) if (at < copy.length) copy[at] = value
      return copy
    })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), changed), (frame) => {
      try {
        parseReport(decodeReport(frameReader(frame)).report, 1)
      } catch (error) {
        const isLie = error instanceof RangeError || (error instanceof Error && 'code' in error)
        if (!isLie) throw error
      }
    }),
    { numRuns: 2_000 },
  )
})
