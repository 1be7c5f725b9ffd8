/**
 * The guest's side of a sandbox: sealed by the guest, so that the host keeps what it cannot read. AES-256-GCM; a random
 * nonce, then ciphertext and tag; bound to the sandbox, the key and the revision it was based on. Values are padded, so
 * that the host sees of their sizes what an eavesdropper sees of a message's.
 *
 * Keys are sealed too, each always to the same name, by which the host keeps its item: AES-256-GCM under a key of its
 * own and a nonce that is derived from the name itself, so that equal names alone seal equally (as in RFC 5297's SIV).
 */
import { expand } from '#host/crypto/derive.ts'
import type { Suite } from '#host/crypto/port.ts'
import { AEAD_KEY_BYTES, NONCE_BYTES } from '#host/crypto/sizes.ts'
import { Refusal } from '#host/errors.ts'
import { joinBytes } from '#host/wire/bytes.ts'
import { encodeCbor } from '#host/wire/cbor.ts'
import { pad, unpad } from '#host/wire/padding.ts'

import { SANDBOX_NAME_STEP_BYTES, SANDBOX_OWN_KEY_BYTES_MAX } from './limits.ts'

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
  crypto: Suite,
  secret: Uint8Array,
  place: SealedPlace,
  { value, random }: { readonly value: Uint8Array; readonly random: (length: number) => Uint8Array },
): Uint8Array {
  const nonce = random(NONCE_BYTES)
  return joinBytes([nonce, crypto.seal({ key: secret, nonce, aad: aadOf(place) }, pad(value))])
}

/** @throws Refusal `unopenable` when the host gave another item's bytes, or changed them */
export function openSandboxItem(crypto: Suite, secret: Uint8Array, place: SealedPlace, sealed: Uint8Array): Uint8Array {
  if (sealed.length < NONCE_BYTES) throw new Refusal('unopenable', 'sandbox item: shorter than its nonce')
  const nonce = sealed.subarray(0, NONCE_BYTES)
  return unpad(crypto.open({ key: secret, nonce, aad: aadOf(place) }, sealed.subarray(NONCE_BYTES)))
}

function aadOf({ sandbox, key, base }: SealedPlace): Uint8Array {
  return encodeCbor(['vine/1 sandbox item', sandbox, key, base])
}

/**
 * The name under which the host keeps the item of a key: the same for the same key of the same sandbox.
 *
 * @throws Refusal `malformed-request` for a key that is too long once it is sealed
 */
export function sealSandboxName(crypto: Suite, secret: Uint8Array, sandbox: string, name: string): string {
  const text = new TextEncoder().encode(name)
  if (text.length === 0 || text.length > SANDBOX_OWN_KEY_BYTES_MAX) {
    throw new Refusal('malformed-request', `a key of the guest’s own side has 1 to ${SANDBOX_OWN_KEY_BYTES_MAX} bytes`)
  }
  const padded = new Uint8Array(Math.ceil((text.length + 1) / SANDBOX_NAME_STEP_BYTES) * SANDBOX_NAME_STEP_BYTES)
  padded.set(text)
  padded[text.length] = DELIMITER
  const aad = nameContext(sandbox)
  const { key, nonceOf } = nameKeys(crypto, secret)
  const nonce = nonceOf(aad, text)
  return spelled(joinBytes([nonce, crypto.seal({ key, nonce, aad }, padded)]))
}

function spelled(whole: Uint8Array): string {
  return whole.toBase64({ alphabet: 'base64url', omitPadding: true })
}

/** @throws Refusal `unopenable` for a name that the guest's vault did not give */
export function openSandboxName(crypto: Suite, secret: Uint8Array, sandbox: string, name: string): string {
  const whole = bytesOfName(name)
  const nonce = whole.subarray(0, NONCE_BYTES)
  const { key } = nameKeys(crypto, secret)
  const padded = crypto.open({ key, nonce, aad: nameContext(sandbox) }, whole.subarray(NONCE_BYTES))
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(padded.subarray(0, padded.lastIndexOf(DELIMITER)))
}

function bytesOfName(name: string): Uint8Array {
  try {
    const whole = Uint8Array.fromBase64(name, { alphabet: 'base64url' })
    // One spelling: the last character has bits to spare.
    if (whole.length >= NONCE_BYTES && spelled(whole) === name) return whole
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new Refusal('unopenable', 'sandbox item: its name is none that was sealed')
}

function nameKeys(crypto: Suite, bytes: Uint8Array) {
  const secret = crypto.secret(bytes.slice())
  return {
    key: expand(secret, 'sandbox names'),
    nonceOf: (...contexts: readonly Uint8Array[]) =>
      expand(secret, 'sandbox name nonce', ...contexts).subarray(0, NONCE_BYTES),
  }
}

function nameContext(sandbox: string): Uint8Array {
  return encodeCbor(['vine/1 sandbox name', sandbox])
}

const DELIMITER = 0x80
