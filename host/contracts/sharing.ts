/**
 * Peers: mutual, light (DESIGN §7). What each owner shares with the other takes the place of a published contract: the
 * other side signs a light contract that asks for exactly that, and the owner accepts it like any other.
 */
import { identityId } from '#host/crypto/identity.ts'
import type { SigningKey, Suite } from '#host/crypto/port.ts'
import { Refusal } from '#host/errors.ts'
import {
  CONTRACT_BYTES_MAX,
  CONTRACT_CATEGORIES_MAX,
  CONTRACT_EVENTS_MAX,
  CONTRACT_STORAGE_BYTES_MAX,
  FIELD_NAME_CHARS_MAX,
  REQUESTS_PER_HOUR_MAX,
} from '#host/limits.ts'
import { bytesUpTo, check, z } from '#host/schema.ts'
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { type ConnectionId, parseConnectionId, parseVaultId, type VaultId } from '#host/wire/id.ts'
import { type Contract, signContract } from './contract.ts'

/** What one owner lets a peer do in their vault. */
export interface Sharing {
  /** Event types the peer may send. */
  readonly events: readonly string[]
  /** What the peer's events may leave there; `null`: nothing. */
  readonly store: { readonly categories: readonly string[]; readonly bytesMax: number } | null
  readonly messages: boolean
  readonly authentication: boolean
  readonly requestsPerHour: number
}

/** Where a vault hears one connection. */
export interface PeerPlace {
  readonly vault: VaultId
  readonly connection: ConnectionId
}

/** What a vault puts in its hello to another vault. */
export interface PeerOffer {
  /** What it asks for, signed by it. */
  readonly contract: Uint8Array
  /** What it shares. */
  readonly sharing: Sharing
  /** Where it is answered. */
  readonly place: PeerPlace
}

/** The one version of a light contract: other terms are another connection. */
const VERSION = 1
const LABEL = 'vine/1 peer'

const text = z.string().min(1)
export const sharingSchema: z.ZodType<Sharing> = z.strictObject({
  events: z.array(text.max(65)).max(CONTRACT_EVENTS_MAX),
  store: z
    .strictObject({
      categories: z.array(text.max(FIELD_NAME_CHARS_MAX)).max(CONTRACT_CATEGORIES_MAX),
      bytesMax: z.int().min(0).max(CONTRACT_STORAGE_BYTES_MAX),
    })
    .nullable(),
  messages: z.boolean(),
  authentication: z.boolean(),
  requestsPerHour: z.int().min(1).max(REQUESTS_PER_HOUR_MAX),
})

/** The contract of whoever is shared with, signed by them. @throws Refusal `contract-invalid` naming every mistake */
export function signSharing(
  crypto: Suite,
  sharing: Sharing,
  by: { readonly name: string; readonly vault: VaultId; readonly signing: SigningKey; readonly now: number },
): Uint8Array {
  const { events, store, messages, authentication, requestsPerHour } = sharing
  const contract: Contract = {
    service: { name: by.name, identity: identityId(crypto, by.signing.publicKey), links: {} },
    id: by.vault,
    version: VERSION,
    publishedAt: by.now,
    fields: [],
    permissions: { events, store, messages, authentication, payment: false },
    limits: { requestsPerHour, storageBytes: store?.bytesMax ?? 0 },
  }
  return signContract(crypto, contract, by.signing)
}

/** Sharing settings as vine-CBOR takes them. */
export function sharingCbor({ store, ...rest }: Sharing): Cbor {
  return { ...rest, store: store && { ...store } }
}

/** The bytes a vault offers in its hello. They are covered by the hello's signature. */
export function encodePeerOffer({ contract, sharing, place }: PeerOffer): Uint8Array {
  return encodeCbor([LABEL, contract, sharingCbor(sharing), place.vault, place.connection])
}

const offerSchema = z.tuple([z.literal(LABEL), bytesUpTo(CONTRACT_BYTES_MAX), sharingSchema, z.string(), z.string()])

/** @throws Refusal `contract-invalid`: what a service offers is none */
export function decodePeerOffer(bytes: Uint8Array): PeerOffer {
  try {
    const value = decodeCbor(bytes)
    const [, contract, sharing, vault, connection] = check(offerSchema, value, 'contract-invalid', 'a peer’s offer')
    const place = { vault: parseVaultId(vault), connection: parseConnectionId(connection) }
    return { contract, sharing, place }
  } catch (cause) {
    if (!(cause instanceof Refusal) || cause.code === 'contract-invalid') throw cause
    throw new Refusal('contract-invalid', `a peer’s offer: ${cause.message}`, { cause })
  }
}
