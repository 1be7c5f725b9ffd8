declare module 'trellis:handler/session@0.1.0' {
  export function current(): Context
  /**
   * # Variants
   *
   * ## `"service"`
   *
   * ## `"peer"`
   *
   * ## `"owner"`
   *
   * The vault's own owner, from one of their devices: nobody else asked, and no contract was needed.
   */
  export type ConnectionKind = 'service' | 'peer' | 'owner'
  export interface Context {
    /**
     * The owner's alias for the connection; for the owner, the label of the device.
     */
    connection: string
    kind: ConnectionKind
    contractVersion: number
    eventId: string
    eventType: string
    /**
     * Milliseconds the host allows this call; past it the call ends and nothing of it is kept.
     */
    deadlineMs: number
    /**
     * True when the owner approved this very request.
     */
    approved: boolean
    /**
     * Which connection it is, for as long as it lasts: the alias may change or be given again, this does not. Empty for
     * the owner.
     */
    connectionId: string
  }
}
