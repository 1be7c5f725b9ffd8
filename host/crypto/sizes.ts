/** What the suite of vine/1 fixes, in bytes. */

/** SHA-256. */
export const DIGEST_BYTES = 32

/** AES-256-GCM (NIST SP 800-38D). */
export const AEAD_KEY_BYTES = 32
export const NONCE_BYTES = 12

/** X-Wing: ML-KEM-768 (1,184 bytes), then X25519 (32). */
export const KEM_SEED_BYTES = 32
export const KEM_PUBLIC_KEY_BYTES = 1_216

/** Composite signatures: ML-DSA-65, then Ed25519. */
export const SIGNING_SEED_BYTES = 64
export const VERIFY_KEY_BYTES = 1_984
export const SIGNATURE_BYTES = 3_373
/** ML-DSA's share of each (FIPS 204). */
export const MLDSA_SEED_BYTES = 32
export const MLDSA_PUBLIC_KEY_BYTES = 1_952
export const MLDSA_SIGNATURE_BYTES = 3_309

/** Ed25519 alone: what a vault signs documents with. */
export const ED25519_BYTES = 32
