declare module 'trellis:handler/random@0.1.0' {
  /**
   * Cryptographically secure bytes, at most 1,024 a call.
   */
  export function bytes(length: number): Uint8Array
}
