/** Every number of what is kept and how it is held, with its unit and its reason; `host/limits.ts` has the others. */
const KiB = 1_024
const MiB = 1_024 * KiB

// many vaults --------------------------------------------------------------------------------------------------------

/** What open vaults may take together, by our estimate: with cells and code around it a host stays under 1.5 GiB. */
export const VAULTS_OPEN_BYTES = 640 * MiB
/** An open vault without its items: its keys, its profile, its parts (measured: `bench vaults`). */
export const VAULT_OPEN_BYTES = 96 * KiB
/** An item beside its key and value: its place in a map and in the order, its attributes (measured). */
export const ITEM_OPEN_BYTES = 512
/** What a vault may hold, its records and its audit trail included: all of it is in memory while the vault is open. */
export const VAULT_BYTES_MAX = 256 * MiB
/**
 * What a vault may take on disk, frames and snapshot: both are about as large as what it holds, and there is room for
 * as much again until a snapshot is written that lets old frames go.
 */
export const VAULT_DISK_BYTES_MAX = 3 * VAULT_BYTES_MAX
/** A part of it that is worth a snapshot by itself, once the whole is used. */
export const VAULT_DISK_PART = 1 / 4
/** The owner of a full vault is told so once in this time. */
export const VAULT_FULL_AGAIN_MS = 3_600_000
/** Vaults looked at to make room after one event: those with work in hand are passed over, and a host has many. */
export const EVICT_LOOKS = 16
/** The list of closed vaults and when each has something to do: 100,000 names. */
export const WAKE_BYTES_MAX = 16 * MiB

// backup -------------------------------------------------------------------------------------------------------------

/** What is in a backup: a full vault with what is around each item. It is in memory for a moment. */
export const BACKUP_BYTES_MAX = 512 * MiB
/** The same as the age file that it is kept in: 16 bytes more for each 64 KiB, and a header. */
export const BACKUP_FILE_BYTES_MAX = BACKUP_BYTES_MAX + BACKUP_BYTES_MAX / 256
/** Items of one commit while a backup is restored: few commits, and each fits a frame with room to spare. */
export const RESTORE_COMMIT_BYTES = 2 * MiB

// search -------------------------------------------------------------------------------------------------------------

/** A filter: a line somebody types. */
export const FILTER_CHARS_MAX = 1_024
/** Its terms: each is a condition on every row. */
export const FILTER_TERMS_MAX = 16
/** A transparent value that is longer is found by its key alone. */
export const VIEW_TEXT_BYTES_MAX = 4 * KiB
/** What a search shows of a value. */
export const VIEW_EXCERPT_CHARS = 200
/** Rows of one page: with their excerpts they fit one event. */
export const VIEW_PAGE_ROWS_MAX = 256
/** Views kept at a time: each is a thread with a database of its own, some 40 MB. */
export const VIEWS_MAX = 2
/** A view that nobody asked for this long is dropped. */
export const VIEW_IDLE_MS = 60_000
/** A statement that takes longer ends its view: the fixed ones need milliseconds. */
export const VIEW_ANSWER_MS_MAX = 10_000

// audit --------------------------------------------------------------------------------------------------------------

/** A commit that is not durable by then is refused: a disk under load takes 100 ms, an acknowledgement waits 30 s. */
export const COMMIT_DEADLINE_MS = 5_000
/** Rows between two signed checkpoints: what an insider could cut off unnoticed, against 3.4 KB and 1 ms each. */
export const CHECKPOINT_ROWS = 256
/** Rows in one page of the trail for the owner: at most some 400 bytes each, so that a page fits one event. */
export const AUDIT_PAGE_ROWS_MAX = 256
/** Rows looked at for one page when only some of them match: some 10 ms. */
export const AUDIT_SCAN_ROWS_MAX = 4_096
/** How long the owner may have rows kept: ten years. */
export const AUDIT_RETAIN_DAYS_MAX = 3_650
/** Between two prunings by age: a row stays a day longer at most. */
export const AUDIT_PRUNE_EVERY_MS = 86_400_000
/** Rows that one pruning drops: its deletes and its record fit one frame many times over. */
export const PRUNE_ROWS_MAX = 4_096
/** One line of an exported trail: a row of the longest columns, or a checkpoint in base64. */
export const EXPORT_LINE_CHARS_MAX = 64 * 1_024

// frames -------------------------------------------------------------------------------------------------------------

/** The buffer in which frames are written before they are sealed: 200 commits of 1 KB at once. */
export const WRITER_KEPT_BYTES = 256 * KiB

// logs, snapshots, anchors -------------------------------------------------------------------------------------------

/** What is read along between two frames of one vault: less than another read costs. */
export const READ_GAP_BYTES = 4 * KiB
/** Zeros written behind a log's frames at once: a synced write into them takes half as long; these take 1 ms. */
export const LOG_ROOM_BYTES = 1 * MiB
/** A log's file is full: small enough that what idle vaults hold back is little, large enough that files are few. */
export const SEGMENT_BYTES = 64 * MiB
/** Segments before vaults that did nothing lately are asked for a snapshot, so that the oldest one can go. */
export const SEGMENTS_KEPT = 4
/** Journal since the last snapshot that is never worth another: replaying it takes some 20 ms. */
export const SNAPSHOT_JOURNAL_BYTES_MIN = 1 * MiB
/** Journal for one snapshot, in sizes of the last one: of what an open vault writes, states are a fifth at most. */
export const SNAPSHOT_JOURNAL_PARTS = 4
/** One sealed section of a snapshot: what is decrypted at once. A larger namespace has several. */
export const SNAPSHOT_SECTION_BYTES = 4 * MiB
/** Anchors handed to a device that the vault remembers: one that loses more answers in a row is believed. */
export const ANCHORS_KEPT = 8
/** How long what the disk did not take waits to be tried again: a full disk is emptied by people. */
export const STORAGE_RETRY_MS = 1_000

// protection ---------------------------------------------------------------------------------------------------------

/** A protected key file: two headers with the devices that may unlock, one of them with a signed approval (5.4 KiB). */
export const PROTECTED_BYTES_MAX = 16 * KiB
/** A signed approval as a move keeps it; `contracts/limits.ts` says the same of one that comes. */
export const MOVE_APPROVAL_BYTES_MAX = 4 * KiB
/** Devices that may unlock a vault: people have some. */
export const UNLOCKERS_MAX = 64
/** Challenges of one vault that wait for an order: the oldest gives way. */
export const CHALLENGES_PER_VAULT_MAX = 8
/** Vaults whose challenges are remembered at a time. */
export const CHALLENGED_VAULTS_MAX = 4_096
/** How long an enclave waits for the order to its evidence: a person types a PIN, or reads what changes. */
export const CHALLENGE_LIFE_MS = 5 * 60_000
/** When a critical event for a locked vault is offered again. */
export const LOCKED_RETRY_MS = 5_000
