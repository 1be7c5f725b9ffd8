/**
 * The requests a connection may make in an hour: blocked, not throttled.
 *
 * A bucket of `capacity` tokens that refills all at once: it is full again one window after the first token was drawn
 * since it was last full. A trickle of refills would let request 101 through after 36 seconds; this one does not.
 */
import { RATE_WINDOW_MS } from '#host/limits.ts'

/** Plain data, kept in the journal with the commit of the event that drew the token. */
export interface Bucket {
  /** Tokens still there, once the window is not over. */
  readonly left: number
  /** When the current window began, in ms since the epoch. Never decreases. */
  readonly since: number
}

export type Draw = { readonly bucket: Bucket } | { readonly refusedUntil: number }

/** The bucket of a connection that has asked for nothing yet. */
export function fullBucket(options: { capacity: number }, now: number): Bucket {
  return { left: options.capacity, since: now }
}

/**
 * Draws one token, or says when there is one again. A capacity that grew counts from the next window on; one that
 * shrank counts at once. A clock that goes back never grants more: a window ends by its first instant alone, and that
 * instant only moves forward.
 */
export function takeToken(bucket: Bucket, options: { capacity: number }, now: number): Draw {
  const { capacity } = options
  const ends = bucket.since + RATE_WINDOW_MS
  const full = now >= ends || bucket.left >= capacity
  const left = full ? capacity : bucket.left
  if (left < 1) return { refusedUntil: ends }
  return { bucket: { left: left - 1, since: full ? Math.max(bucket.since, now) : bucket.since } }
}
