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

// entries ------------------------------------------------------------------------------------------------------------

/** Entries of one user, ended ones included: their heads, 52 bytes each, travel in one message at a revocation. */
export const ENTRIES_MAX = 16_384
/** Versions kept of one entry: past this its owner prunes. */
export const ENTRY_VERSIONS_MAX = 1_024
/** Other users whose directories a vault keeps, to judge what is shared with them. */
export const USERS_MAX = 256
/** Statements in one page of a directory: at most 8 KiB each. */
export const STATEMENTS_PAGE = 64
/** Entries or versions in one page: a header and a signature are some 4 KiB. */
export const VERSIONS_PAGE_MAX = 192
/** Bytes of one page: with what is around them they fit one message. */
export const PAGE_BYTES = 768 * KiB
/** What a version takes in a page beside its row and its content: a share (164), an entry’s id, heads of CBOR. */
export const ROW_BYTES = 256
/** Heads in one page: 52 bytes each. */
export const HEADS_PAGE_MAX = 8_192
/** Shares in one step of a backfill: 128 bytes and names. */
export const BACKFILL_MAX = 512
/** Versions that one command forgets: their names fit one journal frame. */
export const PRUNED_PER_STEP = 256
/** Keys removed by one step of an account's end: their names fit one journal frame. */
export const REMOVED_PER_STEP = 8_192

// what other vaults ask ----------------------------------------------------------------------------------------------

/** A device waits this long for the other vault. */
export const SHARED_RELAY_MS = 60_000
/** Requests of one vault's devices that are with other vaults. */
export const SHARED_RELAYS_MAX = 64

// what the vault's own device opens --------------------------------------------------------------------------------

/** Contents kept open for handlers: what the contracts of many connections ask for. */
export const OWN_OPENED_MAX = 256
/** The same in bytes: a credential is a few KiB. */
export const OWN_OPENED_BYTES_MAX = 1_024 * KiB
/** Hashes of versions that were verified: as many as entries. */
export const OWN_VERIFIED_MAX = 16_384
/** Versions that the owner was told of: past this they are told of again. */
export const OWN_TOLD_MAX = 1_024
