/** Every number of an account on its device, with its unit and its reason. */
import { MEMORY_BYTES_MAX, MEMORY_ITEMS_MAX } from '#client/entries/limits.ts'

/** Other users that an account shares with, remembered with their connection: as many as a vault serves. */
export const USERS_KEPT_MAX = 256
/** A connection's id in the vault. */
export const CONNECTION_CHARS_MAX = 64
/** What is kept between runs: a book's memory, and 100 bytes a user. */
export const KEPT_BYTES_MAX = MEMORY_BYTES_MAX + 64 * 1_024
/** Values in it: three a user; the book's memory is one of its own. */
export const KEPT_ITEMS_MAX = Math.min(MEMORY_ITEMS_MAX, 4 * USERS_KEPT_MAX)
/** Tries of a write that others overtake, unless it is said: eight devices at one entry are through by then. */
export const WRITE_ATTEMPTS = 16
/** Tries of a revocation while entries move on: each needs the whole list of heads. */
export const REVOKE_ATTEMPTS = 8
