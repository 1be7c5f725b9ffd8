/** Documents and the verdict on each: good ones, ones that were tampered with, and ones with a bad chain. */
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'

import { NITRO_HEADER } from './nitro.ts'
import {
  AT_MS,
  encodeFields,
  extension,
  fieldsOf,
  type Links,
  makeDocument,
  makePki,
  POLICY,
  REGISTERS,
  signDocument,
  weakAlgorithm,
} from './pki.fixture.ts'
import type { Policy, Question, Roots } from './policy.ts'

/** Whom to believe, what to accept and what was asked. */
interface Given {
  readonly roots: Roots
  readonly policy: Policy
  readonly question: Question
}

export interface JudgedDocument extends Given {
  /** A rejection's code, or `accepted`. */
  readonly verdict: string
  readonly what: string
  readonly document: Uint8Array
}

type Row = readonly [verdict: string, what: string, document: Uint8Array, given?: Partial<Given>]

export const pki = makePki()
export const good = makeDocument(pki)
const NOW = { nowMs: AT_MS + 1_000 }
export const GIVEN: Given = { roots: pki.roots, policy: POLICY, question: NOW }

/** The same document with one of its four parts changed. */
function withPart(index: number, change: (part: Uint8Array) => Cbor): Uint8Array {
  const parts = decodeCbor(good)
  if (!Array.isArray(parts)) throw new Error('a document is an array')
  return encodeCbor(parts.map((part: Cbor, at) => (at === index && part instanceof Uint8Array ? change(part) : part)))
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.map((byte, index) => (index === (at + bytes.length) % bytes.length ? byte ^ 1 : byte))
}

const payloadOf = (changes: Readonly<Record<string, Cbor | undefined>>) =>
  encodeFields(fieldsOf(pki, changes), 'indefinite')
/** Signed by the right key: what it says is wrong, not who says it. */
const signed = (payload: Uint8Array) => signDocument({ payload, key: pki.leaf.privateKey })
const header = (entries: readonly (readonly [number, Cbor])[]) =>
  signDocument({ header: encodeCbor(new Map(entries)), payload: payloadOf({}), key: pki.leaf.privateKey })
const certificates = pki.bundle.map((made) => made.der)
export const full = new Uint8Array(1_024).fill(7)
const otherPki = makePki()
const zero = new Uint8Array(48)
const registers = (changes: readonly (readonly [number, Uint8Array])[]) => new Map([...REGISTERS, ...changes])

const accepted: readonly (readonly [what: string, document: Uint8Array])[] = [
  ['of indefinite length', good],
  ['of definite length', makeDocument(pki, {}, 'definite')],
  ['with the tag of a COSE_Sign1', Uint8Array.of(0xd2, ...good)],
  ['without the optional fields', makeDocument(pki, { public_key: undefined, user_data: undefined, nonce: undefined })],
  ['with full optional fields', makeDocument(pki, { public_key: full, user_data: full, nonce: full })],
  ['with the fields in another order', signed(encodeFields(fieldsOf(pki).toReversed(), 'definite'))],
]

const tampered: readonly Row[] = [
  ['evidence-malformed', 'nothing', new Uint8Array()],
  ['evidence-malformed', 'a byte less', good.slice(0, -1)],
  ['evidence-malformed', 'a byte more', Uint8Array.of(...good, 0)],
  ['evidence-malformed', 'twice', Uint8Array.of(...good, ...good)],
  ['evidence-malformed', 'another tag', Uint8Array.of(0xd1, ...good)],
  ['evidence-malformed', 'the tag twice', Uint8Array.of(0xd2, 0xd2, ...good)],
  ['evidence-malformed', 'three parts', encodeCbor([NITRO_HEADER, {}, payloadOf({})])],
  ['evidence-malformed', 'no array', encodeCbor({ a: 1 })],
  ['evidence-malformed', 'a payload that is null', encodeCbor([NITRO_HEADER, {}, null, new Uint8Array(96)])],
  ['evidence-malformed', 'a payload that is no map', signed(encodeCbor([1]))],
  [
    'evidence-malformed',
    'an unprotected header',
    signDocument({
      unprotected: new Map([[4, 1]]),
      payload: payloadOf({}),
      key: pki.leaf.privateKey,
    }),
  ],
  ['evidence-malformed', 'a field twice', signed(encodeFields([...fieldsOf(pki), ['digest', 'SHA384']], 'indefinite'))],
  ['evidence-malformed', 'a register twice', signed(twiceRegister())],
  ['evidence-too-large', 'over 32 KiB', new Uint8Array(32 * 1_024 + 1)],
  ['evidence-algorithm', 'ES256', header([[1, -7]])],
  ['evidence-algorithm', 'no algorithm', header([])],
  [
    'evidence-algorithm',
    'a header more',
    header([
      [1, -35],
      [4, 1],
    ]),
  ],
  ['evidence-algorithm', 'EdDSA', header([[1, -8]])],
  ['evidence-algorithm', 'an empty header', withPart(0, () => new Uint8Array())],
  ['evidence-field', 'no module id', makeDocument(pki, { module_id: '' })],
  ['evidence-field', 'another digest', makeDocument(pki, { digest: 'SHA256' })],
  ['evidence-field', 'no timestamp', makeDocument(pki, { timestamp: undefined })],
  ['evidence-field', 'timestamp 0', makeDocument(pki, { timestamp: 0 })],
  ['evidence-field', 'a timestamp of text', makeDocument(pki, { timestamp: '1' })],
  ['evidence-field', 'no registers', makeDocument(pki, { pcrs: new Map() })],
  ['evidence-field', 'register 32', makeDocument(pki, { pcrs: registers([[32, zero]]) })],
  ['evidence-field', 'a short register', makeDocument(pki, { pcrs: registers([[0, new Uint8Array(47)]]) })],
  ['evidence-field', 'a register named by text', makeDocument(pki, { pcrs: { 0: zero } })],
  ['evidence-field', 'no leaf', makeDocument(pki, { certificate: undefined })],
  ['evidence-field', 'an empty bundle', makeDocument(pki, { cabundle: [] })],
  ['evidence-field', 'nine certificates', makeDocument(pki, { cabundle: Array.from({ length: 9 }, () => full) })],
  ['evidence-field', 'a large certificate', makeDocument(pki, { certificate: new Uint8Array(1_025) })],
  ['evidence-field', 'a large nonce', makeDocument(pki, { nonce: new Uint8Array(1_025) })],
  ['evidence-field', 'a nonce of text', makeDocument(pki, { nonce: 'nonce' })],
  ['evidence-field', 'a field that nobody knows', makeDocument(pki, { block_devices: 1 })],
  ['evidence-field', 'a short signature', withPart(3, (part) => part.slice(1))],
  ['evidence-nitro-tpm', 'a NitroTPM’s', makeDocument(pki, { pcrs: undefined, nitrotpm_pcrs: REGISTERS })],
  ['evidence-nitro-tpm', 'a NitroTPM’s beside registers', makeDocument(pki, { nitrotpm_pcrs: REGISTERS })],
  ['root-unknown', 'another root', makeDocument(otherPki)],
  ['root-unknown', 'no root', makeDocument(pki, { cabundle: certificates.slice(1) })],
  ['root-unknown', 'a bundle the wrong way round', makeDocument(pki, { cabundle: certificates.toReversed() })],
  [
    'root-unknown',
    'a root changed by a bit',
    makeDocument(pki, {
      cabundle: certificates.map((each, index) => (index === 0 ? flipped(each, -1) : each)),
    }),
  ],
  ['certificate-issuer', 'a link missing', makeDocument(pki, { cabundle: certificates.toSpliced(2, 1) })],
  [
    'certificate-issuer',
    'two links exchanged',
    makeDocument(pki, {
      cabundle: [0, 2, 1, 3].map((index) => certificates[index] ?? full),
    }),
  ],
  [
    'leaf-constraints',
    'an authority as leaf',
    signDocument({
      payload: payloadOf({ certificate: pki.bundle[3]?.der, cabundle: certificates.slice(0, 3) }),
      key: pki.bundle[3]?.privateKey ?? pki.leaf.privateKey,
    }),
  ],
  [
    'certificate-path-length',
    'the leaf in the bundle',
    makeDocument(pki, { cabundle: [...certificates, pki.leaf.der] }),
  ],
  ['certificate-signature', 'a leaf of another chain', makeDocument(pki, { certificate: otherPki.leaf.der })],
  [
    'certificate-signature',
    'a leaf signed over by a bit',
    makeDocument(pki, { certificate: flipped(pki.leaf.der, -1) }),
  ],
  [
    'certificate-malformed',
    'a leaf with a byte more',
    makeDocument(pki, { certificate: Uint8Array.of(...pki.leaf.der, 0) }),
  ],
  ['certificate-malformed', 'a leaf that ends early', makeDocument(pki, { certificate: pki.leaf.der.slice(0, -1) })],
  ['evidence-signature', 'a bit of the signature', withPart(3, (part) => flipped(part, 50))],
  ['evidence-signature', 'a signature of zeros', withPart(3, (part) => new Uint8Array(part.length))],
  ['evidence-signature', 'a bit of the payload', withPart(2, (part) => flipped(part, 20))],
  ['evidence-signature', 'a nonce put in', withPart(2, () => payloadOf({ nonce: full }))],
  ['evidence-signature', 'a register changed', withPart(2, () => payloadOf({ pcrs: registers([[0, zero]]) }))],
  ['evidence-signature', 'written again in another form', withPart(2, () => encodeFields(fieldsOf(pki), 'definite'))],
  ['evidence-signature', 'another key', signDocument({ payload: payloadOf({}), key: otherPki.leaf.privateKey })],
  ['too-old', 'yesterday’s', good, { question: { nowMs: AT_MS + 60_001 } }],
  ['from-the-future', 'tomorrow’s', good, { question: { nowMs: AT_MS - 60_001 } }],
  ['debug-mode', 'debug mode', makeDocument(pki, { pcrs: registers([0, 1, 2].map((index) => [index, zero])) })],
  ['debug-mode', 'one zero register', makeDocument(pki, { pcrs: registers([[2, zero]]) })],
  [
    'debug-mode',
    'no register 1',
    makeDocument(pki, { pcrs: new Map([...REGISTERS].filter(([index]) => index !== 1)) }),
  ],
  ['register-mismatch', 'other code', makeDocument(pki, { pcrs: registers([[0, full.slice(0, 48)]]) })],
  ['nonce-mismatch', 'no nonce', good, { question: { ...NOW, nonce: full } }],
  ['nonce-mismatch', 'another nonce', makeDocument(pki, { nonce: full }), { question: { ...NOW, nonce: zero } }],
  [
    'user-data-mismatch',
    'other data',
    makeDocument(pki, { user_data: full }),
    { question: { ...NOW, userData: zero } },
  ],
  [
    'public-key-mismatch',
    'another key bound',
    makeDocument(pki, { public_key: full }),
    {
      question: { ...NOW, publicKey: zero },
    },
  ],
  [
    'kind-refused',
    'a software policy',
    good,
    {
      policy: { ...POLICY, kind: 'software', measurements: ['0'.repeat(96)] },
    },
  ],
  ['measurement-unknown', 'another measurement', good, { policy: { ...POLICY, measurements: ['0'.repeat(96)] } }],
  ['policy-invalid', 'a policy that pins nothing', good, { policy: { ...POLICY, registers: new Map() } }],
]

/** Register 0 given twice, in a map of its own making. */
function twiceRegister(): Uint8Array {
  const payload = payloadOf({
    pcrs: new Map([
      [0, zero],
      [1, zero],
    ]),
  })
  const second = payload.toHex().indexOf(`015830${zero.toHex()}`)
  return Uint8Array.fromHex(`${payload.toHex().slice(0, second)}00${payload.toHex().slice(second + 2)}`)
}

const HOUR_MS = 3_600_000
const unknown = { value: encodeCbor(1), isCritical: true }
const subjectKey = extension('551d0e', { isCritical: false, value: encodeCbor(new Uint8Array(3)) })
const chains: readonly (readonly [verdict: string, what: string, links: Links])[] = [
  ['accepted', 'an extension that is not critical', { zone: { extra: [subjectKey] } }],
  ['accepted', 'an authority without a path length', { region: { pathLength: undefined } }],
  ['certificate-path-length', 'path length 0 with an authority below', { region: { pathLength: 0 } }],
  ['certificate-path-length', 'path length 0 one level up', { zone: { pathLength: 0 } }],
  ['certificate-not-ca', 'an intermediate that is no authority', { zone: { isCa: false, pathLength: undefined } }],
  ['certificate-not-ca', 'a root that is no authority', { root: { isCa: false } }],
  ['certificate-key-usage', 'an authority that may not sign certificates', { instance: { usage: 0x80 } }],
  ['certificate-key-usage', 'an authority without key usage', { region: { usage: null } }],
  ['certificate-expired', 'an expired leaf', { leaf: { notAfterMs: AT_MS - HOUR_MS / 2 } }],
  ['certificate-expired', 'an expired authority', { region: { notAfterMs: AT_MS - HOUR_MS } }],
  ['certificate-expired', 'a leaf of tomorrow', { leaf: { notBeforeMs: AT_MS + HOUR_MS } }],
  ['leaf-constraints', 'a leaf that is an authority for nothing', { leaf: { isCa: true } }],
  ['leaf-constraints', 'a leaf that is an authority', { leaf: { isCa: true, usage: 0x84 } }],
  ['leaf-constraints', 'a leaf with a path length', { leaf: { pathLength: 0 } }],
  ['leaf-constraints', 'a leaf that may not sign', { leaf: { usage: 0x08 } }],
  ['leaf-constraints', 'a leaf that may also issue', { leaf: { usage: 0x84 } }],
  ['certificate-extension', 'a critical extension nobody knows', { zone: { extra: [extension('551d1e', unknown)] } }],
  ['certificate-extension', 'an extension twice', { zone: { extra: [subjectKey, subjectKey] } }],
  ['certificate-algorithm', 'a key of P-256', { leaf: { curve: 'P-256' } }],
  ['certificate-algorithm', 'a key of P-521', { region: { curve: 'P-521' } }],
  ['certificate-algorithm', 'SHA-256', { instance: { algorithm: weakAlgorithm } }],
  ['certificate-issuer', 'another issuer’s name', { zone: { issuerName: 'somebody' } }],
  ['certificate-signature', 'signed by another', { zone: { signer: makePki().leaf.privateKey } }],
  ['certificate-malformed', 'version 1', { leaf: { version: Uint8Array.of(2, 1, 0) } }],
  [
    'certificate-malformed',
    'a false that is written',
    {
      zone: { extra: [Uint8Array.fromHex('300c0603551d1e01010004020500')] },
    },
  ],
]

function chained([verdict, what, links]: (typeof chains)[number]): Row {
  const made = makePki(links)
  const key = made.leaf.privateKey
  const payload = encodeFields(fieldsOf(made), 'indefinite')
  const document =
    key.asymmetricKeyDetails?.namedCurve === 'prime256v1'
      ? encodeCbor([NITRO_HEADER, {}, payload, new Uint8Array(96)])
      : signDocument({ payload, key })
  return [verdict, what, document, { roots: made.roots }]
}

function judged([verdict, what, document, given]: Row): JudgedDocument {
  return { verdict, what, document, ...GIVEN, ...given }
}

export const acceptedDocuments = accepted.map(([what, document]) => judged(['accepted', what, document]))
export const tamperedDocuments = tampered.map(judged)
export const chainedDocuments = chains.map(chained).map(judged)
