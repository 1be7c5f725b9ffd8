declare module 'trellis:handler/keys@0.1.0' {
  /**
   * Aliases in the grant.
   */
  export function list(): Array<string>
  export function algorithmOf(alias: string): Algorithm
  /**
   * The raw public key.
   */
  export function publicKey(alias: string): Uint8Array
  /**
   * A signature of 64 bytes.
   */
  export function sign(alias: string, message: Uint8Array): Uint8Array
  /**
   * # Variants
   *
   * ## `"unavailable"`
   *
   * No such alias in the grant.
   * ## `"message-size"`
   *
   * This key does not sign a message of this size: see `sign`.
   */
  export type Error = 'unavailable' | 'message-size'
  /**
   * # Variants
   *
   * ## `"ed25519"`
   *
   * RFC 8032, over a message of at most 65,536 bytes. Public keys have 32 bytes.
   * ## `"ecdsa-secp256k1"`
   *
   * Over a digest of 32 bytes as it is given; RFC 6979, low s, r then s. Public keys have 33 bytes (SEC 1, compressed).
   * ## `"bip340"`
   *
   * Schnorr over a message of 32 bytes, with fresh auxiliary randomness. Public keys have 32 bytes (x only).
   */
  export type Algorithm = 'ed25519' | 'ecdsa-secp256k1' | 'bip340'
}
