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
/** Least padded size: small answers (yes, no, refused) all look alike. */
export const PADDED_BYTES_MIN = 64
/** The CBOR writer's buffer that is kept, one a thread: what goes into one message fits, pages of entries as well. */
export const CBOR_SPARE_BYTES = 1 * MiB
/** Text of a refusal or a reply's message: one line for a person. */
export const MESSAGE_CHARS_MAX = 1_024

/** Event types named in a refusal: a line of them; the profile has all. */
export const SUPPORTED_CHARS_MAX = 512

// crypto -------------------------------------------------------------------------------------------------------------

/** Receive window per direction and lane: what may arrive late (IPsec uses 64 to 1,024; brokers reorder more). */
export const WINDOW_BITS = 1_024
/** A vault's public profile: two keys, a signature (6.6 KB) and the published manifests of its handlers. */
export const PROFILE_BYTES_MAX = 256 * KiB
/** CBOR items of one profile: some hundred handlers. */
export const PROFILE_ITEMS_MAX = 32_768
/** Highest sequence number of an epoch: six bytes, exact as a number, out of reach in any epoch's life. */
export const SEQUENCE_MAX = 2 ** 48 - 1
/** Messages sent in one epoch before the next KEM step: what one stolen epoch key can open. */
export const REKEY_MESSAGES = 64
/** The initiator offers so much earlier: of two that talk in turns, one offers, and nothing is made in vain. */
export const REKEY_LEAD = 8
/** Age of an epoch before the next KEM step, for connections that say little. */
export const REKEY_AGE_MS = 3_600_000
/** An offered KEM step that had no answer is sent again, unchanged, after this long. */
export const REKEY_RETRY_MS = 30_000
/** An epoch is readable this long after its successor was heard: what was under way arrives. */
export const EPOCH_OVERLAP_MS = 2 * 60_000
/** Epochs kept at once, however fast a peer rekeys: bounds one session's memory. */
export const EPOCHS_MAX = 4
/** Ids of retired epochs remembered, to tell a late message from one on the wrong subject. */
export const RETIRED_EPOCHS_MAX = 8
/** A signed checkpoint of an audit trail: five short items and one composite signature (3,373 bytes). */
export const CHECKPOINT_BYTES_MAX = 4_096

// contracts ----------------------------------------------------------------------------------------------------------

/** CBOR items in one contract: 64 fields of 15, and as much again for the rest. */
export const CONTRACT_ITEMS_MAX = 2_048
/** Fields in one contract: a form nobody reads is no consent. */
export const CONTRACT_FIELDS_MAX = 64
/** Bytes of one signed contract. */
export const CONTRACT_BYTES_MAX = 64 * KiB
/** A field's name, as asked for and as refused: no asker fills the trail with a long one. */
export const FIELD_NAME_CHARS_MAX = 64
/** A purpose is one sentence on the owner's screen. */
export const PURPOSE_CHARS_MAX = 200
/** A service's name, in the owner's list of connections. */
export const SERVICE_NAME_CHARS_MAX = 100
/** A link to terms or a privacy page: what browsers and proxies agree on is far more. */
export const LINK_CHARS_MAX = 512
/** Event types one contract may ask for: each is a line the owner reads. */
export const CONTRACT_EVENTS_MAX = 32
/** Categories of stored data in one contract. */
export const CONTRACT_CATEGORIES_MAX = 16
/** Longer than ten years is `until-revoked` and has to say so. */
export const RETENTION_DAYS_MAX = 3_650
/** Requests per hour a contract may ask for: about 28 a second, all day. */
export const REQUESTS_PER_HOUR_MAX = 100_000
/** Bytes a contract may ask to store: state of an open vault is held in memory. */
export const CONTRACT_STORAGE_BYTES_MAX = 64 * MiB
/** A signed acceptance: a hash, a few numbers, at most 64 declined names and one signature. */
export const ACCEPTANCE_BYTES_MAX = 16 * KiB
/** The rate bucket is full again this long after its first token was drawn. */
export const RATE_WINDOW_MS = 3_600_000
/** `session` retention: one working day, counted from the handshake or the last accepted version. */
export const SESSION_RETENTION_MS = 12 * 3_600_000
/** A question to the owner stays open this long, unless the contract says otherwise or the event expires before. */
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
/** What one handler may keep of its own in one vault: state of an open vault is held in memory. */
export const HANDLER_STORAGE_BYTES_MAX = 16 * MiB
/** A category's name: it stands beside every item, and is a line the owner reads. */
export const CATEGORY_CHARS_MAX = 64
/** Items in one scan page. */
export const SCAN_ITEMS_MAX = 256
/** One read while a log is indexed or a vault recovered: frames of many vaults lie mixed, most are under 2 KiB. */
export const LOG_WINDOW_BYTES = 64 * KiB
/** Keys in one run of a namespace's order: an insert moves half of them, a lookup halves the list of runs. */
export const KEY_RUN_MAX = 512
/** Counted refusals until their first row; twice as many until each next one, so that a flood costs log2 commits. */
export const REFUSALS_COUNTED_FIRST = 64

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
/** A reply, an outgoing event or one lifted value: 256 KiB of text that JSON doubles, and what is around it. */
export const HANDLER_OUTPUT_BYTES_MAX = 640 * KiB
/** All log lines of one event. */
export const LOG_BYTES_MAX = 16 * KiB
/** Random bytes in one call. */
export const RANDOM_BYTES_MAX = 1_024
/** Outgoing events and notices of one event. */
export const OUTBOX_ITEMS_MAX = 16
/** One manifest file: the two we ship are 2 KiB; the rest is room for a standard's schemas. */
export const MANIFEST_BYTES_MAX = 64 * KiB
/** Event types in one manifest. */
export const MANIFEST_EVENTS_MAX = 32
/** Keys one handler may sign with: a wallet's few; a list nobody reads is no review. */
export const MANIFEST_KEYS_MAX = 8
/** Kinds of entries of its own that one handler may name. */
export const MANIFEST_KINDS_MAX = 8
/** Nesting of a handler author's JSON Schema: the check recurses this deep. */
export const SCHEMA_DEPTH_MAX = 16
/** Subschemas in one JSON Schema: bounds the work of one check. */
export const SCHEMA_NODES_MAX = 1_024
/** Nesting of a request or reply body: what a schema leaves open must not exhaust the stack. */
export const BODY_DEPTH_MAX = 32
/** A handler's refusal code, which its manifest's readers see in the audit trail. */
export const REFUSAL_CODE_BYTES_MAX = 64
/** A handler's refusal message: one sentence for the asker. */
export const REFUSAL_MESSAGE_BYTES_MAX = 256
/** Writes and outgoing events of one event together: with its reply and audit row they fit one journal frame. */
export const EFFECT_BYTES_MAX = 4 * MiB
/** Different keys one event may read: each is an expectation the commit checks. */
export const READ_KEYS_MAX = 4_096
/** One lifted call: a value over its limit by up to as much again is told so; past that the event ends. */
export const LIFT_BYTES_MAX = 2 * VALUE_BYTES_MAX
/** A message to sign: enough for any challenge or receipt; larger things are hashed first. */
export const SIGN_BYTES_MAX = 64 * KiB
/** What every log line costs beyond its text, so that empty lines are not free. */
export const LOG_LINE_BYTES = 16
/** The memory a cell and its host share for one call or answer: the largest value, its key and their lengths. */
export const CHANNEL_BYTES = VALUE_BYTES_MAX + 4 * KiB
/** JavaScript heap of a cell: lifted values and buffered effects, not the guest's own memory. */
export const CELL_HEAP_MB = 64
/** Young generation of a cell: small, since one event allocates little and leaves nothing. */
export const CELL_YOUNG_HEAP_MB = 8
/** Native stack of a cell: the guest's recursion ends here (0.5 to 16 were all safe). */
export const CELL_STACK_MB = 1
/** A cell that is not ready by then is given up: workers need 20 ms, instances of QuickJS 2 ms each. */
export const CELL_START_MS_MAX = 10_000
/** What a deadline allows a report that left its cell in time while the host was late. */
export const REPORT_GRACE_MS = 20
/** Pause before a cell that failed to start is tried again. */
export const CELL_RETRY_MS = 250
/** Events that wait for a cell; past it the sender is told to come back. */
export const POOL_QUEUE_MAX = 1_024

// messaging ----------------------------------------------------------------------------------------------------------

/** A delivery that is not settled by then comes again: NATS' own default, far above any handler's deadline. */
export const ACK_WAIT_MS = 30_000
/** Lane patterns of one cell: one per event type and direction. */
export const LANE_PATTERNS_MAX = 1_024
/** Stored bytes of the critical lane; full means the sender is told, never that something is dropped. */
export const CRITICAL_LANE_BYTES_MAX = 1_024 * MiB
/** The same on the memory bus, which also holds every one of them in the heap. */
export const MEMORY_LANE_BYTES_MAX = 128 * MiB
/** A critical message nobody fetched: longer than any event lives, so that nothing expires on the way. */
export const CRITICAL_AGE_MS_MAX = 30 * 24 * 3_600_000
/** Bytes of the best-effort lane; the oldest go first. */
export const BEST_EFFORT_LANE_BYTES_MAX = 64 * MiB
/** A best-effort message is worth nothing after a minute. */
export const BEST_EFFORT_AGE_MS_MAX = 60_000
/** Partitions of a lane, fixed when its stream is made: one process still pulls 64, three machines share 16 well. */
export const PARTITIONS = 16
/** Consumers of one stream: ours and as many again for a migration; no tenant makes one. */
export const STREAM_CONSUMERS_MAX = 2 * PARTITIONS
/** Messages one partition fetches ahead: enough to hide a round trip, few enough to give back when draining. */
export const PARTITION_FETCH_AHEAD = 16
/** Unsettled deliveries of one partition at the broker, over all hosts that pull it. */
export const PARTITION_UNSETTLED_MAX = 1_024
/** The broker's own de-duplication window: its default; nothing relies on it. */
export const DUPLICATE_WINDOW_MS = 120_000
/** An answer of the broker: a cluster that elects a leader needs 4 to 9 s, and then the sender asks again. */
export const BROKER_ANSWER_MS_MAX = 5_000
/** Pause between two attempts to reach a broker that went away. */
export const BROKER_RECONNECT_MS = 250
/** An ack on the memory bus waits this long for a message to share its fsync with: NATS writes acks as lazily. */
export const ACK_FLUSH_MS = 20
/** How long the memory bus holds a message back when told to reorder: long enough to be overtaken. */
export const REORDER_HOLD_MS = 2
/** Past this the memory bus empties its log as soon as nothing in it is awaited. */
export const BUS_LOG_BYTES_IDLE = 1 * MiB

// enclave ------------------------------------------------------------------------------------------------------------

/** `image.json`: 4,096 files of some 200 bytes each. */
export const IMAGE_LISTING_BYTES_MAX = 1 * MiB
/** Files of one image: handlers, manifests, WIT and a runtime. */
export const IMAGE_FILES_MAX = 4_096
/** One file of an image: the runtime itself is the largest (120 MB). */
export const IMAGE_FILE_BYTES_MAX = 256 * MiB
/** All files of an image: they stay in memory while the host runs. */
export const IMAGE_BYTES_MAX = 512 * MiB
/** A path in an image. */
export const IMAGE_PATH_CHARS_MAX = 255

// vault --------------------------------------------------------------------------------------------------------------

/** Values in one page of what a connection keeps, for its owner: with keys and numbers it fits one event. */
export const ITEMS_PAGE_BYTES = 256 * KiB
/** All writes of one commit: half a frame, so that the reply, the row and the windows always fit. */
export const COMMIT_BYTES_MAX = 4 * MiB
/** Unsealed messages (profile, hello) of one connection in an hour: they cost a signature check each. */
export const GREETINGS_PER_HOUR = 60
/**
 * A handler runs again this often when another event changed what it read; then the asker may retry. Two cells at one
 * counter lose every second time: of a million such events 15 get to the end of this.
 */
export const COMMIT_ATTEMPTS_MAX = 16
/** What a vault sends may be on its way this long: an owner's phone is off for a day. */
export const OUTGOING_LIFE_MS = 24 * 3_600_000
/** Sending numbers left out at each start: more than a run sends without storing where it stands. */
export const SEND_GAP = 2 ** 20
/** A letter the bus did not take is offered again after this time. */
export const RELAY_AFTER_MS = 2_000
/** Deliveries in hand at a time: enough to fill a commit group and every cell, few enough to repeat after a crash. */
export const BUS_IN_FLIGHT_MAX = 256
/** How often the host looks for questions that ran out, letters that stayed and refusals to count. */
export const TICK_MS = 1_000
/** The owner's name for a connection. */
export const ALIAS_CHARS_MAX = 64
/** An event that a peer did not answer is sent again after this, and then after twice as long each time. */
export const POST_AGAIN_MS = 30_000
/** The longest pause: a peer whose host was away for a day hears within the hour that something waits. */
export const POST_AGAIN_MS_MAX = 3_600_000
/** Events that wait for one peer: as many as its receive window takes in any order. */
export const POSTS_MAX = 1_024
/** Bytes of the events that wait for one peer: held in memory. */
export const POST_BYTES_MAX = 16 * MiB
/** A hello to another vault is sent again this often, far from its limit of greetings, until its owner has decided. */
export const HELLO_AGAIN_MS = 5 * 60_000
/** A vault is asked for its profile this often until it answers. */
export const PROFILE_AGAIN_MS = 2_000
/** An invitation that leads nowhere is given up after this. */
export const DIAL_LIFE_MS = 7 * 24 * 3_600_000
/** One personal field. */
export const FIELD_VALUE_CHARS_MAX = 4_096
/** Keys an owner may have: each is held open with the vault. */
export const OWNER_KEYS_MAX = 256
/** A PIN: six digits at least, which with its delay is a thousand years of guessing through the vault. */
export const PIN_CHARS_MIN = 6
/** A sentence at most. */
export const PIN_CHARS_MAX = 64
/** Argon2id's memory, RFC 9106's second recommended option: 64 MiB in KiB. */
export const PIN_MEMORY_KIB = 65_536
/** Argon2id's passes over it, of the same option. */
export const PIN_PASSES = 3
/** Wrong tries without a pause: fingers slip. */
export const PIN_FREE_TRIES = 3
/** The pause after the next, twice as long after each further one. */
export const PIN_DELAY_MS = 30_000
/** The longest pause: the owner comes back tomorrow. */
export const PIN_DELAY_MS_MAX = 24 * 3_600_000
/** The longest time that what is critical stays open after one PIN. */
export const UNLOCK_WINDOW_MS_MAX = 15 * 60_000
/** With a window of 0 the PIN is for the one event that comes within this. */
export const UNLOCK_ONCE_MS = 60_000
/** Inbox marks dropped with one commit: more than one, so that a backlog of expired marks melts. */
export const INBOX_PRUNE_PER_COMMIT = 4

// approval -----------------------------------------------------------------------------------------------------------

/** A handler's question to the owner: two lines on a phone. */
export const QUESTION_BYTES_MAX = 512
/** Answers to choose from: more is a form, not a question. */
export const CHOICES_MAX = 8
/** One of them. */
export const CHOICE_BYTES_MAX = 64

// commands -----------------------------------------------------------------------------------------------------------

/** One `handler.cases.json`: some thousand cases; more is a program, not a list. */
export const CASES_BYTES_MAX = 4 * MiB
/** Cases of one handler. */
export const CASES_MAX = 1_024
/** Runs of one case whose median is told: enough for V8 to have compiled what runs often. */
export const CASE_RUNS = 100
/** All runs of one case together: a slow one is run fewer times. */
export const CASE_RUNS_MS_MAX = 100
/** `trellis handler dev` lets an editor finish writing. */
export const DEV_SETTLE_MS = 50
/** Cases that `dev` asks its live vault after each change: enough to see it work, few enough to read. */
export const DEV_CASES = 3
/** An answer of the live vault: past every deadline a manifest may ask for, and an owner who answers at once. */
export const DEV_ANSWER_MS_MAX = 15_000
/** Requests the live vault's contract allows: nobody types as many. */
export const DEV_REQUESTS_PER_HOUR = 10_000
/** Bytes a handler may store in the live vault. */
export const DEV_STORAGE_BYTES = 1 * MiB

// credentials --------------------------------------------------------------------------------------------------------

/** Claims of one credential: each hidden one is a point multiplication more in every proof, some 2 ms. */
export const CREDENTIAL_CLAIMS_MAX = 32
/** The text of one claim: an address, not a document. */
export const CLAIM_CHARS_MAX = 1_024
/** A credential: 32 claims with their names, a key, a signature. */
export const CREDENTIAL_BYTES_MAX = 64 * KiB
/** The kind of a credential, as in `driving-licence`. */
export const CREDENTIAL_KIND_CHARS_MAX = 64
/** Credentials of one vault: all of them are read for an event that may list them. */
export const CREDENTIALS_MAX = 64
/** The owner's name for a credential: it is offered as a choice, and those have 64 bytes. */
export const CREDENTIAL_LABEL_BYTES_MAX = 64
/** A presentation: all claims shown, with names, header and proof. */
export const PRESENTATION_BYTES_MAX = 128 * KiB
/** A verifier's nonce: fewer bytes could come twice. */
export const NONCE_BYTES_MIN = 16
/** More bytes say nothing more. */
export const NONCE_BYTES_MAX = 64
/** Proofs one event may ask for: each takes some 50 ms of the one proving thread that all vaults share. */
export const PROOFS_PER_EVENT_MAX = 4
