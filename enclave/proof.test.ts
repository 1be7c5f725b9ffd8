import { expect, test } from 'vitest'

import { nativeEvidence } from '#host/crypto/p384.ts'
import { generateEd25519 } from '#host/crypto/ed25519.ts'
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'

import { openSoftwareAttestor } from './attestor.ts'
import { listedFile, listingOf } from './listing.fixture.ts'
import { extensionsOf, measureImage, softwareMeasurement } from './measure.ts'
import { AT_MS, makeDocument, makePki, POLICY, REGISTERS } from './pki.fixture.ts'
import type { Policy, Roots } from './policy.ts'
import { type Verifier, verifyProof } from './proof.ts'
import { encodeProof } from './prove.ts'
import { onOne } from './providers.fixture.ts'
import { extendedOnce } from './measurement.ts'
import { rejectionOf } from './rejection.fixture.ts'

const ids = Array.from({ length: 100 }, (_, index) => `handler-${index}`)
const measure = measureImage(
  listingOf(ids.flatMap((id) => [listedFile(`components/${id}.wasm`), listedFile(`manifests/${id}.json`)])),
)
const key = generateEd25519(new Uint8Array(32).fill(1))
const nonce = new Uint8Array(32).fill(5)
const attestor = openSoftwareAttestor({ key, now: () => AT_MS, warn: () => undefined })
for (const [index, data] of extensionsOf(measure)) await attestor.extend(index, data)
await attestor.lockBelow(32)
const evidence = await attestor.attest({ nonce })
const proof = encodeProof(evidence, measure, 'handler-42')

const policy: Policy = {
  kind: 'software',
  measurements: [softwareMeasurement(measure).toHex()],
  registers: new Map(),
  maxAgeMs: 60_000,
}
const roots: Roots = { nitro: [], software: [key.publicKey.toHex()], revoked: new Set() }
const verifier = { roots, policy, question: { nowMs: AT_MS, nonce } }
type Given = Omit<Verifier, 'crypto'>
const verify = (bytes: Uint8Array, given: Given, at = 0) =>
  onOne(at, (crypto) => verifyProof(bytes, { crypto, ...given }))
const verdict = (bytes: Uint8Array, given: Given = verifier, at = 0) => rejectionOf(() => verify(bytes, given, at))

/** The bundle with a change, written again. */
function changed(change: (bundle: Record<string, Cbor>) => void): Uint8Array {
  const bundle = { ...(decodeCbor(proof) as Record<string, Cbor>) }
  change(bundle)
  return encodeCbor(bundle)
}

test('a connection checks a handler offline, with some bytes', () => {
  const { handler, kind, hardware, measurement } = verify(proof, verifier)
  expect(handler).toEqual(measure.handlers.find(({ id }) => id === 'handler-42'))
  expect({ kind, hardware, measurement }).toEqual({
    kind: 'software',
    hardware: false,
    measurement: softwareMeasurement(measure),
  })
  expect(proof.length - evidence.length).toBeLessThan(8 * 1_024)
  expect(proof.length - evidence.length).toBeLessThan(800)
})

test('a nitro document carries a proof as well', () => {
  const pki = makePki()
  const pcrs = new Map([...REGISTERS, [17, extendedOnce(nativeEvidence, measure.handlerRoot)]] as const)
  const bundle = encodeProof(makeDocument(pki, { pcrs, nonce }), measure, 'handler-7')
  expect(verify(bundle, { ...verifier, roots: pki.roots, policy: POLICY }).handler.id).toBe('handler-7')
  const without = encodeProof(makeDocument(pki, { nonce }), measure, 'handler-7')
  expect(verdict(without, { ...verifier, roots: pki.roots, policy: POLICY })).toBe('proof-mismatch')
})

test('evidence that is not accepted proves nothing', () => {
  expect(verdict(proof, { ...verifier, policy: POLICY })).toBe('kind-refused')
  expect(verdict(proof, { ...verifier, roots: { ...roots, software: [] } })).toBe('key-unknown')
  expect(verdict(proof, { ...verifier, question: { nowMs: AT_MS, nonce: nonce.slice(1) } })).toBe('nonce-mismatch')
})

test('a handler, root or path that is another is a mismatch', () => {
  const other = new Uint8Array(48).fill(3)
  const named = { id: 'handler-42', manifest: other, component: other }
  expect(verdict(changed((bundle) => (bundle.root = other)))).toBe('proof-mismatch')
  expect(verdict(changed((bundle) => (bundle.handler = named)))).toBe('proof-mismatch')
  expect(verdict(changed((bundle) => (bundle.index = 1)))).toBe('proof-mismatch')
  expect(verdict(changed((bundle) => (bundle.size = 200)))).toBe('proof-mismatch')
  expect(verdict(changed((bundle) => (bundle.path = [])))).toBe('proof-mismatch')
})

test('a bundle of another form is none', () => {
  const bundles: readonly ((bundle: Record<string, Cbor>) => void)[] = [
    (bundle) => (bundle.format = 2),
    (bundle) => (bundle.more = 1),
    (bundle) => delete bundle.evidence,
    (bundle) => (bundle.root = nonce),
    (bundle) => (bundle.path = Array.from({ length: 17 }, () => new Uint8Array(48))),
    (bundle) => (bundle.index = -1),
  ]
  for (const change of bundles) expect(verdict(changed(change))).toBe('proof-malformed')
  expect(verdict(proof.slice(1))).toBe('proof-malformed')
  expect(verdict(new Uint8Array(41 * 1_024))).toBe('proof-malformed')
})

test('with any one byte changed it proves nothing else', () => {
  const { handler } = verify(proof, verifier)
  let accepted = 0
  for (let at = 0; at < proof.length; at++) {
    const bytes = proof.map((byte, index) => (index === at ? byte ^ 1 : byte))
    if (verdict(bytes, verifier, at) !== 'accepted') continue
    // The size of a list says the shape of its tree, and some sizes have one shape.
    expect(decodeCbor(bytes), `byte ${at}`).toMatchObject({ size: 101 })
    expect(verify(bytes, verifier).handler).toEqual(handler)
    accepted++
  }
  expect(accepted).toBeLessThanOrEqual(1)
})
