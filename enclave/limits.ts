/** Every number of the enclave, with its unit and its reason; `host/limits.ts` has those of an image's files. */
const KiB = 1_024

// evidence -----------------------------------------------------------------------------------------------------------

/** An attestation document: real ones have 4.5 to 7.5 KiB, three full optional fields included. */
export const EVIDENCE_BYTES_MAX = 32 * KiB
/** Containers around a value of a document: payload, registers or chain, value. */
export const EVIDENCE_DEPTH_MAX = 4
/** Values of a document, keys included: 32 registers, 8 certificates and 9 fields are some 100. */
export const EVIDENCE_ITEMS_MAX = 256
/** The key of a software attestor: Ed25519. */
export const SOFTWARE_KEY_BYTES = 32
/** A certificate (NSM API, attestation_process.md §2.2). */
export const CERTIFICATE_BYTES_MAX = 1_024
/** Certificates above the leaf: AWS has root, region, zone and instance. */
export const CHAIN_CERTIFICATES_MAX = 8
/** `public_key`, `user_data` and `nonce` each: real documents fill 1,024 (nsm-api issue 52), whatever the text says. */
export const EVIDENCE_FIELD_BYTES_MAX = 1_024
/** `module_id`: instance and enclave id. */
export const MODULE_ID_CHARS_MAX = 256
/** How far ahead of ours the clock of a document may be. */
export const EVIDENCE_SKEW_MS_MAX = 60_000
/** Age of evidence when a policy names none: the answer to a nonce of a moment ago. */
export const EVIDENCE_AGE_MS = 5 * 60_000
/** The most a policy may allow: a descriptor is served for a day, and two hours for its renewal. */
export const EVIDENCE_AGE_MS_MAX = 26 * 3_600_000

/** A file of roots and a policy: some hundred registers and measurements. */
export const POLICY_BYTES_MAX = 256 * KiB

// registers ----------------------------------------------------------------------------------------------------------

/** A SHA-384, and so a register. */
export const REGISTER_BYTES = 48
/** PCR0 to PCR31. */
export const REGISTERS = 32

// security module ----------------------------------------------------------------------------------------------------

/** The driver's buffer for a request (nsm-api, src/driver/mod.rs): three full fields fit. */
export const NSM_REQUEST_BYTES_MAX = 4 * KiB
/** Its buffer for a response. */
export const NSM_RESPONSE_BYTES_MAX = 12 * KiB
/** What the process that owns the device has for one answer: the module needs some milliseconds. */
export const NSM_ANSWER_MS_MAX = 5_000

// proofs -------------------------------------------------------------------------------------------------------------

/** A proof bundle besides its evidence: it travels in one event. */
export const PROOF_BYTES_MAX = 8 * KiB
/** Hashes from a handler to the root: a set of 65,536. */
export const PROOF_PATH_MAX = 16
/** Hashes from one size of a release log to another: twice the way to a line, in a log of its most bytes. */
export const LOG_PATH_MAX = 48

// enclave image files ------------------------------------------------------------------------------------------------

/** Kernel, init and an image of ours with its runtime are some 150 MiB; it is held in memory whole. */
export const EIF_BYTES_MAX = 1_024 * KiB * KiB
/** Its signature section: a certificate in PEM and a signature, every byte of them an integer of one or two. */
export const EIF_SIGNATURE_BYTES_MAX = 16 * KiB

// releases -----------------------------------------------------------------------------------------------------------

/** Keys that must have signed an entry: one stolen key releases nothing. */
export const RELEASE_SIGNATURES_MIN = 2
/** Keys that may have: a provider's whole set. */
export const RELEASE_SIGNATURES_MAX = 8
/** One line of a log: a revocation of 64 digests with 8 signatures. */
export const RELEASE_LINE_BYTES_MAX = 16 * KiB
/** A whole log: ten thousand lines of its usual kind. */
export const RELEASE_LOG_BYTES_MAX = 16 * KiB * KiB
/** By software, and as an enclave for each architecture and memory. */
export const RELEASE_MEASUREMENTS_MAX = 8
/** Version, notes, reason: what an owner reads. */
export const RELEASE_TEXT_CHARS_MAX = 500
/** Builds of one handler that one entry names. */
export const REVOKED_DIGESTS_MAX = 64
/** An author's key and signature, with what CBOR adds. */
export const AUTHOR_SIGNATURE_BYTES_MAX = 256

// succession ---------------------------------------------------------------------------------------------------------

/** Age of evidence between two images: each was asked for by the other, within the same move. */
export const SUCCESSOR_AGE_MS = 5 * 60_000
/** One message between them: a listing of the largest kind and the manifests of 100 handlers of the largest kind. */
export const SUCCESSION_BYTES_MAX = 8 * KiB * KiB
/** How long either may be silent: a busy machine makes evidence in far less, and a device waits for it. */
export const SUCCESSION_SILENT_MS_MAX = 10_000
/** How often a successor looks whether the folder is free: it is a part of every move. */
export const SUCCESSION_POLL_MS = 20

// images -------------------------------------------------------------------------------------------------------------

/** Core modules of a component: those built on QuickJS have 4. */
export const IMAGE_CORE_MODULES_MAX = 64
/** Keys that sign releases: two are pinned, and two more while they change. */
export const IMAGE_RELEASE_KEYS_MAX = 8
/** A digest, a handler's id, a version. */
export const IMAGE_TEXT_CHARS_MAX = 128
/** Read of a runtime at a time: it has 150 MB, which need not lie in memory. */
export const IMAGE_READ_BYTES = 4 * KiB * KiB
/** How often a running host looks whether its release log grew. */
export const RELEASES_POLL_MS = 5_000
