declare module 'trellis:handler/clock@0.1.0' {
  /**
   * Milliseconds since 1970-01-01T00:00:00Z at which the host took the event up. It stands still during the call.
   */
  export function now(): number
}
