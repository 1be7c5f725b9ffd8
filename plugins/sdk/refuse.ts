/** How a handler says no. */

/** WIT `types.refusal`. */
interface HandlerRefusal {
  readonly code: string
  readonly message: string
  readonly retry: boolean
}

/**
 * Ends the call with a refusal; its writes and outgoing events are dropped.
 *
 * `code` is kebab-case, at most 64 bytes. `message` is for the asker to read: at most 256 bytes, no personal data.
 */
export function refuse(code: string, message: string, options: { retry?: boolean } = {}): never {
  const refusal: HandlerRefusal = { code, message, retry: options.retry ?? false }
  // An Error would be a trap: the component's `err` is the thrown value itself.
  // oxlint-disable-next-line typescript/only-throw-error
  throw refusal
}

/** What a host function's error carries: `unavailable`, or a variant with a `tag`. Undefined for any other error. */
export function payloadOf(error: unknown): unknown {
  return error instanceof Error && 'payload' in error ? error.payload : undefined
}
