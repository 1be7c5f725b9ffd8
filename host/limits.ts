/** Every number of the host, with its unit and its reason. A limit that is not here does not exist. */

const KiB = 1024
const MiB = 1024 * KiB

// wire ---------------------------------------------------------------------------------------------------------------

/** One message on the bus: NATS' default `max_payload`, so that no adapter has to split. */
export const MESSAGE_BYTES_MAX = 1 * MiB
/** A data header is 8 short items; a handshake header carries one X-Wing ciphertext (1,120 bytes). */
export const HEADER_BYTES_MAX = 1_536
/** Nesting of one CBOR value: contracts need 6; the rest is room for a handler's standard. */
export const CBOR_DEPTH_MAX = 16
/** Items in one CBOR value: bounds the heap one message can ask for. */
export const CBOR_ITEMS_MAX = 65_536
/** An event may live this long at most: the inbox must remember its id until then. */
export const EVENT_LIFE_MS_MAX = 7 * 24 * 3_600_000
/** Clocks of honest parties differ; more than this and `ts` is refused. */
export const CLOCK_SKEW_MS_MAX = 5 * 60_000

// crypto -------------------------------------------------------------------------------------------------------------

/** Receive window per direction and lane: what may arrive late (IPsec uses 64 to 1,024; brokers reorder more). */
export const WINDOW_BITS = 1_024

// contracts ----------------------------------------------------------------------------------------------------------

/** Fields in one contract: a form nobody reads is no consent. */
export const CONTRACT_FIELDS_MAX = 64
/** Bytes of one signed contract. */
export const CONTRACT_BYTES_MAX = 64 * KiB
/** `session` retention: one working day, counted from the handshake or the last accepted version. */
export const SESSION_RETENTION_MS = 12 * 3_600_000
/** A question to the owner stays open this long, unless the event expires before. */
export const CONSENT_LIFE_MS = 24 * 3_600_000
/** Identical refusals per connection and hour that get a row of their own; the rest are counted in one. */
export const REFUSAL_ROWS_PER_HOUR = 60
/** Questions to the owner that one connection may have open. */
export const PENDING_PER_CONNECTION_MAX = 32

// storage ------------------------------------------------------------------------------------------------------------

/** One journal frame: the largest event, its stored reply and room for a handler's writes. */
export const FRAME_BYTES_MAX = 8 * MiB
/** A key in a namespace. */
export const KEY_BYTES_MAX = 512
/** A value in a namespace. */
export const VALUE_BYTES_MAX = 1 * MiB
/** Items in one scan page. */
export const SCAN_ITEMS_MAX = 256

// plugin -------------------------------------------------------------------------------------------------------------

/** A component file: QuickJS ones are 1.6 MB, StarlingMonkey ones 12 MB. */
export const COMPONENT_BYTES_MAX = 16 * MiB
/** Linear memory of a handler when its manifest asks for nothing else. */
export const HANDLER_MEMORY_BYTES = 32 * MiB
/** Linear memory a manifest may ask for. */
export const HANDLER_MEMORY_BYTES_MAX = 128 * MiB
/** Elements of one table. */
export const TABLE_ELEMENTS_MAX = 65_536
/** A call's wall clock when the manifest asks for nothing else. */
export const HANDLER_DEADLINE_MS = 1_000
/** The wall clock a manifest may ask for. */
export const HANDLER_DEADLINE_MS_MAX = 10_000
/** Host calls in one event. */
export const HOST_CALLS_MAX = 1_000
/** A reply, an outgoing event or one lifted value. */
export const HANDLER_OUTPUT_BYTES_MAX = 512 * KiB
/** All log lines of one event. */
export const LOG_BYTES_MAX = 16 * KiB
/** Random bytes in one call. */
export const RANDOM_BYTES_MAX = 1_024
/** Outgoing events and notices of one event. */
export const OUTBOX_ITEMS_MAX = 16
