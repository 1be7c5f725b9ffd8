/** Every number of the device's side of entries, with its unit and its reason. */
const KiB = 1_024
const MiB = 1_024 * KiB

/** What a device remembers of hosts: 128 bytes an entry, and as many entries as a revocation's heads can name. */
export const MEMORY_BYTES_MAX = 4 * MiB
/** Values in it: six an entry, and its framing. */
export const MEMORY_ITEMS_MAX = 262_144
/** Outlines kept open, by the hash of their version: a list is drawn again without opening them again. */
export const OUTLINES_KEPT_MAX = 16_384
/** Contents kept open, and their bytes: an entry that is shown again is not opened again. */
export const CONTENTS_KEPT_MAX = 32
export const CONTENTS_KEPT_BYTES_MAX = MiB
/** Versions whose signature was verified, by their hash: a history of hundreds for hundreds of entries. */
export const VERIFIED_MAX = 131_072

/** A recovery file: two seeds of devices, names, and room. */
export const RECOVERY_BYTES_MAX = 16 * KiB
/** Argon2id for it: 64 MiB and 3 passes (RFC 9106 §4, the second recommended option). */
export const RECOVERY_MEMORY_KIB = 64 * KiB
export const RECOVERY_PASSES = 3
/** A file may ask for more, within what a phone has: 1 GiB and 16 passes. */
export const RECOVERY_MEMORY_KIB_MAX = MiB
export const RECOVERY_PASSES_MAX = 16
/** A passphrase of random characters this long is out of reach of guessing at 64 MiB each. */
export const PASSPHRASE_CHARS_MIN = 12
/** More than anybody types. */
export const PASSPHRASE_CHARS_MAX = 1_024
/** Different characters of a passphrase: `aaaaaaaaaaaa` has 12 characters and one guess. */
export const PASSPHRASE_DIFFERENT_MIN = 5
/** What a server and an account are called in the header of a recovery file. */
export const RECOVERY_NAME_CHARS_MAX = 256

/** Text of one QR code: version 25 at level M holds 1,451 alphanumeric characters; phones read it at arm's length. */
export const FRAME_CHARS_MAX = 1_000
/** Frames of one message: a device's keys need 6; a reader waits for no more than this. */
export const FRAMES_MAX = 64
