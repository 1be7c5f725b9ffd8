/** The cryptography that entries need: native in Node, portable in a browser, the same bytes from both. */

/** What a key derivation takes (RFC 5869); `input` stays the caller's to wipe. */
export interface Derivation {
  readonly salt: Uint8Array
  readonly input: Uint8Array
  readonly info: Uint8Array
  /** Bytes of output. */
  readonly length: number
}

export interface SealContext {
  /** 32 bytes, used for one message only. */
  readonly key: Uint8Array
  /** 12 bytes. */
  readonly nonce: Uint8Array
  readonly aad: Uint8Array
}

export interface SignedMessage {
  /** 1,984 bytes: ML-DSA-65, then Ed25519. */
  readonly publicKey: Uint8Array
  /** Names the use, so that one signature never stands for another. */
  readonly context: string
  readonly message: Uint8Array
  readonly signature: Uint8Array
}

/** Synchronous; no method keeps what it is given. */
export interface EntryCrypto {
  /** SHA-256 over the parts in a row. */
  digest(...parts: readonly Uint8Array[]): Uint8Array
  /** HKDF-SHA-256. The result is a secret: the caller wipes it. */
  derive(derivation: Derivation): Uint8Array
  /** AES-256-GCM: ciphertext, then its tag. */
  seal(context: SealContext, plaintext: Uint8Array): Uint8Array
  /** @throws Refusal `unopenable` when any bit is not the sealer's */
  open(context: SealContext, sealed: Uint8Array): Uint8Array
  /** True when both halves of the composite signature are right; false for a key or signature that is none. */
  verify(signed: SignedMessage): boolean
  /** X-Wing. @throws Refusal `malformed` for a public key that is none */
  encapsulate(publicKey: Uint8Array): { readonly ciphertext: Uint8Array; readonly sharedSecret: Uint8Array }
}

/** A device's signing key; the secret stays inside. */
export interface DeviceSigner {
  /** 1,984 bytes. */
  readonly publicKey: Uint8Array
  /** 3,373 bytes. */
  sign(context: string, message: Uint8Array): Uint8Array
}

/** A device's sealing key; the secret stays inside. */
export interface DeviceOpener {
  /** 1,216 bytes. */
  readonly publicKey: Uint8Array
  /** 32 bytes for the caller to wipe. @throws Refusal `malformed` for a ciphertext that is none */
  decapsulate(ciphertext: Uint8Array): Uint8Array
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
