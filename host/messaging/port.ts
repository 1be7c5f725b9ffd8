/** What other rooms may know of messaging: it moves bytes and promises little. */

export interface Message {
  readonly subject: string
  readonly data: Uint8Array
}

/** One durable delivery. A broker's ack never means "done": whoever consumes must bear repeats and gaps. */
export interface Delivery extends Message {
  /** 1 for the first attempt; a broker that crashed may have forgotten how many there were. */
  readonly attempt: number
  ack(): Promise<void>
  nak(delayMs?: number): Promise<void>
  /** Never deliver again. */
  term(): Promise<void>
}

export interface Subscription {
  /** Stops new messages and resolves when those in hand are done. */
  drain(): Promise<void>
}

/** Which subjects are kept until acknowledged, and which may be lost. Patterns with `*` tokens. */
export interface Lanes {
  readonly critical: readonly string[]
  readonly bestEffort: readonly string[]
}

export interface Bus extends AsyncDisposable {
  readonly kind: 'memory' | 'nats'
  /**
   * Makes streams and consumers for the lanes, which are these from now on; idempotent; reads the result back and fails
   * if the broker ignored a setting.
   */
  provision(lanes: Lanes): Promise<void>
  /**
   * Sends one message. `durable`: resolves when the broker has stored it, if some lane captures the subject; a subject
   * that no lane captures is sent as an ordinary message (somebody may listen, nobody must).
   *
   * @throws Refusal `too-large`, or `bus-unavailable` when the broker did not answer: send again
   */
  publish(subject: string, data: Uint8Array, options?: { durable?: boolean }): Promise<void>
  /** Ordinary messages: what is sent while nobody listens is gone. Pattern with `*` and a last `>`. */
  subscribe(pattern: string, receive: (message: Message) => void): Promise<Subscription>
  /** Every message of both lanes, at least once for critical ones; at most `inFlight` unacknowledged at a time. */
  consume(receive: (delivery: Delivery) => void, options: { inFlight: number }): Promise<Subscription>
  /** Stops taking messages, lets those in hand finish, flushes what was published. */
  drain(): Promise<void>
}
