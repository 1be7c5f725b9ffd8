declare module 'trellis:handler/types@0.1.0' {
  /**
   * A question to the owner about this very request.
   */
  export interface Question {
    /**
     * For the owner to read: at most 512 bytes.
     */
    text: string
    /**
     * What the owner may answer besides no: at most 8 of at most 64 bytes each; none for a plain yes or no.
     */
    choices: Array<string>
  }
  /**
   * How an admitted event ended.
   */
  export type Outcome = OutcomeReply | OutcomeAccepted | OutcomeSuspended
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
   * The owner is to be asked first. Writes and outgoing events of this call are discarded; once the owner answered,
   * after any restart, the same request is handled anew with the answer in `approval`. Allowed once per request.
   */
  export interface OutcomeSuspended {
    tag: 'suspended'
    val: Question
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
