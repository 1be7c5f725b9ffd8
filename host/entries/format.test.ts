/** Every parser: what is written is read back, and nothing else is. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { nativeCrypto as crypto } from '#host/crypto/native.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { refusalOf } from '#host/wire/refusal.fixture.ts'
import { Refusal } from '#host/errors.ts'

import { parseDeviceKeys } from './device.ts'
import { attestation, newDevice, newFamily, noHeads, random } from './family.fixture.ts'
import { decodeHeads, encodeHeads, hashHeads } from './heads.ts'
import { parseDeviceId, parseEntryId, parseHash, parseUserId, parseVersionId } from './ids.ts'
import type { VersionHeader } from './model.ts'
import { decodePrune, signPrune, verifyPrune } from './prune.ts'
import { decodeOutline, encodeOutline } from './sealed.ts'
import { decodeStatement, verifyStatement } from './statement.ts'
import { decodeVersion, hashRecipients, signedMessage, signVersion, verifyVersion } from './version.ts'

const { root, user, said, make } = newFamily()
const hash = () => parseHash(random(32))
const header: VersionHeader = {
  user,
  entry: parseEntryId(random(16)),
  version: parseVersionId(random(16)),
  seq: 2,
  prev: hash(),
  operation: 'restore',
  from: hash(),
  content: hash(),
  outline: hash(),
  recipients: hash(),
  audience: { handlers: true, users: [parseUserId(new Uint8Array(32)), parseUserId(new Uint8Array(32).fill(9))] },
  directory: { seq: 0, hash: hash() },
  at: 1_800_000_000_000,
  by: root.id,
}
const version = signVersion(crypto, header, root.signer)
const prune = signPrune(
  { user, entry: header.entry, upTo: { seq: 1, hash: hash() }, directory: header.directory, at: 5, by: root.id },
  root.signer,
)
const heads = encodeHeads([1, 2, 3].map((seq) => ({ entry: parseEntryId(random(16)), seq, hash: hash() })))
const outline = encodeOutline({ title: 'Täst', kind: 'login', urls: ['https://a.example/'] })
const [first] = said
if (first === undefined) throw new Error('no root')

/** Each: its name, its bytes, and reading them to whatever can be written again. */
const parsers: [string, Uint8Array, (bytes: Uint8Array) => unknown][] = [
  ['statement', first.bytes, (bytes) => decodeStatement(crypto, bytes)],
  ['statement payload', first.payload, (payload) => decodeStatement(crypto, encodeCbor([payload, first.signature]))],
  ['header', version.bytes, (bytes) => decodeVersion(crypto, { header: bytes, signature: version.signature })],
  ['prune', prune.bytes, decodePrune],
  ['prune payload', prune.payload, (payload) => decodePrune(encodeCbor([payload, prune.signature]))],
  ['heads', heads, decodeHeads],
  ['outline', outline, decodeOutline],
]

describe.each(parsers)('a %s', (_name, good, read) => {
  const refuses = (bytes: Uint8Array) => {
    try {
      read(bytes)
    } catch (cause) {
      expect(cause).toBeInstanceOf(Refusal)
      expect((cause as Refusal).code).toBe('entry-invalid')
      return true
    }
    return false
  }

  test('is read', () => expect(refuses(good)).toBe(false))

  test('is refused in one way, or read: never anything else', () => {
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        refuses(good.with(at, (good[at] as number) ^ change))
      }),
      { numRuns: 300 },
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (junk) => void refuses(junk)))
    const cbor = fc.array(
      fc.oneof(fc.nat(), fc.uint8Array({ maxLength: 40 }), fc.string({ unit: 'grapheme' }), fc.constant(null)),
    )
    fc.assert(fc.property(cbor, (value) => void refuses(encodeCbor(value))))
  })

  test('is refused when it is cut, or goes on', () => {
    for (const length of [0, 1, good.length - 1]) expect(refuses(good.slice(0, length)) || length === 0).toBe(true)
    expect(refuses(Uint8Array.from([...good, 0]))).toBe(true)
    expect(refuses(new Uint8Array(2 ** 21))).toBe(true)
  })
})

test('signatures are over the whole, by one key, for one use', () => {
  const other = newDevice()
  expect(verifyStatement(crypto, first, root.keys.signing)).toBe(true)
  expect(verifyStatement(crypto, first, other.keys.signing)).toBe(false)
  expect(verifyVersion(crypto, version, root.keys.signing)).toBe(true)
  expect(verifyVersion(crypto, version, other.keys.signing)).toBe(false)
  expect(verifyPrune(crypto, prune, root.keys.signing)).toBe(true)
  expect(verifyPrune(crypto, { ...prune, signature: first.signature }, root.keys.signing)).toBe(false)
  const changed = signVersion(crypto, { ...header, at: header.at + 1 }, root.signer)
  expect(verifyVersion(crypto, { ...changed, signature: version.signature }, root.keys.signing)).toBe(false)
  const message = signedMessage(header, version.hash)
  expect(message).toHaveLength(70)
  expect(message.toHex()).toBe(`0010${header.entry.toHex()}0010${header.version.toHex()}0020${version.hash.toHex()}`)
})

test('a version that contradicts itself is refused', () => {
  const bad: Partial<VersionHeader>[] = [
    { seq: 0 },
    { seq: 1 },
    { prev: null },
    { from: null },
    { operation: 'put' },
    { operation: 'delete', from: null },
    { content: null },
    { outline: null },
    { seq: 1, prev: null },
    { operation: 'delete', from: null, content: null, outline: null },
    { audience: { handlers: true, users: header.audience.users.toReversed() } },
    { audience: { handlers: true, users: [user, user] } },
  ]
  for (const change of bad) {
    expect(
      refusalOf(() => signVersion(crypto, { ...header, ...change }, root.signer)),
      JSON.stringify(change),
    ).toBe('entry-invalid')
  }
  const short = { header: version.bytes, signature: version.signature.slice(1) }
  expect(refusalOf(() => decodeVersion(crypto, short))).toBe('entry-invalid')
})

test('labels, kinds, titles and addresses have their limits', () => {
  const child = newDevice()
  for (const label of ['', 'x'.repeat(81), 'tab\t']) {
    expect(
      refusalOf(() => make(root, attestation(child, { label }))),
      label,
    ).toBe('entry-invalid')
  }
  const good = { title: 'a', kind: 'note', urls: [] }
  for (const change of [
    { title: '' },
    { title: 'x'.repeat(201) },
    { kind: 'Note' },
    { kind: '' },
    { kind: 'x'.repeat(33) },
    { urls: [''] },
    { urls: ['x'.repeat(513)] },
    { urls: Array.from({ length: 9 }, () => 'x') },
  ]) {
    expect(
      refusalOf(() => encodeOutline({ ...good, ...change })),
      JSON.stringify(change),
    ).toBe('entry-invalid')
  }
})

test('heads ascend, each entry once, and their hash is of all of them', () => {
  const [entry, h] = [header.entry, hash()]
  expect(
    refusalOf(() =>
      encodeHeads([
        { entry, seq: 1, hash: h },
        { entry, seq: 2, hash: h },
      ]),
    ),
  ).toBe('entry-invalid')
  expect(refusalOf(() => encodeHeads([{ entry, seq: 0, hash: h }]))).toBe('entry-invalid')
  const many = Array.from({ length: 16_385 }, () => ({ entry, seq: 1, hash: h }))
  expect(refusalOf(() => encodeHeads(many))).toBe('entry-invalid')
  expect(refusalOf(() => decodeHeads(heads.slice(1)))).toBe('entry-invalid')
  const [a, b, c] = [0, 52, 104].map((at) => heads.slice(at, at + 52)) as [Uint8Array, Uint8Array, Uint8Array]
  expect(refusalOf(() => decodeHeads(Uint8Array.from([...b, ...a, ...c])))).toBe('entry-invalid')
  expect(hashHeads(crypto, heads)).not.toEqual(hashHeads(crypto, heads.slice(52)))
  expect(noHeads).toHaveLength(32)
})

test('ids have their lengths', () => {
  for (const parse of [parseUserId, parseDeviceId, parseHash, parseEntryId, parseVersionId, parseDeviceKeys]) {
    expect(refusalOf(() => parse(random(17)))).toBe('malformed')
  }
  expect(refusalOf(() => parseUserId('text'))).toBe('malformed')
  const [a, b] = [parseDeviceId(random(32)), parseDeviceId(random(32))]
  expect(hashRecipients(crypto, [a, b])).toEqual(hashRecipients(crypto, [b, a]))
  expect(hashRecipients(crypto, [a])).not.toEqual(hashRecipients(crypto, [a, b]))
})
