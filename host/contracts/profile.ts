/** A vault's public profile: its keys and what its handlers do, signed by itself. What a connection reads first. */
import { identityId } from '#host/crypto/identity.ts'
import type { OpeningKey, SigningKey, Suite } from '#host/crypto/port.ts'
import { ED25519_BYTES, KEM_PUBLIC_KEY_BYTES, VERIFY_KEY_BYTES } from '#host/crypto/sizes.ts'
import { Refusal } from '#host/errors.ts'
import { PROFILE_BYTES_MAX, PROFILE_ITEMS_MAX } from '#host/limits.ts'
import { bytesOf, check, z } from '#host/schema.ts'
import { equalBytes } from '#host/wire/bytes.ts'
import { type Cbor, decodeCbor, encodeCbor } from '#host/wire/cbor.ts'
import { HASH_BYTES } from '#host/wire/envelope.ts'
import { parseVaultId, type VaultId } from '#host/wire/id.ts'

import { openSigned, type SignedKind, signValue } from './signed.ts'

export interface Profile {
  readonly vault: VaultId
  /** 32 bytes: `identityId` of the key. Compare it with one that came another way (an invitation). */
  readonly id: Uint8Array
  /** Composite, 1,984 bytes. */
  readonly verifyKey: Uint8Array
  /** What hellos are encapsulated to: 1,216 bytes, which `hello` judges. */
  readonly prekey: Uint8Array
  /** Ed25519, 32 bytes: what the vault signs documents with. */
  readonly documents: Uint8Array
  /** Published manifests, unchecked. */
  readonly handlers: Cbor
  /** 32 bytes: names this profile, and so this prekey, in a hello. */
  readonly hash: Uint8Array
}

const signedProfile = {
  label: 'vine/1 profile',
  what: 'profile',
  code: 'handshake-failed',
  bytesMax: PROFILE_BYTES_MAX,
  itemsMax: PROFILE_ITEMS_MAX,
} as const satisfies SignedKind

const outerSchema = z.tuple([z.string(), z.instanceof(Uint8Array), z.instanceof(Uint8Array)])
const bodySchema = z.strictObject({
  v: z.literal(1),
  id: bytesOf(HASH_BYTES),
  kem: bytesOf(KEM_PUBLIC_KEY_BYTES),
  sig: bytesOf(VERIFY_KEY_BYTES),
  vault: z.string(),
  documents: bytesOf(ED25519_BYTES),
  handlers: z.custom<Cbor>((value) => value !== undefined),
})

/** Signs the profile. Equal input gives an equal hash, but another signature: hello and accept go by the hash. */
export function makeProfile(
  crypto: Suite,
  fields: {
    readonly vault: VaultId
    readonly signing: SigningKey
    readonly prekey: OpeningKey
    readonly documents: Uint8Array
    readonly handlers: Cbor
  },
): { bytes: Uint8Array; hash: Uint8Array } {
  const { vault, signing, prekey, documents, handlers } = fields
  const body: Cbor = {
    v: 1,
    id: identityId(crypto, signing.publicKey),
    kem: prekey.publicKey,
    sig: signing.publicKey,
    vault,
    documents,
    handlers,
  }
  const bytes = signValue(signedProfile, body, signing)
  // The payload is the one encoding of the body: nothing has to be opened to name it.
  return { bytes, hash: hashOf(crypto, encodeCbor(body)) }
}

/**
 * A profile as its vault signed it. Without `expectedId` it only shows that somebody holds the key in it.
 *
 * @throws Refusal `handshake-failed` naming what is wrong
 */
export function verifyProfile(crypto: Suite, bytes: Uint8Array, expectedId?: Uint8Array): Profile {
  try {
    return readProfile(crypto, bytes, expectedId)
  } catch (cause) {
    if (!(cause instanceof Refusal) || cause.code === 'handshake-failed') throw cause
    throw new Refusal('handshake-failed', `profile: ${cause.message}`, { cause })
  }
}

function readProfile(crypto: Suite, bytes: Uint8Array, expectedId: Uint8Array | undefined): Profile {
  const limits = { bytesMax: PROFILE_BYTES_MAX, itemsMax: PROFILE_ITEMS_MAX }
  // The key that must have signed is inside, so the body is read before it is believed.
  const [, claimed] = check(outerSchema, decodeCbor(bytes, limits), 'handshake-failed', 'profile')
  const body = check(bodySchema, decodeCbor(claimed, limits), 'handshake-failed', 'profile')
  const { payload } = openSigned(crypto, signedProfile, { bytes, by: body.sig })
  const id = identityId(crypto, body.sig)
  if (!equalBytes(id, body.id)) throw new Refusal('handshake-failed', 'profile: its id is not that of its key')
  if (expectedId !== undefined && !equalBytes(id, expectedId)) {
    throw new Refusal('handshake-failed', 'profile: of another vault than the one expected')
  }
  return {
    vault: parseVaultId(body.vault),
    id,
    verifyKey: body.sig,
    prekey: body.kem,
    documents: body.documents,
    handlers: body.handlers,
    hash: hashOf(crypto, payload),
  }
}

function hashOf(crypto: Suite, payload: Uint8Array): Uint8Array {
  return crypto.digest(signedProfile.label, payload)
}
