declare module 'trellis:handler/fields@0.1.0' {
  export function get(name: string): string
  /**
   * # Variants
   *
   * ## `"unavailable"`
   *
   * Not admitted, or the owner keeps no such field: the answer does not say which.
   */
  export type Error = 'unavailable'
}
