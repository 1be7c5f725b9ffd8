/**
 * The provider of a browser: the same bytes as `native.ts`, and no import that only Node has. Slower by a decimal
 * order, and it leaves copies of secrets in the JavaScript heap: where there is the native one, that is used.
 */
import { gcm } from '@noble/ciphers/aes.js'
import { ed25519 } from '@noble/curves/ed25519.js'
import { argon2idAsync } from '@noble/hashes/argon2.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import { ml_kem768_x25519 as xwing } from '@noble/post-quantum/hybrid.js'
import { ml_dsa65 } from '@noble/post-quantum/ml-dsa.js'

import { Refusal } from '#host/errors.ts'
import { joinBytes } from '#host/wire/bytes.ts'

import { portableEvidence } from './evidence-portable.ts'
import type { OpeningKey, Part, SecretKey, Seeded, SignedMessage, SigningKey, Suite } from './port.ts'
import {
  DIGEST_BYTES,
  KEM_SEED_BYTES,
  MLDSA_PUBLIC_KEY_BYTES,
  MLDSA_SEED_BYTES,
  MLDSA_SIGNATURE_BYTES,
  NONCE_BYTES,
  SIGNATURE_BYTES,
  SIGNING_SEED_BYTES,
  VERIFY_KEY_BYTES,
} from './sizes.ts'

/** ML-KEM's message and X25519's ephemeral key. */
const ENCAPSULATION_BYTES = 64
const CONTEXT_BYTES_MAX = 255

const utf8 = new TextEncoder()
const PREFIX = utf8.encode('CompositeAlgorithmSignatures2025')
const LABEL = utf8.encode('COMPSIG-MLDSA65-Ed25519-SHA512')

type Random = (count: number) => Uint8Array

/** `random` makes seeds and encapsulations, and hedges signatures (FIPS 204 §3.4): zeros make them deterministic. */
export function portableCrypto(random: Random): Suite {
  return {
    digest: (...parts) => sha256(joined(parts)),
    secret: portableSecret,
    derive: ({ salt, input, info, length }) => hkdf(sha256, input, salt, info, length),
    seal: ({ key, nonce, aad }, plaintext) => gcm(key, checkedNonce(nonce), aad).encrypt(plaintext),
    open({ key, nonce, aad }, sealed) {
      const cipher = gcm(key, checkedNonce(nonce), aad)
      try {
        return cipher.decrypt(sealed)
      } catch (cause) {
        throw new Refusal('unopenable', 'aead: not sealed with this key for this place', { cause })
      }
    },
    verify,
    encapsulate(publicKey) {
      try {
        const { cipherText, sharedSecret } = xwing.encapsulate(publicKey, random(ENCAPSULATION_BYTES))
        return { ciphertext: cipherText, sharedSecret }
      } catch (cause) {
        throw new Refusal('malformed', 'kem: not a public key', { cause })
      }
    },
    signingKey: (seed) => signingKey(seedOf(seed ?? random(SIGNING_SEED_BYTES), SIGNING_SEED_BYTES), random),
    openingKey: (seed) => openingKey(seedOf(seed ?? random(KEM_SEED_BYTES), KEM_SEED_BYTES)),
    hashPassphrase: ({ passphrase, salt, memoryKiB: m, passes: t, lanes: p }) =>
      argon2idAsync(passphrase, salt, { m, t, p, dkLen: DIGEST_BYTES }),
    evidence: portableEvidence,
  }
}

function portableSecret(bytes: Uint8Array): SecretKey {
  const key = Uint8Array.from(bytes)
  bytes.fill(0)
  return {
    hmac: (hash, ...parts) => hmac(hash === 'sha256' ? sha256 : sha512, key, joined(parts)),
    export: () => key.slice(),
  }
}

/** A copy of its own: whoever gave it may wipe theirs. */
function seedOf(seed: Uint8Array, length: number): Uint8Array {
  if (seed.length !== length) throw new Error(`seed: ${length} bytes, not ${seed.length}`)
  return Uint8Array.from(seed)
}

function signingKey(seed: Uint8Array, random: Random): SigningKey & Seeded {
  const mldsa = ml_dsa65.keygen(seed.slice(0, MLDSA_SEED_BYTES))
  const secret = seed.slice(MLDSA_SEED_BYTES)
  return {
    seed: portableSecret(seed),
    publicKey: joinBytes([mldsa.publicKey, ed25519.getPublicKey(secret)]),
    sign(context, message) {
      const prefixed = representative(context, message)
      const options = { context: LABEL, extraEntropy: random(MLDSA_SEED_BYTES) }
      return joinBytes([ml_dsa65.sign(prefixed, mldsa.secretKey, options), ed25519.sign(prefixed, secret)])
    },
  }
}

function verify({ publicKey, context, message, signature }: SignedMessage): boolean {
  if (publicKey.length !== VERIFY_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false
  const prefixed = representative(context, message)
  const [mldsaKey, edKey] = [publicKey.slice(0, MLDSA_PUBLIC_KEY_BYTES), publicKey.slice(MLDSA_PUBLIC_KEY_BYTES)]
  const [mldsa, ed] = [signature.slice(0, MLDSA_SIGNATURE_BYTES), signature.slice(MLDSA_SIGNATURE_BYTES)]
  // RFC 8032 without the leniency of ZIP 215, as OpenSSL has it.
  const isEd = ed25519.verify(ed, prefixed, edKey, { zip215: false })
  return isEd && ml_dsa65.verify(mldsa, prefixed, mldsaKey, { context: LABEL })
}

function openingKey(seed: Uint8Array): OpeningKey & Seeded {
  const { secretKey, publicKey } = xwing.keygen(seed)
  return {
    seed: portableSecret(seed),
    publicKey,
    decapsulate(ciphertext) {
      try {
        return xwing.decapsulate(ciphertext, secretKey)
      } catch (cause) {
        throw new Refusal('malformed', 'kem: not a ciphertext', { cause })
      }
    },
  }
}

function checkedNonce(nonce: Uint8Array): Uint8Array {
  if (nonce.length !== NONCE_BYTES) throw new Error(`aead: a nonce has ${NONCE_BYTES} bytes, not ${nonce.length}`)
  return nonce
}

function joined(parts: readonly Part[]): Uint8Array {
  return joinBytes(parts.map((part) => (typeof part === 'string' ? utf8.encode(part) : part)))
}

/** The draft's M': prefix, label, context with its length, SHA-512 of the message. */
function representative(context: string, message: Uint8Array): Uint8Array {
  const encoded = utf8.encode(context)
  if (encoded.length > CONTEXT_BYTES_MAX) throw new Error(`sign: context over ${CONTEXT_BYTES_MAX} bytes`)
  return joinBytes([PREFIX, LABEL, [encoded.length], encoded, sha512(message)])
}
