import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { generateEd25519 } from '#host/crypto/ed25519.ts'
import { sha384 } from '#host/crypto/p384.ts'

import { Rejection } from './errors.ts'
import type { Tree } from './merkle.ts'
import { onBoth } from './providers.fixture.ts'
import { rejectionOf } from './rejection.fixture.ts'
import { type ReleaseEntry, verifyLine } from './release-entry.ts'
import { followLog, readReleaseLog } from './release-log.ts'
import { signEntry } from './release-sign.ts'
import { revocationOf } from './revoked.ts'

const readLog = (bytes: Uint8Array, known: readonly string[]) =>
  onBoth((crypto) => readReleaseLog(crypto, bytes, known))
const readLine = (line: Uint8Array, known: readonly string[]) => onBoth((crypto) => verifyLine(crypto, line, known))
const follow = (remembered: Tree | undefined, next: { readonly tree: Tree; readonly path: readonly Uint8Array[] }) =>
  onBoth((crypto) => followLog(crypto, remembered, next))
const keyOf = (seed: number) => generateEd25519(new Uint8Array(32).fill(seed))
const [first, second, stranger] = [keyOf(1), keyOf(2), keyOf(3)]
const keys = [first, second].map(({ publicKey }) => publicKey.toHex())
const digest = (seed: number) => sha384(Uint8Array.of(seed))
const AT = Date.UTC(2026, 10, 22)

type Draft = { [K in ReleaseEntry['kind']]: Omit<Extract<ReleaseEntry, { kind: K }>, 'serial' | 'previous' | 'at'> }
type AnyDraft = Draft[keyof Draft] & Partial<Pick<ReleaseEntry, 'serial' | 'previous'>>

const released = (release: number): Draft['release'] => ({
  kind: 'release',
  release,
  version: `1.${release}.0`,
  root: digest(release).toHex(),
  handlerRoot: digest(100 + release).toHex(),
  measurements: [digest(200 + release).toHex()],
  notes: '',
})
const retired = (release: number): Draft['retire'] => ({ kind: 'retire', release, reason: 'a mistake in it' })
const revoked = (changes: Partial<Draft['revoke']> = {}): Draft['revoke'] => ({
  kind: 'revoke',
  handler: 'payment',
  digests: [],
  minimum: null,
  reason: 'it pays twice',
  ...changes,
})

/** The entry of a draft, in the order that its one form has. */
function entryOf(draft: AnyDraft, place: Pick<ReleaseEntry, 'serial' | 'previous'>): ReleaseEntry {
  const { kind, ...rest } = draft
  const { serial, previous } = { ...place, ...draft }
  // The rest of a draft is what its kind has.
  return { kind, serial, previous, at: AT, ...rest } as ReleaseEntry
}

function logOf(drafts: readonly AnyDraft[], signers = [first, second]): Uint8Array {
  const lines: Uint8Array[] = []
  for (const draft of drafts) {
    const before = lines.at(-1)
    const previous = before ? sha384(before).toHex() : '00'.repeat(48)
    lines.push(signEntry(entryOf(draft, { serial: lines.length + 1, previous }), signers))
  }
  return new TextEncoder().encode(lines.map((line) => `${new TextDecoder().decode(line)}\n`).join(''))
}

describe('a log', () => {
  test('says which measurements are released', () => {
    const log = readLog(logOf([released(1), released(3), retired(1)]), keys)
    expect(log.find(digest(203))).toMatchObject({ serial: 2, release: 3, root: digest(3).toHex() })
    expect(log.find(digest(201))).toBeUndefined()
    expect(log.find(digest(7))).toBeUndefined()
    expect(log.tree.size).toBe(3)
  })

  test('an empty one releases nothing', () => {
    expect(readLog(new Uint8Array(), keys).tree.size).toBe(0)
  })

  test.each<[string, Uint8Array]>([
    ['a serial left out', logOf([released(1), { ...released(2), serial: 3 }])],
    ['a line that follows another', logOf([released(1), { ...released(2), previous: digest(9).toHex() }])],
    ['a first line that follows one', logOf([{ ...released(1), previous: digest(9).toHex() }])],
    ['a release number that does not rise', logOf([released(2), released(2)])],
    ['a release number that falls', logOf([released(2), retired(2), released(1)])],
    ['a withdrawal of what was never released', logOf([released(1), retired(2)])],
  ])('is refused with %s', (_, bytes) => {
    expect(rejectionOf(() => readLog(bytes, keys))).toBe('release-order')
  })

  test('a line taken out, or two that changed places, are found', () => {
    const lines = new TextDecoder().decode(logOf([released(1), released(2), released(3)])).split('\n')
    const joined = (...order: readonly number[]) =>
      new TextEncoder().encode(order.map((index) => `${lines[index]}\n`).join(''))
    for (const order of [
      [1, 2],
      [0, 2],
      [1, 0, 2],
      [0, 0],
    ]) {
      expect(rejectionOf(() => readLog(joined(...order), keys))).toBe('release-order')
    }
    expect(readLog(joined(0, 1), keys).tree.size).toBe(2)
  })

  test('one key, one key twice, or a stranger’s key release nothing', () => {
    for (const signers of [
      [first, first],
      [first, stranger],
      [stranger, keyOf(4)],
    ]) {
      expect(rejectionOf(() => readLog(logOf([released(1)], signers), keys))).toBe('release-unsigned')
    }
    expect(readLog(logOf([released(1)], [stranger, second, first]), keys).entries).toHaveLength(1)
    expect(() => logOf([released(1)], [first])).toThrow('signed by 2 keys')
  })

  test('any byte changed is refused', () => {
    const bytes = logOf([released(1), revoked({ digests: [digest(1).toHex()] })])
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = bytes.with(at, (bytes[at] ?? 0) ^ change)
        expect(() => readLog(changed, keys)).toThrow(Rejection)
      }),
      { numRuns: 500 },
    )
  })
})

describe('a line', () => {
  const line = logOf([released(1)]).subarray(0, -1)
  const changed = (change: (text: string) => string) => new TextEncoder().encode(change(new TextDecoder().decode(line)))

  test.each<[string, Uint8Array]>([
    ['no json', changed((text) => text.slice(1))],
    ['another form', changed((text) => text.replace(':', ': '))],
    ['a key given twice', changed((text) => text.replace('"release":1', '"release":1,"release":1'))],
    ['an unknown key', changed((text) => text.replace('"release":1', '"release":1,"extra":1'))],
    ['an unknown kind', changed((text) => text.replace('"kind":"release"', '"kind":"relaese"'))],
    ['no measurement', changed((text) => text.replace(/"measurements":\[[^\]]*\]/u, '"measurements":[]'))],
    ['one signature', changed((text) => text.replace(/\},\{"key".*\}\]/u, '}]'))],
    ['too long a text', changed((text) => text.replace('"notes":""', `"notes":"${'x'.repeat(501)}"`))],
    [
      'too many measurements',
      changed((text) =>
        text.replace(/"measurements":\["(.{96})"\]/u, (_, id: string) => {
          return `"measurements":[${Array.from({ length: 9 }, () => `"${id}"`).join(',')}]`
        }),
      ),
    ],
  ])('is refused with %s', (_, bytes) => {
    expect(rejectionOf(() => readLine(bytes, keys))).toBe('release-malformed')
  })

  test('a file without an end of line is no log', () => {
    expect(rejectionOf(() => readLog(line, keys))).toBe('release-malformed')
  })

  test('size is looked at before anything else', () => {
    const log = new Uint8Array(16 * 1_024 * 1_024 + 1).fill(10)
    expect(() => readLog(log, keys)).toThrow('release log: 16777217 bytes, at most 16777216')
    expect(() => readLine(new Uint8Array(16 * 1_024 + 1), keys)).toThrow('release log: a line of 16385 bytes')
  })
})

describe('a device that remembers a log', () => {
  const drafts = [released(1), released(2), revoked(), released(3), released(4)]
  const whole = readLog(logOf(drafts), keys)

  test('follows it as it grows', () => {
    for (let size = 1; size <= drafts.length; size++) {
      const { tree } = readLog(logOf(drafts.slice(0, size)), keys)
      expect(follow(tree, { tree: whole.tree, path: whole.prove(size) })).toBe(whole.tree)
    }
    expect(follow(undefined, { tree: whole.tree, path: [] })).toBe(whole.tree)
  })

  test('knows when it got shorter, or is another', () => {
    const shorter = readLog(logOf(drafts.slice(0, 3)), keys)
    expect(rejectionOf(() => follow(whole.tree, { tree: shorter.tree, path: [] }))).toBe('log-behind')
    const other = readLog(logOf([released(1), released(7), revoked(), released(8), released(9)]), keys)
    expect(rejectionOf(() => follow(shorter.tree, { tree: other.tree, path: other.prove(3) }))).toBe('log-forked')
    expect(rejectionOf(() => follow(whole.tree, { tree: other.tree, path: [] }))).toBe('log-forked')
  })
})

describe('a revoked handler', () => {
  const handler = { id: 'payment', version: '1.4.0', digests: [digest(1), digest(2)] }
  const of = (changes: Partial<Draft['revoke']>, one = handler) =>
    revocationOf(one, readLog(logOf([revoked(changes)]), keys).revocations)

  test.each<[string, Partial<Draft['revoke']>]>([
    ['by its id', {}],
    ['by the digest of its component', { digests: [digest(9).toHex(), digest(2).toHex()] }],
    ['by a version that it is below', { minimum: '1.4.1' }],
    ['by a version of more digits', { minimum: '1.10.0' }],
    ['by a higher first number', { minimum: '2.0.0' }],
  ])('is found %s', (_, changes) => {
    expect(of(changes)).toMatchObject({ reason: 'it pays twice' })
  })

  test.each<[string, Partial<Draft['revoke']>]>([
    ['another id', { handler: 'signing' }],
    ['another digest', { digests: [digest(9).toHex()] }],
    ['its own version as the least', { minimum: '1.4.0' }],
    ['a lower version as the least', { minimum: '1.3.9' }],
  ])('is not one with %s', (_, changes) => {
    expect(of(changes)).toBeUndefined()
  })

  test('a version that is none is below every least one', () => {
    expect(of({ minimum: '0.0.1' }, { ...handler, version: 'next' })).toBeDefined()
    expect(of({ minimum: '0.0.1' }, { ...handler, version: '1.2' })).toBeDefined()
  })
})
