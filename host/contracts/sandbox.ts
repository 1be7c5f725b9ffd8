/**
 * The terms of a shared sandbox (DESIGN §9): who hosts it, what each side may do in the mutual area, how it ends.
 *
 * Strict CBOR, signed by the creator, who hosts: `['vine/1 sandbox', payload, signature]`. The guest accepts by signing
 * their hash: `['vine/1 sandbox acceptance', payload, signature]`.
 */
import { identityId } from '#host/crypto/identity.ts'
import type { SigningKey, Suite } from '#host/crypto/port.ts'
import { Refusal } from '#host/errors.ts'
import { bytesOf, check, timestamp, z } from '#host/schema.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { grammar } from '#host/wire/id.ts'

import { SANDBOX_BYTES_MAX, SANDBOX_NAME_CHARS_MAX, SANDBOX_TERMS_BYTES_MAX } from './limits.ts'
import { openSigned, type SignedKind, signValue } from './signed.ts'

/** Who created it and hosts it, and who was invited. */
export type Side = 'creator' | 'guest'
/** What a side may do in the mutual area; `approval`: write, once the other side said yes to each change. */
export type Right = 'none' | 'read' | 'write' | 'approval'

/** What the owner chooses; the vault adds who and when. */
export interface SandboxClauses {
  readonly name: string
  readonly rights: Readonly<Record<Side, Right>>
  /** Whether a side may take back from the mutual area what it wrote there last. */
  readonly takeBack: boolean
  /** What the guest may copy, during its life and at its end. */
  readonly portability: 'none' | 'mutual' | 'mutual-and-own'
  /** Whether the guest's side is deleted at the end. */
  readonly purge: boolean
  /** Keys and values of the three areas together. */
  readonly bytesMax: number
}

export interface SandboxTerms extends SandboxClauses {
  /** `s-` and 16 hexadecimal characters, given by the creator's vault. */
  readonly id: string
  /** The connection in the creator's vault that it belongs to. */
  readonly connection: string
  /** 32 bytes each: ids of the keys that sign. */
  readonly creator: Uint8Array
  readonly guest: Uint8Array
  /** Milliseconds since the epoch. */
  readonly createdAt: number
}

/** Only `verifySandbox` makes one: holding it means that the creator's signature was good. */
export interface SignedSandbox {
  readonly terms: SandboxTerms
  /** SHA-256 over the label and the received payload: what an acceptance names. */
  readonly hash: Uint8Array
}

const kindOf = (label: string): SignedKind => ({
  label,
  what: 'sandbox terms',
  code: 'contract-invalid',
  bytesMax: SANDBOX_TERMS_BYTES_MAX,
  itemsMax: 64,
})
const signedTerms = kindOf('vine/1 sandbox')
const signedAcceptance: SignedKind = { ...kindOf('vine/1 sandbox acceptance'), what: 'sandbox acceptance' }

const right: z.ZodType<Right> = z.enum(['none', 'read', 'write', 'approval'])
const unreadable = /[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/u
const clauses = {
  name: z
    .string()
    .min(1)
    .max(SANDBOX_NAME_CHARS_MAX)
    .refine((text) => !unreadable.test(text), 'must not contain control or invisible characters'),
  rights: z.strictObject({ creator: right, guest: right }),
  takeBack: z.boolean(),
  portability: z.enum(['none', 'mutual', 'mutual-and-own']),
  purge: z.boolean(),
  bytesMax: z.int().min(1).max(SANDBOX_BYTES_MAX),
}

/** What the owner's device says it wants. */
export const clausesSchema: z.ZodType<SandboxClauses> = z.strictObject(clauses)

const id = z.string().regex(new RegExp(`^${grammar.id}$`), 'must be 1 to 64 of a-z 0-9 _ -')
const termsSchema: z.ZodType<SandboxTerms> = z.strictObject({
  ...clauses,
  id: z.string().regex(/^s-[0-9a-f]{16}$/, 'must be s- and 16 hexadecimal characters'),
  connection: id,
  creator: bytesOf(32),
  guest: bytesOf(32),
  createdAt: timestamp,
})

/** @throws Refusal `contract-invalid` naming every mistake */
export function signSandbox(terms: SandboxTerms, key: SigningKey): Uint8Array {
  const { rights, ...rest } = check(termsSchema, terms, 'contract-invalid', signedTerms.what)
  return signValue(signedTerms, { ...rest, rights: { ...rights } }, key)
}

/**
 * @param creatorKey raw composite verify key, 1,984 bytes
 * @throws Refusal `contract-invalid`
 */
export function verifySandbox(crypto: Suite, bytes: Uint8Array, creatorKey: Uint8Array): SignedSandbox {
  const { payload, value } = openSigned(crypto, signedTerms, { bytes, by: creatorKey })
  const terms = check(termsSchema, value, 'contract-invalid', signedTerms.what)
  if (!equalBytes(terms.creator, identityId(crypto, creatorKey))) {
    throw new Refusal('contract-invalid', 'sandbox terms: the creator must be the id of the signing key')
  }
  return { terms, hash: crypto.digest(signedTerms.label, payload) }
}

/** The guest's yes to these very terms. */
export function signSandboxAcceptance({ terms, hash }: SignedSandbox, key: SigningKey, acceptedAt: number): Uint8Array {
  return signValue(signedAcceptance, { sandbox: terms.id, hash, acceptedAt }, key)
}

const acceptanceSchema = z.strictObject({ sandbox: z.string(), hash: bytesOf(32), acceptedAt: timestamp })

/**
 * @param of.guestKey raw composite verify key, 1,984 bytes
 * @throws Refusal `contract-invalid`; `contract-stale` when it accepts other terms
 */
export function verifySandboxAcceptance(
  crypto: Suite,
  bytes: Uint8Array,
  of: { readonly about: SignedSandbox; readonly guestKey: Uint8Array },
): void {
  const { about, guestKey } = of
  const { value } = openSigned(crypto, signedAcceptance, { bytes, by: guestKey })
  const { sandbox, hash } = check(acceptanceSchema, value, 'contract-invalid', signedAcceptance.what)
  if (!equalBytes(about.terms.guest, identityId(crypto, guestKey))) {
    throw new Refusal('contract-invalid', 'sandbox acceptance: these terms are for another guest')
  }
  if (sandbox !== about.terms.id || !equalBytes(hash, about.hash)) {
    throw new Refusal('contract-stale', 'sandbox acceptance: of other terms; read these and accept what they say')
  }
}
