/** A Nitro-format chain and documents, made here: all that a real one has, and all that can be wrong with it. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

import { sha256 } from '#host/crypto/p384.ts'
import { type Cbor, encodeCbor } from '#host/wire/cbor.ts'

import { signedMessage } from './evidence.ts'
import { NITRO_HEADER } from './nitro.ts'
import type { Policy, Roots } from './policy.ts'

/** When the documents are made. */
export const AT_MS = Date.UTC(2026, 5, 1, 12)
const HOUR_MS = 3_600_000

const concat = (parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]))

function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = concat(parts)
  const size = content.length
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 255]
  return concat([Uint8Array.of(tag, ...length), content])
}

const hex = (text: string): Uint8Array => Uint8Array.fromHex(text)
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)
const name = (text: string): Uint8Array => der(0x30, der(0x31, der(0x30, hex('0603550403'), der(0x0c, ascii(text)))))
const time = (ms: number): Uint8Array =>
  der(0x17, ascii(`${new Date(ms).toISOString().replaceAll(/\D/g, '').slice(2, 14)}Z`))

const SHA384_ALGORITHM = hex('300a06082a8648ce3d040303')
const SHA256_ALGORITHM = hex('300a06082a8648ce3d040302')

export interface CertificateOptions {
  readonly isCa: boolean
  readonly pathLength?: number | undefined
  /** First octet of KeyUsage; null leaves the extension out. */
  readonly usage: number | null
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly issuerName?: string
  readonly curve?: string
  readonly algorithm?: Uint8Array
  /** DER extensions added at the end. */
  readonly extra?: readonly Uint8Array[]
  /** Signs in place of the issuer. */
  readonly signer?: KeyObject
  readonly version?: Uint8Array
}

export interface Made {
  readonly der: Uint8Array
  readonly privateKey: KeyObject
  readonly subject: string
}

export function extension(oid: string, { isCritical, value }: { isCritical: boolean; value: Uint8Array }): Uint8Array {
  const flag = isCritical ? [hex('0101ff')] : []
  return der(0x30, der(0x06, hex(oid)), ...flag, der(0x04, value))
}

function makeCertificate(subject: string, issuer: Made | undefined, options: CertificateOptions): Made {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: options.curve ?? 'P-384' })
  const { isCa, pathLength, usage, algorithm = SHA384_ALGORITHM } = options
  const length = pathLength === undefined ? [] : [der(0x02, Uint8Array.of(pathLength))]
  const constraints = der(0x30, ...(isCa ? [hex('0101ff')] : []), ...length)
  const extensions = [
    extension('551d13', { isCritical: true, value: constraints }),
    ...(usage === null ? [] : [extension('551d0f', { isCritical: true, value: der(0x03, Uint8Array.of(0, usage)) })]),
    ...(options.extra ?? []),
  ]
  const tbs = der(
    0x30,
    der(0xa0, options.version ?? hex('020102')),
    der(0x02, Uint8Array.of(1), sha256(ascii(subject)).slice(0, 15)),
    algorithm,
    name(options.issuerName ?? issuer?.subject ?? subject),
    der(0x30, time(options.notBeforeMs), time(options.notAfterMs)),
    name(subject),
    new Uint8Array(publicKey.export({ format: 'der', type: 'spki' })),
    der(0xa3, der(0x30, ...extensions)),
  )
  const hash = algorithm === SHA256_ALGORITHM ? 'sha256' : 'sha384'
  const signature = new Uint8Array(sign(hash, tbs, options.signer ?? issuer?.privateKey ?? privateKey))
  return { der: der(0x30, tbs, algorithm, der(0x03, Uint8Array.of(0), signature)), privateKey, subject }
}

export type Links = Partial<Record<'root' | 'region' | 'zone' | 'instance' | 'leaf', Partial<CertificateOptions>>>

export interface Pki {
  /** Root, region, zone, instance. */
  readonly bundle: readonly Made[]
  readonly leaf: Made
  readonly roots: Roots
}

/** A chain as AWS makes them, but for what `links` changes. */
export function makePki(links: Links = {}): Pki {
  const authority = { isCa: true, usage: 0x06, notBeforeMs: AT_MS - 24 * HOUR_MS, notAfterMs: AT_MS + 24 * HOUR_MS }
  const root = makeCertificate('test.nitro-enclaves', undefined, { ...authority, ...links.root })
  const region = makeCertificate('region', root, { ...authority, pathLength: 2, ...links.region })
  const zone = makeCertificate('zone', region, { ...authority, pathLength: 1, ...links.zone })
  const instance = makeCertificate('instance', zone, { ...authority, pathLength: 0, ...links.instance })
  const leaf = makeCertificate('leaf', instance, {
    isCa: false,
    usage: 0x80,
    notBeforeMs: AT_MS - HOUR_MS,
    notAfterMs: AT_MS + 2 * HOUR_MS,
    ...links.leaf,
  })
  return {
    bundle: [root, region, zone, instance],
    leaf,
    roots: { nitro: [sha256(root.der).toHex()], software: [], revoked: new Set() },
  }
}

export const weakAlgorithm = SHA256_ALGORITHM

/** PCR0 to PCR2 and PCR4, which tell themselves apart. */
export const REGISTERS: ReadonlyMap<number, Uint8Array> = new Map(
  [0, 1, 2, 4].map((index) => [index, new Uint8Array(48).fill(index + 1)]),
)

export const POLICY: Policy = {
  kind: 'nitro',
  measurements: [],
  registers: new Map([0, 1, 2].map((index) => [index, [(REGISTERS.get(index) ?? new Uint8Array()).toHex()]])),
  maxAgeMs: 60_000,
}

/** The payload's fields in the order of the NSM. `undefined` leaves one out. */
export function fieldsOf(pki: Pki, changes: Readonly<Record<string, Cbor | undefined>> = {}): [string, Cbor][] {
  const fields: Readonly<Record<string, Cbor | undefined>> = {
    module_id: 'i-0123456789abcdef0-enc0123456789abcdef0',
    digest: 'SHA384',
    timestamp: AT_MS,
    pcrs: REGISTERS,
    certificate: pki.leaf.der,
    cabundle: pki.bundle.map((made) => made.der),
    public_key: null,
    user_data: null,
    nonce: null,
    ...changes,
  }
  return Object.entries(fields).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]]))
}

/** A map in the order given, of indefinite length as today's NSM writes, or definite as it did until 2024. */
export function encodeFields(
  fields: readonly (readonly [string, Cbor])[],
  form: 'definite' | 'indefinite',
): Uint8Array {
  const body = concat(fields.flatMap(([key, value]) => [encodeCbor(key), encodeCbor(value)]))
  if (form === 'definite') return concat([Uint8Array.of(0xa0 + fields.length), body])
  return concat([Uint8Array.of(0xbf), body, Uint8Array.of(0xff)])
}

export interface DocumentParts {
  readonly header?: Uint8Array
  readonly unprotected?: Cbor
  readonly payload: Uint8Array
  readonly key: KeyObject
}

/** Signs a payload as an enclave's leaf does. */
export function signDocument({ header = NITRO_HEADER, unprotected = {}, payload, key }: DocumentParts): Uint8Array {
  const signature = sign('sha384', signedMessage(header, payload), { key, dsaEncoding: 'ieee-p1363' })
  return encodeCbor([header, unprotected, payload, new Uint8Array(signature)])
}

export function makeDocument(
  pki: Pki,
  changes: Readonly<Record<string, Cbor | undefined>> = {},
  form: 'definite' | 'indefinite' = 'indefinite',
): Uint8Array {
  return signDocument({ payload: encodeFields(fieldsOf(pki, changes), form), key: pki.leaf.privateKey })
}
