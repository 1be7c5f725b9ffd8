declare module 'trellis:handler/types@0.1.0' {
  /**
   * How an admitted event ended.
   */
  export type Outcome = OutcomeReply | OutcomeAccepted
  /**
   * The reply body: JSON, checked against the manifest's reply schema before it is sealed.
   */
  export interface OutcomeReply {
    tag: 'reply'
    val: Uint8Array
  }
  /**
   * Done, and there is nothing to say beyond that.
   */
  export interface OutcomeAccepted {
    tag: 'accepted'
  }
  /**
   * The handler's own no. Writes and outgoing events of the call are discarded.
   */
  export interface Refusal {
    /**
     * Kebab-case, at most 64 bytes; the host prefixes it with `handler/`.
     */
    code: string
    /**
     * For the asker to read: at most 256 bytes, and no personal data.
     */
    message: string
    /**
     * Whether the same request may succeed later.
     */
    retry: boolean
  }
}
