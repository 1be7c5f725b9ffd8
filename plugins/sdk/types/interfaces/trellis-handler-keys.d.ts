declare module 'trellis:handler/keys@0.1.0' {
  /**
   * Aliases in the grant.
   */
  export function list(): Array<string>
  /**
   * The raw public key: 32 bytes for Ed25519.
   */
  export function publicKey(alias: string): Uint8Array
  /**
   * Ed25519 (RFC 8032) over the message: 64 bytes.
   */
  export function sign(alias: string, message: Uint8Array): Uint8Array
  /**
   * # Variants
   *
   * ## `"unavailable"`
   *
   * No such alias in the grant.
   */
  export type Error = 'unavailable'
}
