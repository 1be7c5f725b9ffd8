declare module 'trellis:handler/outbox@0.1.0' {
  /**
   * A notice to the owner's devices.
   */
  export function notifyOwner(eventType: string, body: Uint8Array): void
  /**
   * An event to the connection that asked.
   */
  export function emit(eventType: string, body: Uint8Array): void
  /**
   * # Variants
   *
   * ## `"unavailable"`
   *
   * The grant has no such target.
   * ## `"limit"`
   *
   * Too many or too large.
   */
  export type Error = 'unavailable' | 'limit'
}
