/** X-Wing of Node: ML-KEM-768 with X25519 (draft-connolly-cfrg-xwing-kem). Safe while one of the two is. */
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
import type { Encapsulated, OpeningKey, Seeded } from './port.ts'
import { withSeed } from './seed.ts'
import { KEM_PUBLIC_KEY_BYTES, KEM_SEED_BYTES } from './sizes.ts'

const MLKEM_PUBLIC_KEY_BYTES = 1_184
const MLKEM_CIPHERTEXT_BYTES = 1_088
const MLKEM_SEED_BYTES = 64
const X25519_BYTES = 32
/** The draft's label: `\.//^\`. */
const LABEL = Uint8Array.fromHex('5c2e2f2f5e5c')

/** OpenSSL's form of both halves. */
interface Halves {
  readonly mlkem: KeyObject
  readonly x25519: KeyObject
}

/** The key of a 32-byte seed, which stays the caller's to wipe; of a fresh one when none is given. */
export function generateKemKey(given?: Uint8Array): OpeningKey & Seeded {
  return withSeed(given, KEM_SEED_BYTES, (bytes, seed) => {
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
    const publicKey = new Uint8Array(KEM_PUBLIC_KEY_BYTES)
    publicKey.set(createPublicKey(mlkem).export({ format: 'raw-public' }))
    publicKey.set(createPublicKey(x25519).export({ format: 'raw-public' }), MLKEM_PUBLIC_KEY_BYTES)
    return { seed, publicKey, decapsulate: (ciphertext) => decapsulate({ mlkem, x25519, publicKey }, ciphertext) }
  })
}

/** @throws Refusal `malformed` unless these are the 1,216 bytes of a key (FIPS 203 §7.2 checks included) */
export function importKemPublicKey(raw: Uint8Array): Halves {
  if (raw.length !== KEM_PUBLIC_KEY_BYTES) throw malformed(`a public key has ${KEM_PUBLIC_KEY_BYTES} bytes`)
  try {
    const mlkem = createPublicKey({
      key: raw.subarray(0, MLKEM_PUBLIC_KEY_BYTES),
      format: 'raw-public',
      asymmetricKeyType: 'ml-kem-768',
    })
    return { mlkem, x25519: importX25519(raw.subarray(MLKEM_PUBLIC_KEY_BYTES)) }
  } catch (cause) {
    throw malformed('not a public key', cause)
  }
}

/** @throws Refusal `malformed` for a public key that is none, or whose X25519 part has low order */
export function encapsulate(publicKey: Uint8Array): Encapsulated {
  const key = importKemPublicKey(publicKey)
  const mlkem = encapsulateKem(key.mlkem)
  const ephemeral = generateKeyPairSync('x25519')
  const ephemeralRaw = ephemeral.publicKey.export({ format: 'raw-public' })
  const shared = agree(ephemeral.privateKey, key.x25519)
  const ciphertext = new Uint8Array(KEM_CIPHERTEXT_BYTES)
  ciphertext.set(mlkem.ciphertext)
  ciphertext.set(ephemeralRaw, MLKEM_CIPHERTEXT_BYTES)
  return { ciphertext, sharedSecret: combine(mlkem.sharedKey, shared, ephemeralRaw, publicKey) }
}

function decapsulate(key: Halves & { readonly publicKey: Uint8Array }, ciphertext: Uint8Array): Uint8Array {
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
function combine(mlkem: Uint8Array, x25519: Uint8Array, ephemeral: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const secret = createHash('sha3-256')
    .update(mlkem)
    .update(x25519)
    .update(ephemeral)
    .update(publicKey.subarray(MLKEM_PUBLIC_KEY_BYTES))
    .update(LABEL)
    .digest()
  mlkem.fill(0)
  x25519.fill(0)
  return plain(secret)
}

function malformed(what: string, cause?: unknown): Refusal {
  return new Refusal('malformed', `kem: ${what}`, { cause })
}
