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
   * An event to another connection, by the owner's alias. `unavailable` when there is no such connection, when it is
   * not active, when it does not let this event be sent, or when too much waits for it already: it does not say which.
   */
  export function send(to: string, eventType: string, body: Uint8Array): void
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
