declare module 'trellis:handler/credentials@0.1.0' {
  /**
   * Credentials with at least one claim that this event was admitted for, by alias.
   */
  export function list(): Array<Metadata>
  /**
   * Proves exactly these claims to whoever asks, bound to their nonce and to their identity. At most 4 in one event:
   * more end it.
   */
  export function prove(alias: string, disclose: Array<string>, nonce: Uint8Array): Uint8Array
  /**
   * One credential. It never holds a claim's value.
   */
  export interface Metadata {
    /**
     * Names it in `prove`.
     */
    alias: string
    /**
     * As its issuer calls it: `driving-licence`.
     */
    kind: string
    /**
     * Whose key signed it: 43 characters that stand for the key.
     */
    issuer: string
    /**
     * The owner's own name for it.
     */
    label: string
    /**
     * The claims this event was admitted for; of an event that asks for no fields, all of them.
     */
    claims: Array<string>
    /**
     * Milliseconds since the epoch; none for never. One that has expired is not in the list.
     */
    expires: number | null
  }
  /**
   * # Variants
   *
   * ## `"unavailable"`
   *
   * No such credential, or one of the claims is not in it or was not admitted for this event: all look alike.
   * ## `"nonce"`
   *
   * A nonce has 16 to 64 bytes.
   */
  export type Error = 'unavailable' | 'nonce'
}
