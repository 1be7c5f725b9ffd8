/**
 * The guest's side of a sandbox: sealed by the guest, so that the host keeps what it cannot read. AES-256-GCM; a random
 * nonce, then ciphertext and tag; bound to the sandbox, the key and the revision it was based on. Values are padded, so
 * that the host sees of their sizes what an eavesdropper sees of a message's. The host sees the keys.
 */
import { AEAD_KEY_BYTES, NONCE_BYTES, openAead, sealAead } from '#host/crypto/aead.ts'
import { Refusal } from '#host/errors.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { pad, unpad } from '#host/wire/padding.ts'

/** The length of the key that the guest keeps for one sandbox. */
export const SANDBOX_KEY_BYTES = AEAD_KEY_BYTES

/** What a sealed item is bound to. */
export interface SealedPlace {
  readonly sandbox: string
  readonly key: string
  /** The revision that the writer relied on. */
  readonly base: number
}

export function sealSandboxItem(
  secret: Uint8Array,
  place: SealedPlace,
  { value, random }: { readonly value: Uint8Array; readonly random: (length: number) => Uint8Array },
): Uint8Array {
  const nonce = random(NONCE_BYTES)
  const sealed = sealAead(secret, { nonce, aad: aadOf(place) }, pad(value))
  const whole = new Uint8Array(nonce.length + sealed.length)
  whole.set(nonce)
  whole.set(sealed, nonce.length)
  return whole
}

/** @throws Refusal `unopenable` when the host gave another item's bytes, or changed them */
export function openSandboxItem(secret: Uint8Array, place: SealedPlace, sealed: Uint8Array): Uint8Array {
  if (sealed.length < NONCE_BYTES) throw new Refusal('unopenable', 'sandbox item: shorter than its nonce')
  const nonce = sealed.subarray(0, NONCE_BYTES)
  return unpad(openAead(secret, { nonce, aad: aadOf(place) }, sealed.subarray(NONCE_BYTES)))
}

function aadOf({ sandbox, key, base }: SealedPlace): Uint8Array {
  return encodeCbor(['vine/1 sandbox item', sandbox, key, base])
}
