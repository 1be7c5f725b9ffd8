/** Limits at their edge: as much as they say passes, one more does not. The numbers are written out here. */
import { createSecretKey } from 'node:crypto'

import { expect, test } from 'vitest'

import { generateEd25519 } from '#host/crypto/ed25519.ts'
import { nativeEvidence, sha384 } from '#host/crypto/p384.ts'
import { messageOf } from '#host/message.fixture.ts'
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'

import { openSoftwareAttestor } from './attestor.ts'
import { authorOf } from './author.ts'
import { decodeForeign } from './foreign-cbor.ts'
import { decodeListing, encodeListing, type ImageHandler, type ImageHead } from './listing.ts'
import { listedFile, listingOf } from './listing.fixture.ts'
import { encodeRequest } from './nsm.ts'
import { AT_MS, makeDocument, makePki, POLICY } from './pki.fixture.ts'
import { judgeEvidence, parsePolicy } from './policy.ts'
import { signEntry } from './release-sign.ts'
import { openSoftwareEnclave } from './seal.ts'
import { logOf, providerKeys, showingOf, trustOf } from './shown.fixture.ts'
import { judgeShown } from './shown.ts'
import { decodeEvidence, verifyEvidence } from './verify.ts'

const pki = makePki()
const bytes = (length: number) => new Uint8Array(length)
const keyOf = (seed: number) => generateEd25519(bytes(32).fill(seed))
const many = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at))
const hex96 = (seed: number) => sha384(Uint8Array.of(seed)).toHex()
const roots = { nitro: [sha256Of(pki.bundle[0]?.der)], software: [], revoked: new Set<string>() }

function sha256Of(der: Uint8Array = bytes(0)): string {
  return nativeEvidence.sha256(der).toHex()
}

function listing(handler: Partial<ImageHandler>, head: Partial<ImageHead> = {}) {
  const plain = listingOf(
    ['components/a.wasm', 'manifests/a.json'].map((path) => listedFile(path)),
    head,
  )
  return decodeListing(
    encodeListing({ ...plain, handlers: plain.handlers.map((each) => Object.assign({}, each, handler)) }),
  )
}

const place = { serial: 1, previous: '00'.repeat(48), at: AT_MS }
const revocation = (digests: number) => {
  const said = { handler: 'one', digests: many(digests, hex96), minimum: null, reason: '' }
  return { kind: 'revoke', ...place, ...said } as const
}

const log = logOf([1])
const asked = { nonce: bytes(32), userData: bytes(48), handler: 'payment', logSize: 0 }
const shown = await showingOf(1, { log: () => log, now: () => AT_MS }).show(asked)

/** An answer whose way from an earlier log has so many hashes. */
function shownSince(length: number): unknown {
  const content = decodeCbor(shown, { bytesMax: 100_000 }) as Record<string, Record<string, Cbor>>
  const { release } = content
  if (release) release['since'] = many(length, () => bytes(48))
  const trust = trustOf([1], { keys: providerKeys, minimum: 0 })
  const question = { nowMs: AT_MS, nonce: bytes(32), userData: bytes(48) }
  return judgeShown(encodeCbor(content), { ...trust, crypto: nativeEvidence, question, handler: 'payment' })
}

const attestor = openSoftwareAttestor({ key: keyOf(9), now: () => AT_MS, warn: () => {} })
const question = { nonce: bytes(32), userData: bytes(48) }
const evidence = await attestor.attest(question)

/** Another image asks a while later. */
function recognizedAfter(ageMs: number): unknown {
  const release = { id: 'one', root: bytes(48), serial: 1 }
  const about = { release, now: () => AT_MS + ageMs, random: bytes }
  return openSoftwareEnclave({ key: createSecretKey(bytes(32)), attestor, ...about }).recognize(evidence, question)
}

function judgedAt(nowMs: number): unknown {
  const genuine = verifyEvidence(nativeEvidence, decodeEvidence(makeDocument(pki)), roots)
  return judgeEvidence(genuine, POLICY, { nowMs })
}

const policyOf = (maxAgeMs: number) =>
  parsePolicy(
    JSON.stringify({
      format: 1,
      roots: {},
      policy: { kind: 'nitro', measurements: [hex96(1)], max_age_ms: maxAgeMs },
    }),
  )

/** `act` with `most` is done, or fails otherwise than with one more. */
test.each<[string, number, (count: number) => unknown, RegExp]>([
  ['containers in each other', 4, (count) => decodeForeign(bytes(count + 1).fill(0x81, 0, count)), /deeper than 4/],
  [
    'characters of a module id',
    256,
    (count) => decodeEvidence(makeDocument(pki, { module_id: 'x'.repeat(count) })),
    /module/,
  ],
  ['a clock ahead of ours', 60_000, (ms) => judgedAt(AT_MS - ms), /ahead of this clock/],
  ['the age that a policy allows', 93_600_000, policyOf, /max_age_ms/],
  ['the age of a successor’s evidence', 300_000, recognizedAfter, /300001 ms old/],
  [
    'bytes of a request',
    4_096,
    (count) => encodeRequest({ kind: 'ExtendPCR', index: 1, data: bytes(count - 27) }),
    /4097 bytes/,
  ],
  ['hashes between two logs', 48, shownSince, /is not what a host shows/],
  [
    'signatures of a line',
    8,
    (count) =>
      signEntry(
        revocation(0),
        many(count, (at) => keyOf(at + 1)),
      ),
    /signatures/,
  ],
  ['digests of a revocation', 64, (count) => signEntry(revocation(count), [keyOf(1), keyOf(2)]), /digests/],
  [
    'bytes of an author’s signature',
    256,
    (count) => authorOf({ id: 'a', manifest: bytes(0), component: bytes(0) }, bytes(count)),
    /has 257 bytes/,
  ],
  ['core modules', 64, (count) => listing({ core: many(count, () => ({ size: 1, sha384: hex96(1) })) }), /at most 64/],
  [
    'release keys',
    8,
    (count) =>
      listing({}, { policy: { releaseKeys: many(count, (at) => `${at}`.padStart(64, '0')), minimumRelease: 0 } }),
    /at most 8/,
  ],
  ['characters of a version', 128, (count) => listing({ version: '1'.repeat(count) }), /version/],
])('%s: %i and no more', (_, most, act, says) => {
  expect(messageOf(() => act(most))).not.toMatch(says)
  expect(messageOf(() => act(most + 1))).toMatch(says)
})

test('a policy that names no age allows five minutes', () => {
  const { policy } = parsePolicy(
    JSON.stringify({ format: 1, roots: {}, policy: { kind: 'nitro', measurements: [hex96(1)] } }),
  )
  expect(policy.maxAgeMs).toBe(300_000)
})
