/**
 * Credentials: claims that an issuer signed with BBS, so that their holder shows some and proves that all were signed.
 * `docs/credentials.md` has the format for other implementations.
 */
import { Refusal } from '#host/errors.ts'
import {
  CLAIM_CHARS_MAX,
  CREDENTIAL_BYTES_MAX,
  CREDENTIAL_CLAIMS_MAX,
  CREDENTIAL_KIND_CHARS_MAX,
  FIELD_NAME_CHARS_MAX,
} from '#host/limits.ts'
import { bytesOf, bytesUpTo, check, timestamp, z } from '#host/schema.ts'
import { decodeCbor, encodeCbor } from '#host/wire/cbor.ts'

import { BBS_KEY_BYTES, BBS_SIGNATURE_BYTES, type BbsKey, type BbsSigned, signBbs } from './bbs.ts'
import type { Suite } from './port.ts'

export type ClaimValue = string | number | boolean
export type Claim = readonly [name: string, value: ClaimValue]

/** What every verifier of a proof learns, and so what must not be one holder's alone. */
export interface CredentialHeader {
  /** Kebab-case: `driving-licence`. */
  readonly kind: string
  /** Names of all claims, hidden ones included, in the order they are signed in. */
  readonly names: readonly string[]
  /** Milliseconds since the epoch, the first of a UTC month, so that many expire together; `null` for never. */
  readonly expires: number | null
}

export interface Credential extends CredentialHeader {
  /** The issuer's public key, 96 bytes. */
  readonly issuer: Uint8Array
  /** The signed header as received. */
  readonly header: Uint8Array
  readonly claims: readonly Claim[]
  readonly signature: Uint8Array
}

const FORMAT = 'vine/1 credential'

export const claimSchema = z
  .tuple([
    z
      .string()
      .regex(/^[a-z][a-z0-9_]*$/)
      .max(FIELD_NAME_CHARS_MAX),
    z.union([z.string().max(CLAIM_CHARS_MAX), z.number().int(), z.boolean()]),
  ])
  .readonly()

const headerSchema = z.strictObject({
  format: z.literal(FORMAT),
  kind: z
    .string()
    .regex(/^[a-z][a-z0-9-]*$/)
    .max(CREDENTIAL_KIND_CHARS_MAX),
  names: z
    .array(z.string())
    .min(1)
    .max(CREDENTIAL_CLAIMS_MAX)
    .refine((names) => new Set(names).size === names.length, 'names a claim twice'),
  expires: timestamp.refine(isMonth, 'must be the first instant of a UTC month').nullable(),
})

const credentialSchema = z.strictObject({
  issuer: bytesOf(BBS_KEY_BYTES),
  header: bytesUpTo(CREDENTIAL_BYTES_MAX),
  claims: z.array(claimSchema).min(1).max(CREDENTIAL_CLAIMS_MAX),
  signature: bytesOf(BBS_SIGNATURE_BYTES),
})

/** Signs claims: the issuer's side. @throws Refusal `malformed` for what no credential may say */
export function issueCredential(
  key: BbsKey,
  { kind, expires, claims }: { kind: string; expires: number | null; claims: readonly Claim[] },
): Uint8Array {
  const header = encodeCbor({ format: FORMAT, kind, names: claims.map(([name]) => name), expires })
  const signature = signBbs(key, { header, messages: claims.map(claimMessage) })
  const bytes = encodeCbor({ issuer: key.publicKey, header, claims, signature })
  decodeCredential(bytes)
  return bytes
}

/** Reads a credential; whether its signature holds is `verifyBbs` of `signedOf` it. @throws Refusal `malformed` */
export function decodeCredential(bytes: Uint8Array): Credential {
  const value = decodeCbor(bytes, { bytesMax: CREDENTIAL_BYTES_MAX })
  const { issuer, header, claims, signature } = check(credentialSchema, value, 'malformed', 'the credential')
  const { kind, names, expires } = decodeCredentialHeader(header)
  if (names.length !== claims.length || claims.some(([name], at) => name !== names[at])) {
    throw new Refusal('malformed', 'the credential: its claims are not those its header names')
  }
  return { issuer, header, kind, names, expires, claims, signature }
}

/** @throws Refusal `malformed` */
export function decodeCredentialHeader(bytes: Uint8Array): CredentialHeader {
  return check(headerSchema, decodeCbor(bytes), 'malformed', 'the credential’s header')
}

/** What its issuer signed. */
export function signedOf({ issuer, header, claims, signature }: Credential): BbsSigned {
  return { publicKey: issuer, header, messages: claims.map(claimMessage), signature }
}

/** The one message of a claim: its name and its typed value. */
export function claimMessage([name, value]: Claim): Uint8Array {
  return encodeCbor([name, value])
}

/** Whose key this is, in 43 characters: base64url of SHA-256 over `vine/1 issuer` and the key. */
export function issuerName(crypto: Suite, publicKey: Uint8Array): string {
  return crypto.digest('vine/1 issuer', publicKey).toBase64({ alphabet: 'base64url', omitPadding: true })
}

function isMonth(at: number): boolean {
  const date = new Date(at)
  return at === Date.UTC(date.getUTCFullYear(), date.getUTCMonth())
}
