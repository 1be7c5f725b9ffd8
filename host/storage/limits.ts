/** Every number of storage that came with audit and browsing, with its unit and its reason. */

/** A commit that is not durable by then is refused: a disk under load takes 100 ms, an acknowledgement waits 30 s. */
export const COMMIT_DEADLINE_MS = 5_000
/** Rows between two signed checkpoints: what an insider could cut off unnoticed, against 3.4 KB and 1 ms each. */
export const CHECKPOINT_ROWS = 256
/** Rows in one page of the trail for the owner: at most some 400 bytes each, so that a page fits one event. */
export const AUDIT_PAGE_ROWS_MAX = 256
/** Rows looked at for one page when only some of them match: some 10 ms. */
export const AUDIT_SCAN_ROWS_MAX = 4_096
/** Items looked at for one page of a search: some 10 ms. */
export const SEARCH_ITEMS_MAX = 4_096
/** Text that is searched for in keys. */
export const SEARCH_CHARS_MAX = 128
/** Rows that one pruning looks at: its deletes and its record fit one frame many times over. */
export const PRUNE_ROWS_MAX = 4_096
/** One line of an exported trail: a row of the longest columns, or a checkpoint in base64. */
export const EXPORT_LINE_CHARS_MAX = 64 * 1_024
