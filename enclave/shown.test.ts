import { expect, test } from 'vitest'

import { nativeEvidence } from '#host/crypto/p384.ts'
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'

import { PROOF_BYTES_MAX } from './limits.ts'
import { rejectionOf } from './rejection.fixture.ts'
import { signEntry } from './release-sign.ts'
import { imageOf, keyOf, logOf, providerKeys, showingOf, signers, trustOf } from './shown.fixture.ts'
import { encodeShown, judgeShown, type ShownVerifier, type Trust } from './shown.ts'

const AT = 1_800_000_000_000
const now = (): number => AT
const nonce = new Uint8Array(32).fill(5)
const userData = new Uint8Array(48).fill(6)
const question = { nowMs: AT, nonce, userData }
const releases = { keys: providerKeys, minimum: 0 }
const asked = { nonce, userData, handler: 'payment', logSize: 0 }

const log = logOf([1, 2, 3])
const shown = await showingOf(3, { log: () => log, now }).show(asked)
const verifier = (trust: Trust, more: Partial<ShownVerifier> = {}): ShownVerifier => ({
  ...trust,
  crypto: nativeEvidence,
  question,
  handler: 'payment',
  ...more,
})
const verdict = (bytes: Uint8Array, given: ShownVerifier) => rejectionOf(() => judgeShown(bytes, given))
type Map = Record<string, Cbor>

function changed(change: (content: Map, release: Map) => void): Uint8Array {
  const content = decodeCbor(shown, { bytesMax: 100_000 }) as Map
  change(content, content['release'] as Map)
  return encodeCbor(content)
}

test('an asker learns the code, the release and a handler, and what of the log to remember', () => {
  const judged = judgeShown(shown, verifier(trustOf([3], releases)))
  expect(judged).toMatchObject({ kind: 'software', hardware: false, release: { release: 3, version: '1.3' } })
  expect(judged.handler).toEqual(imageOf(3).handlers.find(({ id }) => id === 'payment'))
  expect(judged.log).toEqual(log.tree)
})

test('without pins, what the provider released is accepted, and nothing else', async () => {
  const given = verifier(trustOf([], releases))
  expect(verdict(shown, given)).toBe('accepted')
  const other = await showingOf(4, { log: () => log, now }).show(asked)
  expect(verdict(other, given)).toBe('release-unlisted')
  expect(verdict(shown, verifier(trustOf([])))).toBe('policy-invalid')
})

test('whoever pins code needs no release', async () => {
  const unlisted = await showingOf(4, { log: () => undefined, now }).show(asked)
  expect(verdict(unlisted, verifier(trustOf([4])))).toBe('accepted')
  expect(verdict(unlisted, verifier(trustOf([4], releases)))).toBe('release-unlisted')
})

test.each<[string, string, () => Uint8Array, ShownVerifier]>([
  [
    'another nonce',
    'nonce-mismatch',
    () => shown,
    verifier(trustOf([3]), { question: { ...question, nonce: userData } }),
  ],
  [
    'another vault',
    'user-data-mismatch',
    () => shown,
    verifier(trustOf([3]), { question: { ...question, userData: nonce } }),
  ],
  ['its time over', 'too-old', () => shown, verifier(trustOf([3]), { question: { ...question, nowMs: AT + 60_001 } })],
  ['other code', 'measurement-unknown', () => shown, verifier(trustOf([1, 2]))],
  ['software under a nitro policy', 'kind-refused', () => shown, verifier(nitro(trustOf([3])))],
  [
    'software under a nitro policy that pins no code',
    'kind-refused',
    () => shown,
    verifier(nitro(trustOf([], releases))),
  ],
  ['another handler', 'proof-mismatch', () => shown, verifier(trustOf([3]), { handler: 'data' })],
  ['no handler', 'proof-malformed', () => encodeShown(new Uint8Array(3), undefined), verifier(trustOf([3]))],
  ['no content', 'proof-malformed', () => new Uint8Array(9), verifier(trustOf([3]))],
  [
    'no release',
    'release-unlisted',
    () => changed((content) => (content['release'] = null)),
    verifier(trustOf([3], releases)),
  ],
  ['keys of others', 'release-unsigned', () => shown, verifier(trustOf([3], { ...releases, keys: ['ab'.repeat(32)] }))],
  ['one key', 'release-unsigned', () => shown, verifier(trustOf([3], { ...releases, keys: providerKeys.slice(1) }))],
  ['a release below the least', 'release-older', () => shown, verifier(trustOf([3], { ...releases, minimum: 4 }))],
  [
    'a line of another place',
    'release-order',
    () => changed((_, release) => (release['index'] = 1)),
    verifier(trustOf([3], releases)),
  ],
  [
    'a root of others',
    'log-forked',
    () => changed((_, release) => (release['tree'] = { size: 3, root: userData })),
    verifier(trustOf([3], releases)),
  ],
  [
    'a longer log than was seen',
    'log-behind',
    () => shown,
    verifier(trustOf([3], releases), { known: logOf([1, 2, 3, 4]).tree }),
  ],
  [
    'another log than was seen',
    'log-forked',
    () => shown,
    verifier(trustOf([3], releases), { known: logOf([7, 8]).tree }),
  ],
])('with %s it is %s', (_, code, bytes, given) => {
  expect(verdict(bytes(), given)).toBe(code)
})

function nitro(trust: Trust): Trust {
  return { ...trust, policy: { ...trust.policy, kind: 'nitro' } }
}

/** The line of another entry, in the place that the log gives it. */
function lineOf(index: number): Uint8Array {
  const listed = log.show(imageOf(index + 1).root, 0)
  if (!listed) throw new Error('not listed')
  return listed.line
}

test('a line that says something else is no release', () => {
  const place = { serial: 3, previous: '00'.repeat(48), at: 0 }
  const line = signEntry({ kind: 'retire', ...place, release: 3, reason: 'a mistake' }, signers)
  const other = changed((_, release) => (release['line'] = line))
  expect(verdict(other, verifier(trustOf([3], releases)))).toBe('release-unlisted')
})

test('a line of another place is none of it: included it must be where it says it stands', () => {
  const moved = changed((_, release) => Object.assign(release, { line: lineOf(1), index: 1 }))
  expect(verdict(moved, verifier(trustOf([], releases)))).toBe('log-forked')
})

test('a withdrawal is no release', async () => {
  const withdrawn = logOf([1, 2, 3, -3])
  const bytes = await showingOf(3, { log: () => withdrawn, now }).show(asked)
  expect(verdict(bytes, verifier(trustOf([3], releases)))).toBe('release-unlisted')
})

test('a log that grew goes on from the one that is remembered', async () => {
  const known = logOf([1, 2]).tree
  const bytes = await showingOf(3, { log: () => log, now }).show({ ...asked, logSize: known.size })
  expect(judgeShown(bytes, verifier(trustOf([3], releases), { known })).log).toEqual(log.tree)
  // Without what shows that it goes on, it is another one.
  expect(verdict(shown, verifier(trustOf([3], releases), { known }))).toBe('log-forked')
})

test('no byte of it can be another', () => {
  const given = verifier(trustOf([3], releases))
  let found = 0
  for (let at = 0; at < shown.length; at += 3) {
    if (verdict(shown.with(at, (shown[at] ?? 0) ^ 1), given) === 'accepted') found++
  }
  expect(found).toBe(0)
})

test('besides evidence it has at most 8 KiB: a note that is too long is shown by nobody', async () => {
  const all = Array.from({ length: 60 }, (_, index) => index + 1)
  const eight = Array.from({ length: 8 }, (_, index) => keyOf(20 + index))
  const long = logOf(all, { by: eight, notes: 'é'.repeat(500) })
  const bytes = await showingOf(60, { log: () => long, now }).show({ ...asked, logSize: 30 })
  const { evidence } = decodeCbor(bytes, { bytesMax: 100_000 }) as { evidence: Uint8Array }
  expect(bytes.length - evidence.length + 1_000).toBeLessThanOrEqual(PROOF_BYTES_MAX)
  const escaped = '\u0001'.repeat(500)
  const longer = logOf([1], { by: eight, notes: escaped, version: escaped })
  await expect(showingOf(1, { log: () => longer, now }).show(asked)).rejects.toMatchObject({ code: 'too-large' })
})
