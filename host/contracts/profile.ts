/** A vault's public profile: its keys and what its handlers do, signed by itself. What a connection reads first. */
import { ED25519_BYTES } from '#host/crypto/ed25519.ts'
import { type KemPrivateKey, KEM_PUBLIC_KEY_BYTES, type KemPublicKey, importKemPublicKey } from '#host/crypto/kem.ts'
import { identityId } from '#host/crypto/identity.ts'
import { digest } from '#host/crypto/kdf.ts'
import { importVerifyKey, type SigningKey, VERIFY_KEY_BYTES, type VerifyKey } from '#host/crypto/sign.ts'
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
  readonly verifyKey: VerifyKey
  /** What hellos are encapsulated to. */
  readonly prekey: KemPublicKey
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
export function makeProfile(fields: {
  readonly vault: VaultId
  readonly signing: SigningKey
  readonly prekey: KemPrivateKey
  readonly documents: Uint8Array
  readonly handlers: Cbor
}): { bytes: Uint8Array; hash: Uint8Array } {
  const { vault, signing, prekey, documents, handlers } = fields
  const verifyKey = signing.verifyKey.raw
  const body: Cbor = {
    v: 1,
    id: identityId(verifyKey),
    kem: prekey.publicKey.raw,
    sig: verifyKey,
    vault,
    documents,
    handlers,
  }
  const bytes = signValue(signedProfile, body, signing)
  // The payload is the one encoding of the body: nothing has to be opened to name it.
  return { bytes, hash: hashOf(encodeCbor(body)) }
}

/**
 * A profile as its vault signed it. Without `expectedId` it only shows that somebody holds the key in it.
 *
 * @throws Refusal `handshake-failed` naming what is wrong
 */
export function verifyProfile(bytes: Uint8Array, expectedId?: Uint8Array): Profile {
  try {
    return readProfile(bytes, expectedId)
  } catch (cause) {
    if (!(cause instanceof Refusal) || cause.code === 'handshake-failed') throw cause
    throw new Refusal('handshake-failed', `profile: ${cause.message}`, { cause })
  }
}

function readProfile(bytes: Uint8Array, expectedId: Uint8Array | undefined): Profile {
  const limits = { bytesMax: PROFILE_BYTES_MAX, itemsMax: PROFILE_ITEMS_MAX }
  // The key that must have signed is inside, so the body is read before it is believed.
  const [, claimed] = check(outerSchema, decodeCbor(bytes, limits), 'handshake-failed', 'profile')
  const body = check(bodySchema, decodeCbor(claimed, limits), 'handshake-failed', 'profile')
  const { payload } = openSigned(signedProfile, bytes, body.sig)
  const id = identityId(body.sig)
  if (!equalBytes(id, body.id)) throw new Refusal('handshake-failed', 'profile: its id is not that of its key')
  if (expectedId !== undefined && !equalBytes(id, expectedId)) {
    throw new Refusal('handshake-failed', 'profile: of another vault than the one expected')
  }
  return {
    vault: parseVaultId(body.vault),
    id,
    verifyKey: importVerifyKey(body.sig),
    prekey: importKemPublicKey(body.kem),
    documents: body.documents,
    handlers: body.handlers,
    hash: hashOf(payload),
  }
}

function hashOf(payload: Uint8Array): Uint8Array {
  return digest(signedProfile.label, payload)
}
