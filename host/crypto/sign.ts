/**
 * Composite signatures: ML-DSA-65 (FIPS 204) and Ed25519 over the same message, and both must verify
 * (draft-ietf-lamps-pq-composite-sigs, id-MLDSA65-Ed25519-SHA512). The context keeps one use from standing for another.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign as signOne,
  verify as verifyOne,
} from 'node:crypto'

import { Refusal } from '#host/errors.ts'

import { plain } from './kdf.ts'
import { type Seeded, withSeed } from './seed.ts'

/** ML-DSA's 32 bytes, then Ed25519's 32. */
const SIGNING_SEED_BYTES = 64
export const VERIFY_KEY_BYTES = 1_984
export const SIGNATURE_BYTES = 3_373

const MLDSA_SEED_BYTES = 32
const MLDSA_PUBLIC_KEY_BYTES = 1_952
const MLDSA_SIGNATURE_BYTES = 3_309
const CONTEXT_BYTES_MAX = 255

const utf8 = new TextEncoder()
const PREFIX = utf8.encode('CompositeAlgorithmSignatures2025')
const LABEL = utf8.encode('COMPSIG-MLDSA65-Ed25519-SHA512')

export interface VerifyKey {
  /** ML-DSA-65 (1,952 bytes) then Ed25519 (32): what is published. */
  readonly raw: Uint8Array
  readonly mldsa: KeyObject
  readonly ed25519: KeyObject
}

export interface SigningKey extends Seeded {
  readonly mldsa: KeyObject
  readonly ed25519: KeyObject
  readonly verifyKey: VerifyKey
}

/** The key of a 64-byte seed, which stays the caller's to wipe; of a fresh one when none is given. */
export function generateSigningKey(seed?: Uint8Array): SigningKey {
  return withSeed(seed, SIGNING_SEED_BYTES, (bytes, kept) => {
    const mldsa = createPrivateKey({
      key: bytes.subarray(0, MLDSA_SEED_BYTES),
      format: 'raw-seed',
      asymmetricKeyType: 'ml-dsa-65',
    })
    const ed25519 = createPrivateKey({
      key: bytes.subarray(MLDSA_SEED_BYTES),
      format: 'raw-private',
      asymmetricKeyType: 'ed25519',
    })
    const publicKeys = { mldsa: createPublicKey(mldsa), ed25519: createPublicKey(ed25519) }
    const raw = new Uint8Array(VERIFY_KEY_BYTES)
    raw.set(publicKeys.mldsa.export({ format: 'raw-public' }))
    raw.set(publicKeys.ed25519.export({ format: 'raw-public' }), MLDSA_PUBLIC_KEY_BYTES)
    return { seed: kept, mldsa, ed25519, verifyKey: { raw, ...publicKeys } }
  })
}

/** @throws Refusal `malformed` unless these are the 1,984 bytes of a key */
export function importVerifyKey(raw: Uint8Array): VerifyKey {
  if (raw.length !== VERIFY_KEY_BYTES) {
    throw new Refusal('malformed', `verify key: ${VERIFY_KEY_BYTES} bytes, not ${raw.length}`)
  }
  const mldsa = createPublicKey({
    key: raw.subarray(0, MLDSA_PUBLIC_KEY_BYTES),
    format: 'raw-public',
    asymmetricKeyType: 'ml-dsa-65',
  })
  const ed25519 = createPublicKey({
    key: raw.subarray(MLDSA_PUBLIC_KEY_BYTES),
    format: 'raw-public',
    asymmetricKeyType: 'ed25519',
  })
  return { raw: Uint8Array.from(raw), mldsa, ed25519 }
}

/** 3,373 bytes: ML-DSA-65 (hedged) then Ed25519. `context` names the use, such as `vine/1 profile`. */
export function sign(key: SigningKey, context: string, message: Uint8Array): Uint8Array {
  const prefixed = representative(context, message)
  const signature = new Uint8Array(SIGNATURE_BYTES)
  signature.set(signOne(null, prefixed, { key: key.mldsa, context: LABEL }))
  signature.set(signOne(null, prefixed, key.ed25519), MLDSA_SIGNATURE_BYTES)
  return signature
}

/** True when both signatures are this key's over this message in this context. */
export function verify(
  key: VerifyKey,
  signed: { readonly context: string; readonly message: Uint8Array; readonly signature: Uint8Array },
): boolean {
  const { signature } = signed
  const prefixed = representative(signed.context, signed.message)
  return (
    verifyOne(null, prefixed, key.ed25519, signature.subarray(MLDSA_SIGNATURE_BYTES)) &&
    verifyOne(null, prefixed, { key: key.mldsa, context: LABEL }, signature.subarray(0, MLDSA_SIGNATURE_BYTES))
  )
}

/** The draft's M': prefix, label, context with its length, SHA-512 of the message. */
function representative(context: string, message: Uint8Array): Uint8Array {
  const encoded = utf8.encode(context)
  if (encoded.length > CONTEXT_BYTES_MAX) throw new Error(`sign: context over ${CONTEXT_BYTES_MAX} bytes`)
  const hash = createHash('sha512').update(message).digest()
  return plain(Buffer.concat([PREFIX, LABEL, Uint8Array.of(encoded.length), encoded, hash]))
}
