/** Every number of accounts and entries as a vault keeps them, with its unit and its reason. */
const KiB = 1_024

// sessions -----------------------------------------------------------------------------------------------------------

/** A session token is good for this long: what a stolen one is worth. */
export const TOKEN_LIFE_MS = 15 * 60_000
/** A challenge is to be answered within this: one signature and a slow phone. */
export const CHALLENGE_LIFE_MS = 2 * 60_000
/** Open challenges of one vault: its devices, and each may have asked twice. */
export const CHALLENGES_MAX = 32
/** A challenge: it never comes twice. */
export const CHALLENGE_BYTES = 32
/** A token as text: two ids, an audience, a seal. */
export const TOKEN_CHARS_MAX = 1_024
/** Whom a token is for: a URL. */
export const AUDIENCE_CHARS_MAX = 256

// instance -----------------------------------------------------------------------------------------------------------

/** The key that seals tokens. */
export const TOKEN_KEY_BYTES = 32
/** The instance row: a word, a public key, a key. */
export const INSTANCE_BYTES_MAX = 4 * KiB
