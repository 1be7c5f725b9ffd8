/** Every number of an account on its device, with its unit and its reason. */

/** Tries of a write that others overtake, unless it is said: eight devices at one entry are through by then. */
export const WRITE_ATTEMPTS = 16
/** Tries of a revocation while entries move on: each needs the whole list of heads. */
export const REVOKE_ATTEMPTS = 8
