/** Every number of cells and of what runs in them, with its unit and its reason; `host/limits.ts` has the others. */
const KiB = 1_024
const MiB = 1_024 * KiB

// audit --------------------------------------------------------------------------------------------------------------

/** A fact that a handler adds to the audit trail: one sentence for the owner. */
export const FACT_BYTES_MAX = 256
/** Facts of one event: the trail is the owner's, not the handler's log. */
export const FACTS_MAX = 8

// component loader ---------------------------------------------------------------------------------------------------

/** Nesting of components, and of instance types in one: QuickJS builds need 2. */
export const COMPONENT_DEPTH_MAX = 8
/** Core modules of a component, nested ones included: QuickJS builds have 8. */
export const COMPONENT_MODULES_MAX = 32
/** Items of all lists in a component, core modules included: bounds the heap of decoding (QuickJS builds: 3,800). */
export const COMPONENT_ITEMS_MAX = 262_144
/** A name in a component: mangled ones of C++ and Rust stay under it. */
export const COMPONENT_NAME_BYTES_MAX = 1_024
/** Definitions run while linking, nested components counted as often as they are instantiated (QuickJS: 2,300). */
export const COMPONENT_LINK_STEPS_MAX = 16_384
/** Nodes of one WIT type written out: bounds lifting code and flat signatures. */
export const TYPE_NODES_MAX = 1_024
/** Nesting of one WIT type: lifting recurses this deep. */
export const TYPE_DEPTH_MAX = 32
/** Core instances of a component: QuickJS builds have 8. */
export const CORE_INSTANCES_MAX = 64
/** Memories of a component's instances: each reserves 8 GB of addresses (QuickJS builds have 2). */
export const CORE_MEMORIES_MAX = 4
/** Tables of a component's instances: each may grow to `TABLE_ELEMENTS_MAX` (QuickJS builds have 2). */
export const CORE_TABLES_MAX = 8
/** Mutable globals of a component: each is copied at every reset (QuickJS: 12). */
export const MUTABLE_GLOBALS_MAX = 1_024
/** What of a memory's image is kept or left out: what a system gives at once. */
export const IMAGE_PAGE_BYTES = 4 * KiB
/** What is looked at together for whether it was written: smaller costs calls, larger takes pages nobody used. */
export const IMAGE_WIPE_BYTES = 32 * KiB
/** A memory that is kept whole: it is put back sooner than looked at. */
export const IMAGE_WHOLE_BYTES = 64 * KiB
/** Elements of all tables together that a reset copies one by one, when the code can write them. */
export const TABLE_COPY_ELEMENTS_MAX = 4_096
/** Resource handles one instance holds at a time. */
export const HANDLES_MAX = 1_024
/** One line a guest prints: longer ones are cut here. */
export const PRINT_LINE_BYTES_MAX = 1_024

// extism -------------------------------------------------------------------------------------------------------------

/** Blocks a plug-in shares with its host: a few values of the largest size. At most half of its memory's limit. */
export const EXTISM_BLOCK_BYTES_MAX = 8 * MiB
/** Blocks at a time: PDKs free few of them, and one event makes at most a thousand calls. */
export const EXTISM_BLOCKS_MAX = 16_384
/** What an instance keeps for blocks between events: most events need less. */
export const EXTISM_IDLE_BYTES = 64 * KiB
/** All variables of one call: Extism's own default. */
export const EXTISM_VAR_BYTES_MAX = 1 * MiB
/** What `{"reply": …}` adds to a reply, spaces included. */
export const EXTISM_ANSWER_BYTES = 64

// limits that stop ---------------------------------------------------------------------------------------------------

/** Function entries and loop turns of one event when its manifest asks for nothing else: 0.3 s of the tightest loop. */
export const HANDLER_FUEL = 250_000_000
/** The fuel a manifest may ask for: the counter is a signed 32-bit number, some 3 s of the tightest loop. */
export const HANDLER_FUEL_MAX = 2_147_483_647
/** Fuel given out at a time, 0.6 ms of the tightest loop: at its end a call looks whether it has had its time. */
export const FUEL_SLICE = 500_000
/** An event that has run for this long makes way: none of the handlers we ship computes for a tenth of it. */
export const LONG_EVENT_MS = 20
/** It rests after each step of this length: a slice of the tightest loop, or less. */
export const STEP_MS_MIN = 0.5
/** How long it rests: so that it takes some third of a core. Not longer: it may have waited, and not computed. */
export const STEP_ASIDE_MS = 2
/** Between two looks at the clock a module calls out so often: 0.1 ms, and 6 ms of the dearest call there is. */
export const CALLS_PER_LOOK = 64
/**
 * What a cell has after a deadline to end the event itself, and live on, before its thread is stopped: some slices, and
 * for code that takes long for each unit of fuel ten times as much.
 */
export const DEADLINE_GRACE_MS = 10
/** Functions of all core modules of a component: each costs the engine some 100 bytes (QuickJS builds: 1,800). */
export const CORE_FUNCTIONS_MAX = 65_536
/** Imports of all core modules of a component: each is an object at every instantiation (QuickJS builds: 250). */
export const CORE_IMPORTS_MAX = 4_096
/** Data and element segments of all core modules of a component: run when one is made (QuickJS builds: 5,900). */
export const CORE_SEGMENTS_MAX = 65_536
/** Open blocks in one function: compilers recurse or keep state for each (QuickJS builds: 282). */
export const CODE_NESTING_MAX = 1_024
/** Local variables of one function: each lengthens its frame, and compiling it (QuickJS builds: 86). */
export const CODE_LOCALS_MAX = 4_096
/** Targets of the branch tables of one core module: each is an edge for the compiler (QuickJS 11,300, Go 80,000). */
export const CODE_BRANCHES_MAX = 262_144
/** Code so short, with all it calls, that does not loop takes no fuel: its caller did; a probe would double it. */
export const CODE_LEAF_BYTES_MAX = 128
/** A function holds its fuel in a local variable when it has fewer calls than this per loop without one. */
export const CODE_CALLS_PER_LOOP_MAX = 4
/** Functions that take no fuel may call such functions, this deep: accessors behind accessors. */
export const CODE_FREE_LEVELS_MAX = 4
/** Events of one vault that wait for a cell: a quarter of the queue, and as many as a host has in hand of the bus. */
export const POOL_TENANT_QUEUE_MAX = 256

// faults in a row ----------------------------------------------------------------------------------------------------

/** Faults of one kind of event in a row that cost nothing more: a request that a handler cannot bear, sent again. */
export const FAULTS_FREE = 3
/** How long the kind rests after the next one, and twice as long after each that follows. */
export const BACKOFF_MS = 100
/** The longest: what ends such an event takes some 10 ms of a core, and 1 % of the time is what neighbours may feel. */
export const BACKOFF_MS_MAX = 1_600
/** Events that wait for the next try: the last of them waits half of what the bus waits for an acknowledgement. */
export const BACKOFF_WAITING_MAX = 8
/** A kind that nobody asked for this long after its rest begins anew. */
export const BACKOFF_FORGET_MS = 60_000

// cells --------------------------------------------------------------------------------------------------------------

/** A cell looks for the answer to a host call this often, 0.1 ms in all, before it sleeps: waking takes 0.05 ms. */
export const ANSWER_PAUSES = 2_500
/** Calls of one cell answered in one go: 0.1 ms of the host at most, then everybody else has a turn. */
export const CALLS_IN_ONE_GO_MAX = 32
/** Looks for the call that follows another: 8 µs, in which compiled code asks again; being woken for it takes 25. */
export const NEXT_CALL_PAUSES = 120
/** An event for which that was in vain so often is not waited for again: 32 µs. A cell that slept takes one of them. */
export const CALL_WAITS_MAX = 4
/** Events in a cell: the one it is at, and those handed to it ahead. */
export const RING_SLOTS = 8
/** An event or a report that lies in shared memory: most are under 1 KiB, larger ones go as messages. */
export const RING_SLOT_BYTES = 4 * KiB
/** Events of a kind that ended soon, one after the other, before more of it are handed ahead. */
export const QUICK_EVENTS_MIN = 8
/** An event that still runs at the second look is not quick: what waits behind it goes elsewhere, 4 ms late at most. */
export const AHEAD_LOOK_MS = 2
/** Values that go into a cell with an event, as the last event of its kind read them; `used` has a bit for each. */
export const CARRIED_KEYS_MAX = 8
/** Their keys and values together: half a slot. */
export const CARRIED_BYTES_MAX = 2 * KiB
/** Kinds of events, by vault and connection, whose reads are remembered: some 0.5 KB each. */
export const LEARNT_READS_MAX = 4_096
/** After an event a cell looks this often for the next one before it sleeps: 0.05 ms in all, what waking it costs. */
export const NEXT_JOB_TRIES = 12
/** Pauses between two looks: 4 µs. */
export const NEXT_JOB_PAUSES = 100
