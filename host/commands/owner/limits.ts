/** Every number of an owner's commands, with its unit and its reason. */

/** A host that runs answers within a second; one that is starting, or far away, within this. */
export const PATIENCE_MS = 20_000
/** Of an id on a screen: enough to tell one's devices apart, and to type. */
export const SHORT_ID_CHARS = 16
/** The fewest characters that name a device by its id. */
export const ID_CHARS_MIN = 4
/** What is read from standard input or a file as content: what one version holds (512 KiB sealed) is less. */
export const CONTENT_BYTES_MAX = 1_024 * 1_024
