/** Numbers of contracts and shared sandboxes, with unit and reason; `host/limits.ts` has the others. */
const KiB = 1_024
const MiB = 1_024 * KiB

/** The shortest that a contract may let a question wait: less, and nobody who is asked can read it. */
export const APPROVAL_MS_MIN = 60_000
/** The longest: what an owner has not answered in a week is answered by not answering. */
export const APPROVAL_MS_MAX = 7 * 24 * 3_600_000

/** Signed terms or their acceptance: two signatures' worth of room, and names. */
export const SANDBOX_TERMS_BYTES_MAX = 16 * KiB
/** What one sandbox is called, for the owner's screen. */
export const SANDBOX_NAME_CHARS_MAX = 80
/** All sandboxes of one connection: their copies leave with the commit that ends it, twice, within one frame. */
export const SANDBOX_BYTES_MAX = 2 * MiB
export const SANDBOXES_PER_CONNECTION_MAX = 16
/** One item: it travels within one message, with room for its seal. */
export const SANDBOX_VALUE_BYTES_MAX = 256 * KiB
/** Sealed names come in steps of so many bytes: a short name says of its length only that it is short. */
export const SANDBOX_NAME_STEP_BYTES = 32
/** A key of the guest's own side: sealed (352 bytes padded, nonce, tag, base64url) it is still a key, of 507 bytes. */
export const SANDBOX_OWN_KEY_BYTES_MAX = 351
/** What an item counts for beside its key and its value: about what its record and its line in a copy take. */
export const SANDBOX_ITEM_BYTES = 128
/** History may grow to this many times the size of the sandbox; then only removals are recorded. */
export const SANDBOX_HISTORY_TIMES = 8
/** Proposals that wait for the other side: more are a reason to talk. */
export const SANDBOX_PROPOSALS_MAX = 32
/** Values of one answer, and of one part of a copy: leaves half a message for keys and framing. */
export const SANDBOX_PAGE_BYTES = 512 * KiB
/** Items of one part of a copy: 17 values of CBOR each, of which a message has 65,536. */
export const SANDBOX_COPY_ITEMS_MAX = 3_000
/** Parts of a copy: an item of the largest size each, and room for small ones. */
export const SANDBOX_COPY_PARTS_MAX = 16
/** Keys of one page. */
export const SANDBOX_PAGE_ITEMS_MAX = 128
/** A watch that nobody renews ends: whoever is gone costs nothing. */
export const SANDBOX_WATCH_MS = 600_000
/** How long a guest's vault remembers whom an answer is for: longer than a device waits. */
export const SANDBOX_RELAY_MS = 60_000
/** Answers that a guest's vault waits for at a time. */
export const SANDBOX_RELAYS_MAX = 256

// provisioning -------------------------------------------------------------------------------------------------------

/** A challenge of a device: a nonce and no more. */
export const CHALLENGE_BYTES_MAX = 256
/** An approval: two measurements, a few numbers, one composite signature (3,373 bytes). */
export const APPROVAL_BYTES_MAX = 4 * KiB
/** What a device seals to an enclave: its key, its signature and an approval. */
export const ORDER_BYTES_MAX = 16 * KiB
/** The difference of two images as the owner reads it: some hundred lines. */
export const OFFER_TEXT_CHARS_MAX = 32 * KiB
/** What became of an order: a few numbers, or a reason of the longest kind at four bytes a character. */
export const OUTCOME_BYTES_MAX = 8 * KiB
/** What an enclave says of itself: its public key (1,216 bytes) and the offer. */
export const DESCRIPTOR_BYTES_MAX = 40 * KiB
/** Evidence within it, or within what is handed over: as much as `enclave/limits.ts` has it read. */
export const PRESENTED_EVIDENCE_BYTES_MAX = 32 * KiB
/** The answer to a challenge, evidence included. */
export const PRESENTATION_MESSAGE_BYTES_MAX = 80 * KiB

/** A vault's word on a session it does not know: one composite signature (3,373 bytes) and a few numbers. */
export const UNKNOWN_BYTES_MAX = 4 * KiB
/** How often a vault gives that word: a signature each, which anybody on the bus can ask for. */
export const UNKNOWN_PER_HOUR_MAX = 60
/** A nonce, a handler's id and a number. */
export const EVIDENCE_QUESTION_BYTES_MAX = 256
/** Evidence, and what is shown beside it. */
export const EVIDENCE_ANSWER_BYTES_MAX = 48 * KiB
