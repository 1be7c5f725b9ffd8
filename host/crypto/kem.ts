/** X-Wing: ML-KEM-768 with X25519 (draft-connolly-cfrg-xwing-kem). Safe while one of the two is. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  decapsulate as decapsulateKem,
  diffieHellman,
  encapsulate as encapsulateKem,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'

import { Refusal } from '#host/errors.ts'
import { KEM_CIPHERTEXT_BYTES } from '#host/wire/envelope.ts'

import { plain } from './kdf.ts'
import { type Seeded, withSeed } from './seed.ts'

export const KEM_SEED_BYTES = 32
export const KEM_PUBLIC_KEY_BYTES = 1_216

const MLKEM_PUBLIC_KEY_BYTES = 1_184
const MLKEM_CIPHERTEXT_BYTES = 1_088
const MLKEM_SEED_BYTES = 64
const X25519_BYTES = 32
/** The draft's label: `\.//^\`. */
const LABEL = Uint8Array.fromHex('5c2e2f2f5e5c')

export interface KemPublicKey {
  /** ML-KEM-768 (1,184 bytes) then X25519 (32): what is published. */
  readonly raw: Uint8Array
  readonly mlkem: KeyObject
  readonly x25519: KeyObject
}

export interface KemPrivateKey extends Seeded {
  readonly mlkem: KeyObject
  readonly x25519: KeyObject
  readonly publicKey: KemPublicKey
}

export interface Encapsulated {
  /** 1,120 bytes for the key's owner. */
  readonly ciphertext: Uint8Array
  /** 32 bytes. The caller wipes them. */
  readonly sharedSecret: Uint8Array
}

/** The key of a 32-byte seed, which stays the caller's to wipe; of a fresh one when none is given. */
export function generateKemKey(seed?: Uint8Array): KemPrivateKey {
  return withSeed(seed, KEM_SEED_BYTES, (bytes, kept) => {
    const expanded = createHash('shake256', { outputLength: MLKEM_SEED_BYTES + X25519_BYTES })
      .update(bytes)
      .digest()
    const mlkem = createPrivateKey({
      key: expanded.subarray(0, MLKEM_SEED_BYTES),
      format: 'raw-seed',
      asymmetricKeyType: 'ml-kem-768',
    })
    const x25519 = createPrivateKey({
      key: expanded.subarray(MLKEM_SEED_BYTES),
      format: 'raw-private',
      asymmetricKeyType: 'x25519',
    })
    expanded.fill(0)
    const publicKey = { mlkem: createPublicKey(mlkem), x25519: createPublicKey(x25519) }
    const raw = new Uint8Array(KEM_PUBLIC_KEY_BYTES)
    raw.set(publicKey.mlkem.export({ format: 'raw-public' }))
    raw.set(publicKey.x25519.export({ format: 'raw-public' }), MLKEM_PUBLIC_KEY_BYTES)
    return { seed: kept, mlkem, x25519, publicKey: { raw, ...publicKey } }
  })
}

/** @throws Refusal `malformed` unless these are the 1,216 bytes of a key (FIPS 203 §7.2 checks included) */
export function importKemPublicKey(raw: Uint8Array): KemPublicKey {
  if (raw.length !== KEM_PUBLIC_KEY_BYTES) throw malformed(`a public key has ${KEM_PUBLIC_KEY_BYTES} bytes`)
  try {
    const mlkem = createPublicKey({
      key: raw.subarray(0, MLKEM_PUBLIC_KEY_BYTES),
      format: 'raw-public',
      asymmetricKeyType: 'ml-kem-768',
    })
    return { raw: Uint8Array.from(raw), mlkem, x25519: importX25519(raw.subarray(MLKEM_PUBLIC_KEY_BYTES)) }
  } catch (cause) {
    throw malformed('not a public key', cause)
  }
}

/** @throws Refusal `malformed` for a public key whose X25519 part has low order */
export function encapsulate(publicKey: KemPublicKey): Encapsulated {
  const mlkem = encapsulateKem(publicKey.mlkem)
  const ephemeral = generateKeyPairSync('x25519')
  const ephemeralRaw = ephemeral.publicKey.export({ format: 'raw-public' })
  const shared = agree(ephemeral.privateKey, publicKey.x25519)
  const ciphertext = new Uint8Array(KEM_CIPHERTEXT_BYTES)
  ciphertext.set(mlkem.ciphertext)
  ciphertext.set(ephemeralRaw, MLKEM_CIPHERTEXT_BYTES)
  return { ciphertext, sharedSecret: combine(mlkem.sharedKey, shared, ephemeralRaw, publicKey) }
}

/**
 * The shared secret, 32 bytes, for the caller to wipe. A ciphertext made for another key gives another secret, not an
 * error (implicit rejection).
 *
 * @throws Refusal `malformed` for a wrong length or an X25519 part of low order
 */
export function decapsulate(key: KemPrivateKey, ciphertext: Uint8Array): Uint8Array {
  if (ciphertext.length !== KEM_CIPHERTEXT_BYTES) throw malformed(`a ciphertext has ${KEM_CIPHERTEXT_BYTES} bytes`)
  const ephemeralRaw = ciphertext.subarray(MLKEM_CIPHERTEXT_BYTES)
  const shared = agree(key.x25519, importX25519(ephemeralRaw))
  const mlkem = decapsulateKem(key.mlkem, ciphertext.subarray(0, MLKEM_CIPHERTEXT_BYTES))
  return combine(mlkem, shared, ephemeralRaw, key.publicKey)
}

function importX25519(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: raw, format: 'raw-public', asymmetricKeyType: 'x25519' })
}

function agree(privateKey: KeyObject, publicKey: KeyObject): Uint8Array {
  try {
    return diffieHellman({ privateKey, publicKey })
  } catch (cause) {
    // OpenSSL refuses an all-zero secret (RFC 7748 §6.1).
    throw malformed('an x25519 key of low order', cause)
  }
}

/** The draft's combiner; wipes both secrets. */
function combine(mlkem: Uint8Array, x25519: Uint8Array, ephemeral: Uint8Array, key: KemPublicKey): Uint8Array {
  const secret = createHash('sha3-256')
    .update(mlkem)
    .update(x25519)
    .update(ephemeral)
    .update(key.raw.subarray(MLKEM_PUBLIC_KEY_BYTES))
    .update(LABEL)
    .digest()
  mlkem.fill(0)
  x25519.fill(0)
  return plain(secret)
}

function malformed(what: string, cause?: unknown): Refusal {
  return new Refusal('malformed', `kem: ${what}`, { cause })
}
