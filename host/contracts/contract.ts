/**
 * What a connection may ask, signed by the one who asks.
 *
 * On the wire a contract is vine-CBOR `['vine/1 contract', payload, signature]`: the payload is a byte string, and what
 * is signed, hashed and kept are those bytes as received. They are never encoded again to be checked.
 */
import { identityId } from '#host/crypto/identity.ts'
import type { SigningKey, Suite } from '#host/crypto/port.ts'
import {
  CONTRACT_BYTES_MAX,
  CONTRACT_CATEGORIES_MAX,
  CONTRACT_EVENTS_MAX,
  CONTRACT_FIELDS_MAX,
  CONTRACT_ITEMS_MAX,
  CONTRACT_STORAGE_BYTES_MAX,
  FIELD_NAME_CHARS_MAX,
  LINK_CHARS_MAX,
  PURPOSE_CHARS_MAX,
  REQUESTS_PER_HOUR_MAX,
  RETENTION_DAYS_MAX,
  SERVICE_NAME_CHARS_MAX,
} from '#host/limits.ts'
import { bytesOf, check, timestamp, z } from '#host/schema.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import type { Cbor } from '#host/wire/cbor.ts'
import { grammar } from '#host/wire/id.ts'

import { APPROVAL_MS_MAX, APPROVAL_MS_MIN } from './limits.ts'
import type { Retention } from './retention.ts'
import { openSigned, type SignedKind, signValue } from './signed.ts'

/**
 * How a field is given: `required` is a condition of connecting, `optional` may be declined, `on-demand` is given when
 * asked for, `consent` waits for the owner's yes each time.
 */
export type Tier = 'required' | 'optional' | 'on-demand' | 'consent'

export interface ContractField {
  readonly name: string
  readonly tier: Tier
  /** Why it is asked for, in words for the owner. */
  readonly purpose: string
  readonly retention: Retention
}

/** What may be kept in the vault: of these categories, in so many bytes of keys and values. */
interface StorePermission {
  readonly categories: readonly string[]
  readonly bytesMax: number
  /** How sensitive items of a category are at least; plain data where it is not said. */
  readonly sensitivity?: Readonly<Record<string, 'secret' | 'critical'>>
}

export interface Contract {
  readonly service: {
    readonly name: string
    /** 32 bytes: the id of the key that signs. */
    readonly identity: Uint8Array
    readonly links: { readonly terms?: string; readonly privacy?: string }
  }
  readonly id: string
  /** 1 for the first; publishing the next one freezes this one. */
  readonly version: number
  /** Milliseconds since the epoch. */
  readonly publishedAt: number
  readonly fields: readonly ContractField[]
  readonly permissions: {
    /** Event types it may send. */
    readonly events: readonly string[]
    readonly store: null | StorePermission
    readonly messages: boolean
    readonly authentication: boolean
    readonly payment: boolean
  }
  readonly limits: {
    readonly requestsPerHour: number
    readonly storageBytes: number
    /** How long a question to the owner stays open, unless its event expires before; `CONSENT_LIFE_MS` without it. */
    readonly approvalMs?: number
  }
}

/** Only `verifyContract` makes one: holding it means that the signature was good. */
export interface SignedContract {
  /** The signed bytes as received. */
  readonly payload: Uint8Array
  readonly signature: Uint8Array
  readonly contract: Contract
  /** SHA-256 over `vine/1 contract` and the received payload: what an acceptance names. */
  readonly hash: Uint8Array
}

const signedContract: SignedKind = {
  label: 'vine/1 contract',
  what: 'contract',
  code: 'contract-invalid',
  bytesMax: CONTRACT_BYTES_MAX,
  itemsMax: CONTRACT_ITEMS_MAX,
}

/**
 * The bytes to publish.
 *
 * @throws Refusal `contract-invalid` naming every mistake, the same that `verifyContract` would find
 */
export function signContract(crypto: Suite, contract: Contract, key: SigningKey): Uint8Array {
  const checked = checkContract(contract, identityId(crypto, key.publicKey))
  return signValue(signedContract, toCbor(checked), key)
}

/**
 * A contract as its publisher signed it. Limits come first, then the signature over the received payload, then its
 * sense; the identity it names must be the id of the key that signed.
 *
 * @param publisherKey raw composite verify key, 1,984 bytes
 * @throws Refusal `contract-invalid` naming every mistake
 */
export function verifyContract(crypto: Suite, bytes: Uint8Array, publisherKey: Uint8Array): SignedContract {
  const { payload, signature, value } = openSigned(crypto, signedContract, { bytes, by: publisherKey })
  const contract = checkContract(value, identityId(crypto, publisherKey))
  return { payload, signature, contract, hash: crypto.digest(signedContract.label, payload) }
}

function checkContract(value: unknown, publisher: Uint8Array): Contract {
  return check(contractSchema(publisher), value, 'contract-invalid', 'contract')
}

// What hides or reorders the text beside it on the owner's screen: controls, bidi marks, zero-width characters.
const unreadable = /[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/u

function readable(charsMax: number): z.ZodType<string> {
  return z
    .string()
    .min(1)
    .max(charsMax)
    .refine((text) => !unreadable.test(text), 'must not contain control or invisible characters')
    .refine((text) => text === text.trim(), 'must not begin or end with a space')
}

/** Repeats are found even when other things are wrong with the list. */
function distinct<T>(item: z.ZodType<T>, itemsMax: number, nameOf: (item: T) => unknown = (item) => item) {
  const repeated = (list: readonly T[]): string[] => {
    const names = list.map((item) => String(nameOf(item)))
    return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))]
  }
  return z
    .array(item)
    .max(itemsMax)
    .refine((list) => repeated(list).length === 0, {
      error: ({ input }) => `must not repeat ${Array.isArray(input) ? repeated(input).join(', ') : 'anything'}`,
      when: ({ value }) => Array.isArray(value),
    })
}

const name = z
  .string()
  .regex(new RegExp(`^[a-z][a-z0-9_]{0,${FIELD_NAME_CHARS_MAX - 1}}$`), 'must match [a-z][a-z0-9_]*')
const link = z
  .string()
  .max(LINK_CHARS_MAX)
  .regex(/^https:\/\/[\x21-\x7e]+$/, 'must be an https address')

const retention: z.ZodType<Retention> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('session') }),
  z.strictObject({ kind: z.literal('days'), days: z.int().min(1).max(RETENTION_DAYS_MAX) }),
  z.strictObject({ kind: z.literal('until-revoked') }),
])

const field: z.ZodType<ContractField> = z.strictObject({
  name,
  tier: z.enum(['required', 'optional', 'on-demand', 'consent']),
  purpose: readable(PURPOSE_CHARS_MAX),
  retention,
})

const storageBytes = z.int().min(0).max(CONTRACT_STORAGE_BYTES_MAX)

const stores = z
  .strictObject({
    categories: distinct(name, CONTRACT_CATEGORIES_MAX),
    bytesMax: storageBytes,
    sensitivity: z.exactOptional(z.record(name, z.enum(['secret', 'critical']))),
  })
  .refine(({ categories, sensitivity = {} }) => Object.keys(sensitivity).every((each) => categories.includes(each)), {
    path: ['sensitivity'],
    message: 'must name listed categories',
  })

const permissions = z.strictObject({
  events: distinct(z.string().regex(new RegExp(`^${grammar.type}$`), 'must be noun.verb'), CONTRACT_EVENTS_MAX),
  store: stores.nullable(),
  messages: z.boolean(),
  authentication: z.boolean(),
  payment: z.boolean(),
})

function contractSchema(identity: Uint8Array): z.ZodType<Contract> {
  return z
    .strictObject({
      service: z.strictObject({
        name: readable(SERVICE_NAME_CHARS_MAX),
        identity: bytesOf(identity.length).refine(
          (id) => equalBytes(id, identity),
          'must be the id of the signing key',
        ),
        links: z.strictObject({ terms: z.exactOptional(link), privacy: z.exactOptional(link) }),
      }),
      id: z.string().regex(new RegExp(`^${grammar.id}$`), 'must be 1 to 64 of a-z 0-9 _ -'),
      version: z.int().min(1),
      publishedAt: timestamp,
      fields: distinct(field, CONTRACT_FIELDS_MAX, (field) => field?.name),
      permissions,
      limits: z.strictObject({
        requestsPerHour: z.int().min(1).max(REQUESTS_PER_HOUR_MAX),
        storageBytes,
        approvalMs: z.exactOptional(z.int().min(APPROVAL_MS_MIN).max(APPROVAL_MS_MAX)),
      }),
    })
    .refine(({ permissions, limits }) => (permissions.store?.bytesMax ?? 0) <= limits.storageBytes, {
      path: ['permissions', 'store', 'bytesMax'],
      message: 'must not be over limits.storageBytes',
    })
}

function storeCbor({ sensitivity, ...rest }: StorePermission): Cbor {
  return { ...rest, ...(sensitivity && { sensitivity: { ...sensitivity } }) }
}

/** Spelled out: an interface has no index signature, and nothing but what is declared shall be signed. */
function toCbor({ service, fields, permissions, limits, ...rest }: Contract): Cbor {
  return {
    ...rest,
    service: { ...service, links: { ...service.links } },
    fields: fields.map((field) => ({ ...field, retention: { ...field.retention } })),
    permissions: { ...permissions, store: permissions.store && storeCbor(permissions.store) },
    limits: { ...limits },
  }
}
