/**
 * The cryptography of vaults and of their owners' devices, as a plain object of functions: `native.ts` in Node,
 * `portable.ts` in a browser, the same bytes from both. The suite of vine/1 is X-Wing, composite signatures of
 * ML-DSA-65 and Ed25519, HKDF-SHA-256 and AES-256-GCM.
 */
import type { EvidenceCrypto } from './evidence-port.ts'

/** Bytes, or text as UTF-8. */
export type Part = Uint8Array | string

/** A secret, kept where its provider keeps secrets: in Node outside of the JavaScript heap. */
export interface SecretKey {
  /** HMAC (RFC 2104) over the parts in a row. */
  hmac(hash: 'sha256' | 'sha512', ...parts: readonly Part[]): Uint8Array
  /** A copy, to be sealed and stored. The caller wipes it. */
  export(): Uint8Array
}

/** A private key that can be stored: its seed is all of it. */
export interface Seeded {
  readonly seed: SecretKey
}

/** Who signs; the secret stays inside. */
export interface SigningKey {
  /** 1,984 bytes: ML-DSA-65, then Ed25519. */
  readonly publicKey: Uint8Array
  /** 3,373 bytes. `context` names the use, such as `vine/1 profile`: at most 255 bytes. */
  sign(context: string, message: Uint8Array): Uint8Array
}

/** Who opens what was sealed to its public key; the secret stays inside. */
export interface OpeningKey {
  /** 1,216 bytes: ML-KEM-768, then X25519. */
  readonly publicKey: Uint8Array
  /**
   * The shared secret, 32 bytes, for the caller to wipe. A ciphertext made for another key gives another secret, not an
   * error (implicit rejection).
   *
   * @throws Refusal `malformed` for a wrong length or an X25519 part of low order
   */
  decapsulate(ciphertext: Uint8Array): Uint8Array
}

export interface Encapsulated {
  /** 1,120 bytes for the key's owner. */
  readonly ciphertext: Uint8Array
  /** 32 bytes. The caller wipes them. */
  readonly sharedSecret: Uint8Array
}

/** What a key derivation takes (RFC 5869); `input` stays the caller's to wipe. */
export interface Derivation {
  readonly salt: Uint8Array
  readonly input: Uint8Array
  readonly info: Uint8Array
  /** Bytes of output. */
  readonly length: number
}

export interface SealContext {
  /** 32 bytes. Never seal twice with one (key, nonce). */
  readonly key: Uint8Array
  /** 12 bytes. */
  readonly nonce: Uint8Array
  /** Authenticated, not hidden. */
  readonly aad: Uint8Array
}

export interface SignedMessage {
  /** 1,984 bytes; they never change. */
  readonly publicKey: Uint8Array
  /** Names the use, so that one signature never stands for another. */
  readonly context: string
  readonly message: Uint8Array
  readonly signature: Uint8Array
}

/** Argon2id (RFC 9106), version 0x13: what makes guessing a passphrase dear. */
export interface PassphraseHash {
  readonly passphrase: Uint8Array
  readonly salt: Uint8Array
  readonly memoryKiB: number
  readonly passes: number
  readonly lanes: number
}

/** 32 bytes for the caller to wipe. */
export type HashPassphrase = (input: PassphraseHash) => Promise<Uint8Array>

/** A provider. Synchronous but for passphrases; no function keeps what it is given, except `secret`. */
export interface Suite {
  /** SHA-256 over the parts in a row. The caller sees to it that no two lists of parts give the same row. */
  digest(...parts: readonly Part[]): Uint8Array
  /** Takes the bytes over: they are wiped. */
  secret(bytes: Uint8Array): SecretKey
  /** HKDF-SHA-256. The result is a secret: the caller wipes it. */
  derive(derivation: Derivation): Uint8Array
  /** AES-256-GCM: ciphertext, then its tag. */
  seal(context: SealContext, plaintext: Uint8Array): Uint8Array
  /** @throws Refusal `unopenable` when any bit of key, nonce, associated data or ciphertext is not the sealer's */
  open(context: SealContext, sealed: Uint8Array): Uint8Array
  /** True when both halves of the composite signature are right; false for a key or signature that is none. */
  verify(signed: SignedMessage): boolean
  /** @throws Refusal `malformed` for a public key that is none (FIPS 203 §7.2), or whose X25519 part has low order */
  encapsulate(publicKey: Uint8Array): Encapsulated
  /** The key of a 64-byte seed, which stays the caller's to wipe; of a fresh one when none is given. */
  signingKey(seed?: Uint8Array): SigningKey & Seeded
  /** The key of a 32-byte seed, likewise. */
  openingKey(seed?: Uint8Array): OpeningKey & Seeded
  readonly hashPassphrase: HashPassphrase
  /** What judges an enclave. */
  readonly evidence: EvidenceCrypto
}
