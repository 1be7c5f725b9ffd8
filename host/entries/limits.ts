/** Every number of entries, with its unit and its reason; `host/limits.ts` has the others. */
const KiB = 1_024

/** A statement: two keys (3,200 bytes), a signature (3,373) and names. */
export const STATEMENT_BYTES_MAX = 8 * KiB
/** A directory: years of devices coming and going, and it is walked within seconds. */
export const STATEMENTS_MAX = 1_024
/** Devices that are active at one time: each version has a share for each. */
export const DEVICES_MAX = 64
/** Edges between a device and the root: more than a family of devices needs, and a walk is bounded. */
export const ATTESTATION_DEPTH_MAX = 8
/** What a device is called, for the owner's screen. */
export const DEVICE_LABEL_CHARS_MAX = 80
/** A header: fixed fields of some 400 bytes, and 34 for each other user. */
export const HEADER_BYTES_MAX = 4 * KiB
/** Other users that one entry is for. */
export const AUDIENCE_USERS_MAX = 64
/** Devices that one version is for: the audience's devices, as many as a write of one message can carry. */
export const RECIPIENTS_MAX = 512
/** Content of one version, sealed: a write of one version travels in one message, with its shares. */
export const CONTENT_BYTES_MAX = 512 * KiB
/** An outline, sealed: a list of thousands stays within a few MiB. */
export const OUTLINE_BYTES_MAX = 8 * KiB
export const OUTLINE_TITLE_CHARS_MAX = 200
export const OUTLINE_URLS_MAX = 8
export const OUTLINE_URL_CHARS_MAX = 512
/** A signed command to forget versions: fixed fields and a signature. */
export const PRUNE_BYTES_MAX = 4 * KiB
/** Versions of one entry, and epochs of one channel: what 32 bits count. */
export const VERSIONS_MAX = 2 ** 32 - 1
/** Heads that a revocation is measured by: 52 bytes each, so that the list travels in one message. */
export const HEADS_MAX = 16_384
/** Milliseconds since the epoch: what a ULID's 48 bits hold. */
export const ULID_TIME_MS_MAX = 2 ** 48 - 1
/** A later ULID of the same millisecond is higher by so many random bytes, and 1: its neighbour is not guessed. */
export const ULID_STEP_BYTES = 3
