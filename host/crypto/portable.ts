/**
 * The primitives of `sign`, `kem`, `aead` and `kdf` without Node: the same bytes, for a browser. Slower by a decimal
 * order, and it leaves copies of secrets in the JavaScript heap: where there is a native one, that is used.
 */
import { gcm } from '@noble/ciphers/aes.js'
import { ed25519 } from '@noble/curves/ed25519.js'
import { argon2idAsync } from '@noble/hashes/argon2.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import { ml_kem768_x25519 as xwing } from '@noble/post-quantum/hybrid.js'
import { ml_dsa65 } from '@noble/post-quantum/ml-dsa.js'

import { Refusal } from '#host/errors.ts'
import { joinBytes } from '#host/wire/bytes.ts'

const MLDSA_SEED_BYTES = 32
const MLDSA_PUBLIC_KEY_BYTES = 1_952
const MLDSA_SIGNATURE_BYTES = 3_309
const SIGNATURE_BYTES = 3_373
const VERIFY_KEY_BYTES = 1_984
const ENCAPSULATION_BYTES = 64
const ARGON_TAG_BYTES = 32

const utf8 = new TextEncoder()
const PREFIX = utf8.encode('CompositeAlgorithmSignatures2025')
const LABEL = utf8.encode('COMPSIG-MLDSA65-Ed25519-SHA512')

type Random = (count: number) => Uint8Array

/** SHA-256 over the parts in a row. */
export function portableDigest(...parts: readonly Uint8Array[]): Uint8Array {
  return sha256(joinBytes(parts))
}

/** HKDF-SHA-256 (RFC 5869). */
export function portableDerive(input: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  return hkdf(sha256, input, salt, info, length)
}

interface PortableSeal {
  readonly key: Uint8Array
  readonly nonce: Uint8Array
  readonly aad: Uint8Array
}

/** AES-256-GCM: ciphertext, then its tag. */
export function portableSeal({ key, nonce, aad }: PortableSeal, plaintext: Uint8Array): Uint8Array {
  return gcm(key, nonce, aad).encrypt(plaintext)
}

/** @throws Refusal `unopenable` when any bit of key, nonce, associated data or ciphertext is not the sealer's */
export function portableOpen({ key, nonce, aad }: PortableSeal, sealed: Uint8Array): Uint8Array {
  try {
    return gcm(key, nonce, aad).decrypt(sealed)
  } catch (cause) {
    throw new Refusal('unopenable', 'aead: not sealed with this key for this place', { cause })
  }
}

export interface PortableSigningKey {
  readonly mldsa: Uint8Array
  readonly ed25519: Uint8Array
  /** 1,984 bytes. */
  readonly publicKey: Uint8Array
}

/** The composite key of a 64-byte seed. */
export function portableSigningKey(seed: Uint8Array): PortableSigningKey {
  const mldsa = ml_dsa65.keygen(seed.slice(0, MLDSA_SEED_BYTES))
  const secret = seed.slice(MLDSA_SEED_BYTES)
  const publicKey = joinBytes([mldsa.publicKey, ed25519.getPublicKey(secret)])
  return { mldsa: mldsa.secretKey, ed25519: secret, publicKey }
}

/** 3,373 bytes; ML-DSA is hedged with 32 bytes of `random`, deterministic (FIPS 204 §3.4) without. */
export function portableSign(
  key: PortableSigningKey,
  { context, message, random }: { readonly context: string; readonly message: Uint8Array; readonly random?: Random },
): Uint8Array {
  const prefixed = representative(context, message)
  const extraEntropy = random === undefined ? false : random(MLDSA_SEED_BYTES)
  const options = { context: LABEL, extraEntropy } as const
  return joinBytes([ml_dsa65.sign(prefixed, key.mldsa, options), ed25519.sign(prefixed, key.ed25519)])
}

/** True when both halves are right; false for a key or signature that is none. */
export function portableVerify(signed: {
  readonly publicKey: Uint8Array
  readonly context: string
  readonly message: Uint8Array
  readonly signature: Uint8Array
}): boolean {
  const { publicKey, signature } = signed
  if (publicKey.length !== VERIFY_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false
  const prefixed = representative(signed.context, signed.message)
  const [mldsaKey, edKey] = [publicKey.slice(0, MLDSA_PUBLIC_KEY_BYTES), publicKey.slice(MLDSA_PUBLIC_KEY_BYTES)]
  const [mldsa, ed] = [signature.slice(0, MLDSA_SIGNATURE_BYTES), signature.slice(MLDSA_SIGNATURE_BYTES)]
  // RFC 8032 without the leniency of ZIP 215, as OpenSSL has it.
  const isEd = ed25519.verify(ed, prefixed, edKey, { zip215: false })
  return isEd && ml_dsa65.verify(mldsa, prefixed, mldsaKey, { context: LABEL })
}

export interface PortableKemKey {
  readonly secret: Uint8Array
  /** 1,216 bytes. */
  readonly publicKey: Uint8Array
}

/** The X-Wing key of a 32-byte seed. */
export function portableKemKey(seed: Uint8Array): PortableKemKey {
  const { secretKey, publicKey } = xwing.keygen(seed)
  return { secret: secretKey, publicKey }
}

/** @throws Refusal `malformed` for a public key that is none */
export function portableEncapsulate(publicKey: Uint8Array, random: Random) {
  try {
    const { cipherText, sharedSecret } = xwing.encapsulate(publicKey, random(ENCAPSULATION_BYTES))
    return { ciphertext: cipherText, sharedSecret }
  } catch (cause) {
    throw new Refusal('malformed', 'kem: not a public key', { cause })
  }
}

/** @throws Refusal `malformed` for a ciphertext that is none */
export function portableDecapsulate(key: PortableKemKey, ciphertext: Uint8Array): Uint8Array {
  try {
    return xwing.decapsulate(ciphertext, key.secret)
  } catch (cause) {
    throw new Refusal('malformed', 'kem: not a ciphertext', { cause })
  }
}

/** Argon2id (RFC 9106), 32 bytes; it gives way to others while it works. */
export function portableArgon2id(
  passphrase: Uint8Array,
  options: { readonly salt: Uint8Array; readonly memoryKiB: number; readonly passes: number; readonly lanes: number },
): Promise<Uint8Array> {
  const { salt, memoryKiB: m, passes: t, lanes: p } = options
  return argon2idAsync(passphrase, salt, { m, t, p, dkLen: ARGON_TAG_BYTES })
}

/** The draft's M': prefix, label, context with its length, SHA-512 of the message. */
function representative(context: string, message: Uint8Array): Uint8Array {
  const encoded = utf8.encode(context)
  return joinBytes([PREFIX, LABEL, [encoded.length], encoded, sha512(message)])
}
