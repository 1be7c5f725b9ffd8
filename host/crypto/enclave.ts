/** What a vault may know of the enclave it runs in: who it is, what it says of itself, and a key that it alone has. */

/** One published image, as a release log has it. Serials rise: a vault moves forward only. */
export interface Release {
  readonly id: string
  /** Of the image's files, 48 bytes. */
  readonly root: Uint8Array
  readonly serial: number
}

/** Which images there are. Only what is listed and not withdrawn can be moved to. */
export interface Releases {
  /** `undefined` for a measurement that is no active release. */
  find(measurement: Uint8Array): Release | undefined
}

/** What evidence is asked to carry. */
export interface EvidenceQuestion {
  readonly nonce: Uint8Array
  readonly userData: Uint8Array
}

/** What somebody who does not trust a vault yet asks of the code that has it. */
export interface ShowQuestion extends EvidenceQuestion {
  /** Asks for the proof of this handler besides; null for none. */
  readonly handler: string | null
  /** How many lines of the release log the asker knows. */
  readonly logSize: number
}

/** Measured code that shows what it is to others than its owner. */
export interface Showing {
  /** Evidence, with the release it is and the handler that was asked for. @throws Refusal `image-unlisted` */
  show(asked: ShowQuestion): Promise<Uint8Array>
}

/** Measured code that runs: a backend of keys and evidence. Its kind comes from itself, never from what it reads. */
export interface Enclave {
  readonly kind: 'software' | 'nitro'
  /** 48 bytes: names the code. */
  readonly measurement: Uint8Array
  readonly release: Release
  /** Evidence of now. */
  attest(asked: EvidenceQuestion): Promise<Uint8Array>
  /** `context` is bound in, and so are kind and measurement. */
  seal(secret: Uint8Array, context: Uint8Array): Uint8Array
  /** The caller wipes it. @throws Refusal `key-missing` for what other code, another backend or context sealed */
  open(blob: Uint8Array, context: Uint8Array): Uint8Array
  /**
   * Which code made this evidence, of another enclave of this kind.
   *
   * @throws Refusal `move-refused` unless it is genuine and answers the question
   */
  recognize(evidence: Uint8Array, asked: EvidenceQuestion): Uint8Array
}
