/** Every number of logs, snapshots and anchors, with its unit and its reason; `host/limits.ts` has the others. */
const KiB = 1_024
const MiB = 1_024 * KiB

/** A log's file is full: small enough that what idle vaults hold back is little, large enough that files are few. */
export const SEGMENT_BYTES = 64 * MiB
/** Segments before vaults that did nothing lately are asked for a snapshot, so that the oldest one can go. */
export const SEGMENTS_KEPT = 4
/** Journal since the last snapshot that is never worth another: replaying it takes some 20 ms. */
export const SNAPSHOT_JOURNAL_BYTES_MIN = 1 * MiB
/** One sealed section of a snapshot: what is decrypted at once. A larger namespace has several. */
export const SNAPSHOT_SECTION_BYTES = 4 * MiB
/** Anchors handed to a device that the vault remembers: one that loses more answers in a row is believed. */
export const ANCHORS_KEPT = 8
/** How long what the disk did not take waits to be tried again: a full disk is emptied by people. */
export const STORAGE_RETRY_MS = 1_000
