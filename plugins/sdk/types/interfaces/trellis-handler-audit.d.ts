declare module 'trellis:handler/audit@0.1.0' {
  export function note(fact: string): void
  /**
   * # Variants
   *
   * ## `"limit"`
   *
   * A fact has 1 to 256 bytes, and one event at most 8 of them.
   */
  export type Error = 'limit'
}
